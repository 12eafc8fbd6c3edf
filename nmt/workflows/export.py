"""A run → a folder with its graph, which programs without torch can use; checked before it is written."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from nmt.builders.corpus import languages_of
from nmt.builders.export import Exported, export_model
from nmt.builders.members import Member, read_member
from nmt.builders.search import build_search, search_keys
from nmt.config.model import ClassifierConfig, LanguageModelConfig, TaggerConfig
from nmt.data.directions import lines_by_tag
from nmt.data.letters import common_trigrams
from nmt.data.text import TextEncoder
from nmt.decoding.engine import Hypothesis
from nmt.decoding.scorers import ModelScorer
from nmt.decoding.torch_engine import TorchEngine
from nmt.decoding.translator import Translator
from nmt.errors import UserError
from nmt.evaluation.calibration import Curve, calibration_error
from nmt.evaluation.metrics import corpus_bleu
from nmt.models import Seq2Seq
from nmt.run import Run
from nmt.runtime.bundle import translator_of
from nmt.runtime.engine import GraphEngine
from nmt.runtime.manifest import GraphPrecision
from nmt.tokenization.tokenizer import Tokenizer
from nmt.workflows.calibrate import Judged, judge_words
from nmt.workflows.export_kinds import checked_labeller, checked_language_model
from nmt.workflows.export_text import MADE_UP, made_up
from nmt.workflows.score import held_out_with_tags

LINES = 500  # of the validation text
TIE = 1e-3  # between the scores of two translations that rounding may exchange
MOST_UNLIKE = 0.005  # fraction of lines that may be such ties
MOST_LOST = 1.0  # BLEU that 8 bits may cost


class _Checked(NamedTuple):
    """What is translated to check a graph; references: None where the validation text is not here.

    tags: that of each source, "" for none. letters: the common trigrams of the source language.
    """

    sources: list[str]
    tags: list[str]
    references: list[str] | None
    what: str
    letters: str = ""

    def rows(self, tokenizer: Tokenizer) -> list[list[int]]:
        """Return the ids of the sources, behind their tags."""
        encoder = TextEncoder(tokenizer)
        pairs = zip(self.sources, self.tags, strict=True)
        return [encoder.with_tag(tag).encode(text) for text, tag in pairs]


def export_run(folder: Path, to: Path | None, precision: GraphPrecision, log: Callable[[str], None]) -> Path:
    """Write the graph of a run, with what its user needs beside it; return the folder.

    to: a new folder; None writes into the run's own. Raises UserError, and writes nothing, where the graph
    does not agree with torch on the run's validation text, or 8 bits cost more than a BLEU or change the
    labels of more than 2 % of the lines.
    """
    run = Run(folder)
    match run.experiment().model:
        case ClassifierConfig() | TaggerConfig():
            exported = checked_labeller(folder, precision, log)
        case LanguageModelConfig():
            exported = checked_language_model(folder, precision, log)
        case _:
            exported = _checked_translator(folder, precision, log)
    target = folder if to is None else to
    if to is not None:
        try:
            shutil.copytree(run.tokenizer, to / "tokenizer")
        except OSError as error:
            raise UserError(f"--to {to}: cannot be written ({error.strerror or error})") from None
    exported.write(target)
    return target


def _checked_translator(folder: Path, precision: GraphPrecision, log: Callable[[str], None]) -> Exported:
    member = read_member(folder)
    model = member.load_model()
    exported, checked = export_model(member, model, precision), _validation_text(member)
    with torch.inference_mode():
        log(_check(member, model, exported, checked))
    if checked.references is None:
        return exported
    translator = translator_of(member.run.folder, *exported)
    judged = _judged(translator, checked, checked.references)
    curve = Curve.fit(*judged)
    log(f"confidence in words: {_calibration(judged, curve)}")
    return exported.calibrated(curve).lettered(checked.letters)


def _judged(translator: Translator[GraphEngine], checked: _Checked, references: Sequence[str]) -> Judged:
    """Return what is right of the translations of the sources, each behind its tag."""
    found = [
        judge_words(
            translator.with_tag(tag), [checked.sources[i] for i in lines], [references[i] for i in lines]
        )
        for tag, lines in lines_by_tag(checked.tags).items()
    ]
    return Judged(
        np.concatenate([each.log_probs for each in found]), np.concatenate([each.right for each in found])
    )


def _calibration(judged: Judged, curve: Curve | None) -> str:
    """Return how far the confidence is from the rate of right words, as a line."""
    log_probs, right = judged
    if curve is None:
        return f"not calibrated, because validation has only {len(right)} words"
    before, after = (calibration_error(of(log_probs), right) for of in (np.exp, curve))
    return f"calibrated on {len(right):,} words, calibration error {before:.3f} before, {after:.3f} after"


def _check(member: Member, model: Seq2Seq, exported: Exported, checked: _Checked) -> str:
    """Return what the check found, as a line; raises UserError where the graph does not agree."""
    plain = exported if exported.manifest.precision == "float32" else export_model(member, model, "float32")
    graph, reference = _engine(member, plain), _torch(member, model)
    rows = checked.rows(member.src)
    expected, found = reference.hypotheses(rows), graph.hypotheses(rows)
    unlike = [_gap(a[0], b[0]) for a, b in zip(expected, found, strict=True) if a[0].ids != b[0].ids]
    if len(unlike) > max(1, MOST_UNLIKE * len(rows)) or any(gap > TIE for gap in unlike):
        raise UserError(
            f"{member.run.folder}: its graph does not agree with torch: {len(unlike)} of {len(rows)} lines "
            f"of {checked.what} are translated otherwise, with scores up to {max(unlike):.2g} apart"
        )
    line = f"{len(rows)} lines of {checked.what}: float32 unlike torch {len(unlike)}"
    if exported is plain:
        return line
    rounded = _engine(member, exported).hypotheses(rows)
    changed = sum(a[0].ids != b[0].ids for a, b in zip(found, rounded, strict=True))
    line += f", int8 unlike float32 {changed}"
    if checked.references is None:
        return line
    exact, rough = (_bleu(member, each, checked.references) for each in (found, rounded))
    if rough < exact - MOST_LOST:
        raise UserError(
            f"{member.run.folder}: in 8 bits BLEU on {checked.what} falls from {exact:.2f} to {rough:.2f}; "
            "export it with --precision float32"
        )
    return f"{line}, BLEU {rough:.2f} against {exact:.2f}"


def _validation_text(member: Member) -> _Checked:
    """Return lines of the run's validation text, or made-up ones where it is not here."""
    tags = ("", *member.src.vocabulary.tags)
    try:
        pairs, of_each = held_out_with_tags(member.experiment, "validation")
    except UserError:
        texts = made_up(member.src)
        return _Checked(texts, [tags[i % len(tags)] for i in range(len(texts))], None, MADE_UP)
    most, encoder = member.limits(None).max_source, TextEncoder(member.src)
    # The lines of one tag stand together, so some of each are taken.
    step = -(-len(pairs) // LINES) if len({*of_each}) > 1 else 1
    kept = [
        i
        for i in range(0, len(pairs), step)[:LINES]
        if 0 < len(encoder.with_tag(of_each[i]).encode(pairs[i].src)) <= most
    ]
    known = not member.experiment.data.members or languages_of(member.experiment.data).src is not None
    return _Checked(
        [pairs[i].src for i in kept],
        [of_each[i] for i in kept],
        [pairs[i].trg for i in kept],
        "validation",
        common_trigrams(pair.src for pair in pairs) if known else "",
    )


def _engine(member: Member, exported: Exported) -> GraphEngine:
    manifest, graph = exported
    return translator_of(member.run.folder, manifest, graph).engine


def _torch(member: Member, model: Seq2Seq) -> TorchEngine:
    decoding = member.experiment.decoding
    return TorchEngine(
        ModelScorer(model),
        build_search(search_keys(decoding), member.trg, beam=decoding.beam),
        tokens_per_batch=decoding.tokens_per_batch,
        device=torch.device("cpu"),
        precision="float32",
    )


def _gap(a: Hypothesis, b: Hypothesis) -> float:
    return abs(a.score - b.score)


def _bleu(member: Member, found: Sequence[list[Hypothesis]], references: Sequence[str]) -> float:
    return corpus_bleu([member.trg.decode(best[0].ids) for best in found], references)
