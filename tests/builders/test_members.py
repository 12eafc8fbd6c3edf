"""nmt.builders.members: an exported model takes its steps like the run that it was made of."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import nmt
from nmt.builders.engine import open_sampler, open_translator
from nmt.builders.members import read_members
from nmt.builders.translator import load_in_graphs
from nmt.decoding.demands import NONE, AfterTab, Demand, Glossary, Rules
from nmt.decoding.options import Sampling, TranslationOptions
from nmt.decoding.torch_engine import TorchEngine
from nmt.decoding.translation import Ranked, Translation
from nmt.errors import UserError
from nmt.graphs.graph import Graph, Value

LINES = {
    "de-en": ["Der Hund schläft.", "", "Wo ist der Bahnhof?", "Ich habe keine Zeit. Sie kommt morgen nicht."],
    "en-de": ["The dog sleeps.", "", "Where is the station?", "I have no time. She is not coming tomorrow."],
}


def as_plain(translations: list[Translation]) -> list[list[tuple[str, float]]]:
    return [[(each.text, each.score) for each in line.ranked] for line in translations]


@pytest.mark.parametrize("model", ["de-en", "en-de"])
@pytest.mark.parametrize("beam", [1, 5])
def test_a_model_that_ships_finds_the_same_by_steps(model: str, beam: int) -> None:
    options = TranslationOptions(models=(Path(model),), beam=beam, n_best=beam, precision="int8")
    by_graph, by_steps = open_translator(options), load_in_graphs(options)
    assert isinstance(by_steps.engine, TorchEngine)
    assert (by_steps.engine.precision, by_steps.engine.tokens_per_batch) == (
        by_graph.engine.precision,
        by_graph.engine.tokens_per_batch,  # type: ignore[attr-defined]
    )
    found, expected = (each.translations(LINES[model], details=True) for each in (by_steps, by_graph))
    for some, others in zip(as_plain(found), as_plain(expected), strict=True):
        assert [text for text, _ in some] == [text for text, _ in others]
        assert [score for _, score in some] == pytest.approx([score for _, score in others], rel=1e-5)
    for some, others in zip(found, expected, strict=True):
        for ours, theirs in zip(some.ranked[0].parts, others.ranked[0].parts, strict=True):
            assert ours.tokens == theirs.tokens
            assert ours.confidence == pytest.approx(theirs.confidence, abs=1e-4)


def words(text: str) -> list[str]:
    return text.rstrip(".?!").lower().split()


def test_rules_hold_for_a_model_that_ships() -> None:
    def translated(rules: Rules) -> list[str]:
        return nmt.load("de-en", rules=rules).translate(LINES["de-en"])

    usual = nmt.load("de-en").translate(LINES["de-en"])
    dog, blank, station, time = translated(Rules(glossary=Glossary((("Hund", "hound"), ("Zeit", "leisure")))))
    assert "hound" in words(dog)
    assert "leisure" in time
    assert (blank, station) == ("", usual[2])
    forbidden = translated(Rules(forbidden=("dog", "station", "time")))
    assert not {"dog", "station", "time"} & {word for text in forbidden for word in words(text)}


def test_rules_about_tokens_hold_for_a_model_that_ships() -> None:
    def best(rules: Rules, line: str) -> Ranked:
        (found,) = nmt.load("de-en", rules=rules).translations([line], details=True)
        return found.ranked[0]

    line = "Der Mann sieht den Hund, den Baum, den Fluss und den Bahnhof."
    (long,) = best(Rules(min_length=30), line).parts
    assert len(long.tokens) >= 30
    (unlike,) = best(Rules(no_repeat=1), line).parts
    assert len({*unlike.tokens}) == len(unlike.tokens)
    assert best(Rules(coverage=0.5), line).score < best(Rules(min_length=1), line).score


@pytest.mark.parametrize("kind", ["prefix", "terms"])
def test_demands_of_each_line_hold_for_a_model_that_ships(kind: AfterTab) -> None:
    translator = nmt.load("de-en", rules=Rules(after_tab=kind))
    demands = [Demand.parse(f"x\tthe old{'' if kind == 'prefix' else chr(9) + '!dog'}", kind)[1]] * 2
    found = translator.translations(["Der Hund schläft.", "Wo ist der Bahnhof?"], demands=demands)
    for each in found:
        assert each.text.startswith("the old") if kind == "prefix" else "the old" in each.text
        assert kind == "prefix" or "dog" not in words(each.text)


def test_groups_find_more_unlike_translations() -> None:
    def found(groups: int) -> set[str]:
        options = TranslationOptions(
            models=(Path("de-en"),), beam=4, n_best=4, rules=Rules(groups=groups, diversity=50.0)
        )
        (line,) = open_translator(options).translations(["Ich habe heute leider keine Zeit."])
        return {word for each in line.ranked for word in words(each.text)}

    assert len(found(2)) > len(found(0))


def test_a_model_that_ships_is_sampled() -> None:
    sampling = Sampling(seed=1, temperature=1.0, top_k=None, top_p=1.0)
    options = TranslationOptions(models=(Path("de-en"),), sampling=sampling)
    lines, given = LINES["de-en"], {**sampling._asdict(), "first": 0}
    translator = open_sampler(options)
    sampled = translator.sample(lines, **given)
    assert sampled == translator.sample(lines, **given)
    assert sampled[1] == ""
    assert sampled != translator.sample(lines, **{**given, "seed": 2})
    assert translator.sample(lines[2:], **{**given, "first": 2}) == sampled[2:]
    coldest = translator.sample(lines, **{**given, "top_k": 1})
    greedy = open_translator(replace(options, sampling=None, beam=1)).translate(lines)
    assert coldest == greedy


def test_an_exported_model_is_like_its_run_in_an_ensemble(gru_run: Path, exported: Path) -> None:
    def found(*models: Path) -> list[list[tuple[str, float]]]:
        options = TranslationOptions(models=models, device="cpu", n_best=2)
        return as_plain(open_translator(options).translations(["der Hund läuft", "über die Straße"]))

    expected = found(gru_run, gru_run)
    assert found(gru_run, exported) == found(exported, gru_run) == found(exported, exported) == expected


def test_an_ensemble_of_other_languages_is_refused() -> None:
    options = TranslationOptions(models=(Path("de-en"), Path("en-de")))
    with pytest.raises(UserError, match=r"--model en-de reads en, expected de as de-en does; give models"):
        read_members(options)


def test_where_there_is_a_gpu_an_exported_model_stays_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.builders.engine.has_cuda_driver", lambda: True)
    monkeypatch.setattr("nmt.builders.hardware.choose_device", lambda _: torch.device("cuda"))
    for rules in (NONE, Rules(min_length=1)):
        options = TranslationOptions(models=(Path("de-en"),), rules=rules)
        assert open_translator(options).engine.precision == "int8"


def test_an_exported_graph_of_another_kind_is_refused(exported: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(exported, tmp_path / "model"))
    g = Graph("float32")
    other = g.model([("x", 1, ("N",))], [(g.op("Neg", Value("x", g)), "y", 1)]).SerializeToString()
    (model / "model.onnx").write_bytes(other)
    manifest = json.loads((model / "manifest.json").read_text())
    manifest["graph"] = hashlib.sha256(other).hexdigest()
    (model / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(
        UserError, match=r"model.onnx is no translation graph of nmt .*; export the model again"
    ):
        load_in_graphs(TranslationOptions(models=(model,)))
