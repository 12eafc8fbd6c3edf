"""nmt.builders.reranking: a second run orders the n best, by its own tokens and in its own direction."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import nmt
from nmt.builders.engine import open_translator
from nmt.builders.members import read_member
from nmt.config import load_experiment
from nmt.decoding.options import Sampling, TranslationOptions
from nmt.errors import UserError
from nmt.machine import Precision
from nmt.models import Source
from nmt.run import Run
from nmt.tokenization.reversal import right_to_left
from nmt.tokenization.subwords import SentencePieceTokenizer
from nmt.tokenization.tokenizer import load_tokenizers, save_tokenizers
from nmt.tokenization.vocabulary import BOS, EOS
from tests.support.random_run import random_run

LINES = ["der Hund läuft schnell.", "", "die Straße", "the dog runs quickly. der Hund"]


@pytest.fixture(params=["its tokens", "others"])
def backward(request: pytest.FixtureRequest, tiny_run: Path, tmp_path: Path) -> Path:
    """A run that writes from right to left, over the tokens of the tiny run or others."""
    src, trg = load_tokenizers(tiny_run / "tokenizer")
    if request.param == "others":
        src = trg = SentencePieceTokenizer.train(LINES, kind="char")
    save_tokenizers(tmp_path / "like/tokenizer", src, right_to_left(trg))
    config = load_experiment(tiny_run / "config.yaml", ["data.reverse_target=true"])
    Run(tmp_path).save_experiment(config)
    return random_run(tmp_path / "backward", tmp_path / "like", Run(tmp_path).config.read_text("utf-8"), 5)


def read_plainly(run: Path, source: str, target: str) -> list[float]:
    """The log-probability of each token of a target, the last one first, by one pass of the model."""
    member = read_member(run)
    model = member.load_model().double()
    src = [*member.src.encode(source), EOS]
    trg = [*load_tokenizers(run / "tokenizer")[0].encode(target)[::-1], EOS]  # both sides have the same
    with torch.inference_mode():
        output = model(
            Source(torch.tensor([src]), torch.tensor([len(src)])), torch.tensor([[BOS, *trg[:-1]]])
        )
        log_probs = model.head(output.features).log_softmax(-1)[0]
    return [float(row[i]) for row, i in zip(log_probs, trg, strict=True)]


@pytest.mark.parametrize("weight", [None, 0.3])
def test_the_sum_of_both_scores_orders_all_that_the_beam_holds(
    tiny_run: Path, backward: Path, weight: float | None
) -> None:
    plain = TranslationOptions(models=(tiny_run,), beam=4, n_best=4, precision="float64")
    both = replace(plain, rerank=backward, rerank_weight=weight)
    # One part a line: the n best of several parts are combinations.
    options = [replace(each, split=False) for each in (plain, both)]
    before, after = (open_translator(each).translations(LINES[:3]) for each in options)
    for line, given, found in zip(LINES[:3], before, after, strict=True):
        expected = []
        for each in given.ranked:
            log_probs = read_plainly(backward, line, each.text) if line else [0.0]
            penalty = (5 + len(log_probs)) / 6  # of gnmt with alpha 1, the configuration's
            expected.append((each.score + (weight or 1.0) * sum(log_probs) / penalty, each.text))
        expected.sort(key=lambda each: -each[0])
        assert [each.text for each in found.ranked] == [text for _, text in expected]
        assert [each.score for each in found.ranked] == pytest.approx(
            [score for score, _ in expected], abs=1e-9
        )
    best = open_translator(replace(options[1], n_best=1)).translate(LINES[:3])
    assert best == [each.text for each in after]


@pytest.mark.parametrize("precision", ["auto", "float32", "float64"])
def test_each_part_is_reranked_on_every_engine(tiny_run: Path, backward: Path, precision: Precision) -> None:
    options = TranslationOptions(models=(tiny_run,), beam=3, precision=precision, rerank=backward)
    exact = open_translator(replace(options, precision="float64"))
    found = open_translator(options).translations(LINES, details=True)
    for line, one, other in zip(LINES, found, exact.translations(LINES), strict=True):
        assert one.text == other.text
        assert one.ranked[0].score == pytest.approx(other.ranked[0].score, abs=1e-3)
        assert len(one.ranked) == 1
        assert bool(one.links()) == bool(line)
    assert nmt.load(tiny_run, rerank=backward).translate([]) == []


def test_an_exported_model_reranks_like_its_run(tiny_run: Path, gru_run: Path, exported: Path) -> None:
    options = TranslationOptions(models=(tiny_run,), beam=3, n_best=3, device="cpu")
    by_run, by_exported = (
        open_translator(replace(options, rerank=each)).translations(LINES) for each in (gru_run, exported)
    )
    assert by_run == by_exported != open_translator(options).translations(LINES)


def test_what_cannot_rerank_is_refused(tiny_run: Path, language_model_run: Path) -> None:
    options = TranslationOptions(models=(tiny_run,), rerank=tiny_run)
    for changes, message in (
        ({"rerank": language_model_run}, "of model.kind language_model, which translates nothing"),
        ({"beam": 1}, "a beam of 1 finds one translation, .*; ask for more, such as --beam 10"),
    ):
        with pytest.raises(UserError, match=message):
            open_translator(replace(options, **changes))  # type: ignore[arg-type]
    for wrong, message in (
        ({"rerank": None, "rerank_weight": 1.0}, "rerank_weight 1.0 needs a model that reranks; give rerank"),
        ({"rerank_weight": 0.0}, "rerank_weight 0.0: expected a number above 0, such as 1"),
        ({"rerank_weight": float("nan")}, "rerank_weight nan: expected a number above 0"),
        (
            {"sampling": Sampling(1, 1.0, None, 1.0)},
            "orders what a search found; leave out rerank or sampling",
        ),
    ):
        with pytest.raises(UserError, match=message):
            replace(options, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("src: de\n  trg: fr", "writes fr, expected en as .*first does"),
        ("src: en\n  trg: de", "reads en, expected de as"),
        ("src: de\n  trg: en", None),
        ("", None),  # languages that are not known may be the same
    ],
)
def test_languages_are_those_of_the_search(
    tiny_run: Path, tmp_path: Path, data: str, message: str | None
) -> None:
    text = (tiny_run.parent / "config.yaml").read_text("utf-8")
    first, second = (
        random_run(tmp_path / name, tiny_run, text.replace("data:\n", f"data:\n  {of}\n"), 3)
        for name, of in (("first", "src: de\n  trg: en"), ("second", data))
    )
    options = TranslationOptions(models=(first,), rerank=second, beam=2)
    if message is None:
        assert open_translator(options).reranker is not None
        return
    with pytest.raises(UserError, match=message):
        open_translator(options)
