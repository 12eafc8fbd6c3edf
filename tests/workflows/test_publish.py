"""nmt publish: a run becomes a folder, or a repository, with the exported model and its card."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from huggingface_hub import HfApi, ModelCard

import nmt
import nmt.runtime
from nmt.run import Run
from nmt.runtime.labeller import load_labeller
from nmt.runtime.language_model import load_language_model
from tests.support.model_hub import ModelHub, asked_hub

Command: TypeAlias = Callable[..., tuple[object, str, str]]
LINES = ["der Hund läuft schnell.", "", "über die Straße"]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelHub]:
    with asked_hub(tmp_path / "cache", monkeypatch) as found:
        yield found


@pytest.fixture
def run(gru_run: Path, tmp_path: Path, command: Command) -> Path:
    """A run that knows its languages, with the scores of two test sets."""
    folder = Path(shutil.copytree(gru_run, tmp_path / "run"))
    config = (folder / "config.yaml").read_text(encoding="utf-8")
    (folder / "config.yaml").write_text(
        config.replace("src: null", "src: de").replace("trg: null", "trg: en")
    )
    for name in ("words.de", "words.en"):
        (tmp_path / name).write_text("der Hund\ndie Straße\n", encoding="utf-8")
    files = ("--src", tmp_path / "words.de", "--ref", tmp_path / "words.en")
    assert command("score", "--model", folder)[0] == 0
    assert command("score", "--model", folder, *files)[0] == 0
    return folder


def test_a_folder_holds_the_model_and_a_card_that_a_hub_reads(
    run: Path, tmp_path: Path, command: Command
) -> None:
    to = tmp_path / "our-model"
    code, out, err = command("publish", run, "--to", to, "--licence", "CC-BY-4.0")
    assert (code, err) == (0, "")
    assert f"read {to / 'README.md'} before you give it away" in out
    assert sorted(path.name for path in to.iterdir()) == [
        "README.md",
        "manifest.json",
        "model.onnx",
        "tokenizer",
        "training.yaml",
    ]
    assert (to / "training.yaml").read_bytes() == (run / "config.yaml").read_bytes()
    assert nmt.runtime.load(to).translate(LINES) == nmt.load(to).translate(LINES)
    card = ModelCard.load(to / "README.md")
    assert (card.data.language, card.data.license) == (["de", "en"], "cc-by-4.0")
    assert (card.data.pipeline_tag, card.data.metrics) == ("translation", ["bleu", "chrf"])
    assert card.data.eval_results
    assert {each.dataset_name for each in card.data.eval_results} == {"train.tsv", "words.en"}
    assert all("nrefs:1|" in each.metric_args["signature"] for each in card.data.eval_results)
    text = str(card)
    assert "# German to English: our-model" in text
    assert 'nmt.runtime.load("our-model")' in text
    assert "nrefs:1\\|case:mixed" in text
    assert "| words.en | 2 | BLEU (cased, detokenised) |" in text
    assert "lines of validation: float32 unlike torch 0" in text
    assert "The licence of the model is cc-by-4.0." in text
    assert "nmt train training.yaml" in text
    assert str(tmp_path) not in text
    code, _, err = command("publish", run, "--to", to)
    assert (code, f"--to {to}: exists" in err) == (2, True)


def test_with_weights_it_is_a_run_too(run: Path, tmp_path: Path, command: Command) -> None:
    to = tmp_path / "model"
    assert command("publish", run, "--to", to, "--with-weights", "--precision", "float32")[0] == 0
    assert {"config.yaml", "model.safetensors"} <= {path.name for path in to.iterdir()}
    assert not (to / "training.yaml").exists()
    assert Run(to).experiment() == Run(run).experiment()
    files = ("--src", tmp_path / "words.de", "--ref", tmp_path / "words.en", "--force")
    assert command("score", "--model", to, *files) == command("score", "--model", run, *files)
    text = (to / "README.md").read_text(encoding="utf-8")
    assert "The licence of the model is unknown: ask its author" in text
    assert "license: unknown" in text
    assert "in float32, on any CPU" in text
    assert "nmt train config.yaml" in text


def test_a_run_without_scores_says_so(gru_run: Path, tmp_path: Path, command: Command) -> None:
    assert command("publish", gru_run, "--to", tmp_path / "model")[0] == 0
    text = (tmp_path / "model/README.md").read_text(encoding="utf-8")
    assert "No scores are known." in text
    assert "model-index" not in text


def test_labels_are_published(labeller_run: Path, tmp_path: Path, command: Command) -> None:
    words = (
        "--to",
        tmp_path / "model",
        "--precision",
        "float32",
    )  # an untrained model is at a loss in 8 bits
    assert command("publish", labeller_run, *words)[0] == 0
    text = (tmp_path / "model/README.md").read_text(encoding="utf-8")
    assert "nmt predict --model model" in text
    assert "-classification" in text
    assert load_labeller(tmp_path / "model").label([""]) == [""]


def test_a_language_model_is_published(language_model_run: Path, tmp_path: Path, command: Command) -> None:
    assert command("publish", language_model_run, "--to", tmp_path / "model")[0] == 0
    text = (tmp_path / "model/README.md").read_text(encoding="utf-8")
    assert 'nmt.runtime.load_language_model("model").log_probs(' in text
    assert load_language_model(tmp_path / "model").log_probs(["a"])[0] < 0


def test_a_repository_of_the_hub_is_used_by_its_name(
    hub: ModelHub, run: Path, tmp_path: Path, command: Command
) -> None:
    code, out, err = command("publish", run, "--to", "hf://some/model", "--with-weights")
    assert (code, err) == (0, "")
    (commit,) = list(hub.repositories["some/model"].commits)[1:]
    assert f"hf://some/model@{commit}: published" in out
    card = hub.repositories["some/model"].commits[commit]["README.md"].decode()
    assert 'nmt.runtime.load("hf://some/model")' in card
    expected = nmt.load(run).translate(LINES)
    assert nmt.load("hf://some/model").translate(LINES) == expected
    assert nmt.load(f"hf://some/model@{commit}", f"hf://some/model@{commit}").translate(LINES[:1])
    # Again, without the weights: one commit, in which they are gone.
    assert command("publish", run, "--to", "hf://some/model")[0] == 0
    assert len(hub.repositories["some/model"].commits) == 3
    names = {file.rfilename for file in HfApi(endpoint=hub.address).model_info("some/model").siblings or []}
    assert {"manifest.json", "model.onnx", "README.md", "training.yaml", ".gitattributes"} <= names
    assert not names & {"config.yaml", "model.safetensors"}
    assert nmt.load("hf://some/model").translate(LINES) == expected


def test_what_cannot_be_published_is_one_line(
    hub: ModelHub, run: Path, exported: Path, tmp_path: Path, command: Command
) -> None:
    hub.closed = True
    new = tmp_path / "new"
    for words, message in [
        (
            (run, "--to", "hf://some/model"),
            r"the hub does not allow it (HTTP 401); log in with `hf auth login`",
        ),
        ((run, "--to", "hf://some"), "expected hf://USER/REPOSITORY"),
        ((run, "--to", "hf://some/model@main"), "a new commit goes to main; leave @main out"),
        ((run, "--to", new, "--private"), "--private: no effect with a folder"),
        ((run, "--to", new, "--licence", "my own"), "--licence my own: expected an identifier"),
        ((exported, "--to", new), "was exported: expected the run that it was made of"),
        (("de-en", "--to", new), "ships as an exported model, without the run"),
        ((exported, "--to", "hf://some/model"), "was exported: expected the run that it was made of"),
        ((tmp_path / "nothing", "--to", new), f"{tmp_path / 'nothing'}"),
    ]:
        code, out, err = command("publish", *words)
        assert (code, out, len(err.splitlines()), message in err) == (2, "", 1, True), err
    assert not new.exists()
    assert not list(tmp_path.glob(".*"))
    assert hub.repositories == {}


def test_without_a_network_nothing_is_computed(
    hub: ModelHub, run: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    code, out, err = command("publish", run, "--to", "hf://some/model")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "hf://some/model: the hub cannot do what is asked (" in err
