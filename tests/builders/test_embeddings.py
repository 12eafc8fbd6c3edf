"""A run that begins with word vectors, and the one that goes on without their file."""

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from nmt.builders.translator import load_translator
from nmt.config import Experiment
from nmt.data.prepared import Prepared
from nmt.decoding.options import TranslationOptions
from nmt.errors import UserError
from nmt.models import LanguageModel, Seq2Seq
from nmt.run import Run
from nmt.training.checkpoint import read_tensors
from nmt.training.trainer import Trainer
from nmt.workflows.train import build_trainer

E = 8


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("prepared"))


def experiment(prepared: str, max_updates: int = 2, **model: Any) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "tiny",
            "data": {
                "builtin": {"train": 120, "validation": 10, "test": 10},
                "src": "de",
                "trg": "en",
                "tokenizer": {"kind": "word", "shared": False, "min_frequency": 1},
                "prepared": prepared,
            },
            "model": {"embedding": E, "encoder": {"hidden": 8}, "decoder": {"hidden": 8}, **model},
            "training": {
                "tokens_per_batch": 400,
                "max_updates": max_updates,
                "validate_every": 2,
                "save_every": 2,
                "precision": "float64",
                "device": "cpu",
            },
            "decoding": {"max_ratio": 1.0, "max_extra": 2},
        }
    )


def build(folder: Path, config: Experiment) -> tuple[Trainer, Prepared, str]:
    folder.mkdir(exist_ok=True)
    out = io.StringIO()
    trainer, prepared, _ = build_trainer(config, Run(folder), Console(file=out, width=300))
    return trainer, prepared, out.getvalue()


def vectors(path: Path, words: list[str]) -> None:
    rows = (f"{word} {' '.join(str(n + place / 8) for place in range(E))}\n" for n, word in enumerate(words))
    path.write_text(f"{len(words)} {E}\n" + "".join(rows))


def test_a_fresh_run_begins_with_the_vectors_and_goes_on_without_the_file(
    tmp_path: Path, prepared: str
) -> None:
    plain, corpus, _ = build(tmp_path / "plain", experiment(prepared))
    pieces = corpus.trg_tokenizer.vocabulary.tokens
    known = [*pieces[4:9], "nowhere"]
    file = tmp_path / "some.vec"
    vectors(file, known)
    config = experiment(prepared, embeddings={"trg": str(file)})
    trainer, _, said = build(tmp_path / "run", config)
    assert f"vectors for 5 of {len(pieces) - 4} trg tokens ({5 / (len(pieces) - 4):.1%})" in said
    assert isinstance(trainer.model, Seq2Seq)
    assert isinstance(plain.model, Seq2Seq)
    weight = trainer.model.trg_embedding.weight
    expected = plain.model.trg_embedding.weight.detach().clone()
    expected[4:9] = torch.arange(5.0).unsqueeze(1) + torch.arange(E) / 8
    assert torch.equal(weight, expected)
    assert torch.equal(trainer.model.src_embedding.weight, plain.model.src_embedding.weight)

    trainer.train()
    file.unlink()
    more = experiment(prepared, 4, embeddings={"trg": str(file)})
    again, _, said = build(tmp_path / "run", more)
    assert "vectors for" not in said
    again.train()
    assert load_translator(TranslationOptions(models=(tmp_path / "run",), device="cpu", precision="float64"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            f"1 {E + 1}\nder" + " 1" * (E + 1),
            f"line 1: expected vectors of model.embedding {E} numbers, found 9",
        ),
        ("nowhere" + " 1" * E, "none of the .* src tokens is among its words"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_does_not_serve_is_refused(
    tmp_path: Path, prepared: str, text: str | None, reason: str
) -> None:
    file = tmp_path / "some.vec"
    if text is not None:
        file.write_text(text + "\n")
    with pytest.raises(UserError, match=rf"some\.vec: .*{reason}"):
        build(tmp_path / "run", experiment(prepared, embeddings={"src": str(file)}))


def test_a_language_model_has_one_file(tmp_path: Path) -> None:
    text, file = tmp_path / "text.txt", tmp_path / "some.vec"
    text.write_text("a cat\na dog\nthe cat\nthe dog saw\n" * 20)
    vectors(file, ["dog", "cat"])
    config = {
        "name": "tiny",
        "data": {
            "text": {"train": str(text), "validation": str(text)},
            "tokenizer": {"kind": "word", "min_frequency": 1},
            "filters": {"drop_duplicates": False, "drop_test_overlap": False},
            "prepared": str(tmp_path / "prepared"),
        },
        "model": {"kind": "language_model", "embedding": E, "hidden": 8, "embeddings": str(file)},
        "training": {"best_by": "loss", "precision": "float64", "device": "cpu"},
    }
    trainer, prepared, said = build(tmp_path / "run", Experiment.model_validate(config))
    assert "vectors for 2 of 5 trg tokens (40.0%)" in said
    assert isinstance(trainer.model, LanguageModel)
    dog = trainer.model.embedding.weight[prepared.trg_tokenizer.vocabulary.id("dog")]
    assert dog.tolist() == [place / 8 for place in range(E)]


def test_a_run_with_every_dropout_and_deep_stacks_resumes_bit_for_bit(tmp_path: Path, prepared: str) -> None:
    stack = {"layers": 2, "hidden": 8, "residual": True, "layer_norm": True}
    model: dict[str, Any] = {
        "dropout": 0.2,
        "dropout_kind": "variational",
        "recurrent_dropout": 0.2,
        "word_dropout": 0.1,
        "encoder": {**stack, "cell": {"kind": "deep_transition", "cell": "gru", "depth": 2}},
        "decoder": stack,
    }
    build(tmp_path / "whole", experiment(prepared, 4, **model))[0].train()
    for updates in (2, 4):
        build(tmp_path / "parts", experiment(prepared, updates, **model))[0].train()
    for group in ("model", "rng"):
        whole, parts = (
            read_tensors(tmp_path / run / "checkpoints" / "step-4" / f"{group}.safetensors")
            for run in ("whole", "parts")
        )
        assert all(torch.equal(whole[name], parts[name]) for name in whole | parts)
