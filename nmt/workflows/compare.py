"""Runs of two configurations → which is better, on one split."""

from collections.abc import Sequence
from pathlib import Path

from nmt.builders.corpus import directions_of, languages_of
from nmt.builders.engine import open_translator
from nmt.data.directions import choose_tag
from nmt.decoding.options import TranslationOptions
from nmt.errors import UserError
from nmt.evaluation.metrics import bleu_signature, bleu_tokenizer
from nmt.evaluation.verdict import SEED, TRIALS, Counts, Verdict, counts_of, judge
from nmt.workflows.score import held_out_with_tags, run_experiment


def compare_configurations(
    runs: Sequence[Path],
    others: Sequence[Path],
    *,
    split: str,
    to: str | None = None,
    beam: int | None,
    device: str,
) -> tuple[Verdict, str]:
    """Return the verdict on two groups of runs, and its signature.

    to: of runs with tags, the language whose lines are compared. Raises UserError where a run is in both
    groups, the runs have different texts in that split, or texts of several languages.
    """
    if both := sorted({*map(str, runs)} & {*map(str, others)}):
        raise UserError(f"{both[0]}: stands on both sides; give each run once")
    references: list[str] = []
    tokenize = ""
    found: list[Counts] = []
    for folder in (*runs, *others):
        experiment = run_experiment(folder, (), ["decoding.beam"] if beam else [])
        directions, language = directions_of(experiment.data), languages_of(experiment.data).trg
        if to and not directions and language not in (to, None):
            raise UserError(f"--to {to}: {folder} translates to {language}; compare runs of one language")
        tag = choose_tag(folder, directions, to) if directions else ""
        tagged = zip(*held_out_with_tags(experiment, split), strict=True)
        pairs = [pair for pair, of_pair in tagged if of_pair == tag]
        if not pairs:
            raise UserError(f"{folder}: its split {split} has no line with {tag or 'no tag'}; give another")
        targets = [pair.trg for pair in pairs]
        if not references:
            references, tokenize = targets, bleu_tokenizer(to or language, targets)[0]
        elif targets != references:
            raise UserError(
                f"{folder}: its split {split} has other targets than that of {runs[0]}; "
                "compare runs on one test set"
            )
        options = TranslationOptions(models=(folder,), tag=tag, beam=beam, device=device, precision="float32")
        outputs = open_translator(options, experiment).translate([pair.src for pair in pairs])
        found.append(counts_of(outputs, references, tokenize))
    verdict = judge(found[: len(runs)], found[len(runs) :])
    return verdict, f"{bleu_signature(tokenize)}|bootstrap:{TRIALS}|over:seeds+sentences|seed:{SEED}"
