"""Runs of two configurations → which is better, on one split."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from nmt.builders.corpus import directions_of, languages_of
from nmt.builders.engine import open_translator
from nmt.config.experiment import Experiment
from nmt.data.corpus import Pair
from nmt.data.directions import choose_tag
from nmt.decoding.options import TranslationOptions
from nmt.errors import UserError
from nmt.evaluation.metrics import bleu_signature, bleu_tokenizer
from nmt.evaluation.references import check_no_blank
from nmt.evaluation.verdict import METHOD, Counts, Verdict, counts_of, judge
from nmt.workflows.score import held_out_with_tags, pairs_of_files, run_experiment


class OwnText(NamedTuple):
    """What one of several runs reads: its sources, and their tag, "" for none."""

    sources: list[str]
    tag: str


class OneText:
    """The text that several runs translate: a split of their data, or files; it has to be the same.

    to: of runs with tags, the language whose lines are taken. files: sources and one or several references in
    place of the split. pairs: as the first run reads them. more: the other references of its sentences.
    language: of the references. tokenize: BLEU's tokenizer.
    """

    def __init__(self, split: str, to: str | None = None, files: Sequence[Path] = ()) -> None:
        self.split, self.to, self.files = split, to, files
        self.more: list[list[str]] = []
        self.first: Path | None = None
        self.pairs: list[Pair] = []
        self.language: str | None = None
        self.tokenize = ""

    @property
    def references(self) -> list[str]:
        """The targets of the pairs."""
        return [pair.trg for pair in self.pairs]

    def add(self, folder: Path, experiment: Experiment) -> OwnText:
        """Read the text of another run and return what it reads.

        Raises UserError where the run has other targets, none, or some in another language.
        """
        directions, language = directions_of(experiment.data), languages_of(experiment.data).trg
        if self.to and not directions and language not in (self.to, None):
            raise UserError(
                f"--to {self.to}: {folder} translates to {language}; compare runs of one language"
            )
        tag = choose_tag(folder, directions, self.to) if directions else ""
        pairs = self._read(folder, experiment, tag)
        if self.first is None:
            self.first, self.pairs, self.language = folder, pairs, self.to or language
            self.tokenize = bleu_tokenizer(self.language, self.references)[0]
        elif len(pairs) != len(self.pairs):
            raise UserError(
                f"{folder}: its split {self.split} has other targets than that of {self.first}: "
                f"{len(pairs)} and {len(self.pairs)}; compare runs on one test set"
            )
        elif [pair.trg for pair in pairs] != self.references:
            raise UserError(
                f"{folder}: its split {self.split} has other targets than that of {self.first}; "
                "compare runs on one test set"
            )
        return OwnText([pair.src for pair in pairs], tag)

    def _read(self, folder: Path, experiment: Experiment, tag: str) -> list[Pair]:
        if self.files:
            src, *references = self.files
            found, *others = (pairs_of_files(src, each, experiment.data) for each in references)
            if not found:
                raise UserError(f"{src} is empty: nothing to translate; give a sentence per line")
            more = [[pair.trg for pair in each] for each in others]
            check_no_blank([[pair.trg for pair in found], *more], " ".join(map(str, references)))
            if self.first is None:
                self.more = more
            return found
        tagged = zip(*held_out_with_tags(experiment, self.split), strict=True)
        pairs = [pair for pair, of_pair in tagged if of_pair == tag]
        if not pairs:
            raise UserError(
                f"{folder}: its split {self.split} has no line with {tag or 'no tag'}; give another"
            )
        return pairs


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
    texts = OneText(split, to)
    found: list[Counts] = []
    for folder in (*runs, *others):
        experiment = run_experiment(folder, (), ["decoding.beam"] if beam else [])
        sources, tag = texts.add(folder, experiment)
        options = TranslationOptions(models=(folder,), tag=tag, beam=beam, device=device, precision="float32")
        outputs = open_translator(options, experiment).translate(sources)
        found.append(counts_of(outputs, texts.references, texts.tokenize))
    verdict = judge(found[: len(runs)], found[len(runs) :])
    return verdict, f"{bleu_signature(texts.tokenize)}|{METHOD}"
