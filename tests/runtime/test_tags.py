"""A model with tags outside of torch: the same text, the same refusals, a manifest that says what it can."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import nmt
from nmt.builders.engine import open_translator
from nmt.builders.translator import load_translator
from nmt.data.directions import Direction
from nmt.decoding.options import TranslationOptions
from nmt.errors import UserError
from nmt.runtime import load
from nmt.runtime.manifest import Manifest
from tagging import LINES


@pytest.fixture
def run(tagged_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tagged_run, tmp_path / "run"))


@pytest.mark.parametrize("to", ["en", "de"])
def test_the_graph_translates_as_torch_does(run: Path, to: str) -> None:
    options = TranslationOptions(models=(run,), precision="float32", device="cpu", to=to)
    by_graph, by_torch = open_translator(options), load_translator(options)
    assert type(by_graph.engine).__name__ == "GraphEngine"
    found = zip(
        by_graph.translations(LINES, details=True), by_torch.translations(LINES, details=True), strict=True
    )
    for line, (ours, theirs) in zip(LINES, found, strict=True):
        assert ours.text == theirs.text
        assert bool(ours.text) == bool(line), "a blank line stays blank"
        for x, y in zip(ours.ranked[0].parts, theirs.ranked[0].parts, strict=True):
            np.testing.assert_allclose(x.weights, y.weights, atol=1e-5)
    words = [word for part in ours.ranked[0].parts for word in part.src_words]
    assert words == LINES[-1].split(), "the tag is no word"


def test_the_manifest_says_what_the_model_translates(run: Path) -> None:
    assert nmt.load(run, to="en").translate(LINES) == load(run, to="en").translate(LINES)
    assert load(run, to="en").translate(LINES) != load(run, to="de").translate(LINES)
    manifest = Manifest.load(run)
    assert manifest is not None
    assert manifest.directions == (
        Direction("de", "en", "<2en>"),
        Direction("en", "de", "<2de>"),
        Direction("de", "en", "<bt>"),
    )
    assert (manifest.src, manifest.trg) == ("", "")


@pytest.mark.parametrize(
    ("to", "message"),
    [(None, "translates to en or de; say which, such as --to en"), ("fr", "expected one of en, de")],
)
def test_what_it_cannot_do_is_refused(run: Path, to: str | None, message: str) -> None:
    nmt.load(run, to="en")
    for refused in (lambda: load(run, to=to), lambda: nmt.load(run, to=to)):
        with pytest.raises(UserError, match=message):
            refused()


def test_another_tag_changes_what_is_read_and_nothing_else(run: Path) -> None:
    english = nmt.load(run, to="en")
    german = english.with_tag("<2de>")
    assert german.engine is english.engine
    assert german.translate(LINES) == nmt.load(run, to="de").translate(LINES)
    vocabulary = english.src_tokenizer.vocabulary
    ids = [translator.parts(LINES[0])[0].ids for translator in (english, german, english.with_tag(""))]
    assert [row[0] for row in ids[:2]] == [vocabulary.tag("<2en>"), vocabulary.tag("<2de>")]
    assert ids[0][1:] == ids[1][1:] == ids[2]
    with pytest.raises(UserError, match="the tag <2fr> is no token"):
        english.with_tag("<2fr>")


def test_attention_to_the_tag_belongs_to_no_word(run: Path) -> None:
    translator = replace(nmt.load(run, to="en"), protect=False)
    (part,) = translator.parts(LINES[0])
    ((hypothesis,),) = translator.engine.hypotheses([part.ids], details=True)
    assert hypothesis.alignment is not None
    of_words = hypothesis.alignment[: len(hypothesis.ids), 1 : len(part.ids)].sum(axis=1)
    starts = np.flatnonzero(translator.trg_tokenizer.word_starts(hypothesis.ids))
    tokens = np.diff([*starts, len(hypothesis.ids)])
    (detail,) = translator.translations(LINES[:1], details=True)[0].ranked[0].parts
    np.testing.assert_allclose(
        detail.weights.sum(axis=1), np.add.reduceat(of_words, starts) / tokens, rtol=1e-5
    )


def test_links_of_given_pairs_leave_the_tag_out(run: Path) -> None:
    translator = load_translator(TranslationOptions(models=(run,), device="cpu", to="en"))
    pairs = [(line, "the dog sleeps") for line in LINES if line]
    for (line, _), links in zip(pairs, translator.align(pairs), strict=True):
        assert [link.trg for link in links] == [0, 1, 2]
        assert all(link.src < len(line.split()) for link in links)


def test_models_of_an_ensemble_read_the_tag_too(run: Path) -> None:
    alone, together = nmt.load(run, to="de"), nmt.load(run, run, to="de")
    assert together.translate(LINES) == alone.translate(LINES)
    with pytest.raises(UserError, match="expected one of en, de"):
        nmt.load(run, run, to="fr")


def test_the_search_never_writes_a_tag(run: Path) -> None:
    translator = nmt.load(run, to="en")
    vocabulary = translator.trg_tokenizer.vocabulary
    assert {vocabulary.tag(tag) for tag in vocabulary.tags} <= set(translator.trg_tokenizer.banned)


def test_a_model_with_tags_serves_each_of_its_pairs(run: Path) -> None:
    from nmt.server.models import open_models

    models = open_models([run])
    assert list(models.of_pair) == [("de", "en"), ("en", "de")]
    for (_, trg), model in models.of_pair.items():
        found = [each.text for each in model.translations(LINES, ranked=False, details=False)]
        assert found == load(run, to=trg).translate(LINES)
    one, other = models.of_pair.values()
    assert one.best.engine is other.best.engine
    with pytest.raises(
        UserError, match=r"--model .*: translates de to en, as .* does; leave out one of them"
    ):
        open_models([run, Path("de-en")])
