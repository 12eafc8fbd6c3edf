"""A trainer of a real model on real text: exact resume, and what may and may not change on the way."""

import io
import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch
from rich.console import Console

from nmt import machine
from nmt.builders.translator import load_translator
from nmt.config import Experiment
from nmt.data.batches import Batch
from nmt.decoding.options import TranslationOptions
from nmt.errors import UserError
from nmt.objectives.objective import Loss
from nmt.run import Run
from nmt.training.trainer import Interrupted, Trainer
from nmt.workflows.train import build_trainer, refuse_changes, run_folder

Everything: TypeAlias = Callable[[Path], dict[str, Any]]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("prepared"))


def experiment(prepared: str, **changes: Any) -> Experiment:
    """A tiny experiment; a change is a dotted key with dots as double underscores."""
    tree: dict[str, Any] = {
        "name": "tiny",
        "data": {
            "builtin": {"train": 120, "validation": 10, "test": 10},
            "src": "de",
            "trg": "en",
            "tokenizer": {"kind": "bpe", "vocab_size": 400, "shared": True, "dropout": 0.1, "samples": 2},
            "prepared": prepared,
        },
        "model": {
            "embedding": 8,
            "tie_embeddings": "three_way",
            "dropout": 0.2,
            "encoder": {"hidden": 8},
            "decoder": {"hidden": 8},
        },
        "training": {
            "tokens_per_batch": 400,
            "max_updates": 14,
            "validate_every": 5,
            "save_every": 4,
            "log_every": 3,
            "precision": "float32",
            "device": "cpu",
            "optimizer": {"lr": 1e-2},
            "schedule": {"kind": "cosine", "warmup": 3},
            "averaging": {"kind": "ema", "decay": 0.9},
        },
        "decoding": {"max_ratio": 1.0, "max_extra": 2},
    }
    for key, value in changes.items():
        *path, last = key.split("__")
        node = tree
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    return Experiment.model_validate(tree)


def build(folder: Path, config: Experiment, out: io.StringIO | None = None) -> Trainer:
    run = Run(folder)
    folder.mkdir(exist_ok=True)
    return build_trainer(config, run, Console(file=out or io.StringIO(), width=300))[0]


def stop_at(trainer: Trainer, update: int) -> None:
    """Let a signal come in the middle of the update."""
    objective = trainer.objective

    class Stopping:
        figures = objective.figures

        def __call__(self, model: torch.nn.Module, batch: Batch) -> Loss:
            if trainer.at.update + 1 == update:
                signal.raise_signal(signal.SIGTERM)
            return objective(model, batch)

    trainer.objective = Stopping()


BOTH_WAYS = {
    "builtin": None,
    "src": None,
    "trg": None,
    "corpora": [
        {
            "builtin": {"train": 120, "validation": 10},
            "src": "de",
            "trg": "en",
            "tag": "<2en>",
            "weight": 0.5,
        },
        {"builtin": {"train": 100, "validation": 10}, "src": "en", "trg": "de", "tag": "<2de>", "weight": 2},
    ],
}


@pytest.mark.parametrize(
    "changes",
    [
        {"training__precision": "float32"},
        {"training__precision": "float64"},
        {f"data__{key}": value for key, value in BOTH_WAYS.items()},
    ],
    ids=["float32", "float64", "corpora with weights"],
)
def test_a_resumed_run_is_bit_for_bit_the_one_that_never_stopped(
    everything: Everything, tmp_path: Path, prepared: str, changes: dict[str, Any]
) -> None:
    config = experiment(prepared, **changes)
    build(tmp_path / "whole", config).train()
    out = io.StringIO()
    for update in (3, 9):
        trainer = build(tmp_path / "parts", config, out)
        stop_at(trainer, update)
        with pytest.raises(Interrupted):
            trainer.train()
    build(tmp_path / "parts", config, out).train()
    assert "continuing from update 3" in out.getvalue()
    assert "continuing from update 9" in out.getvalue()
    assert everything(tmp_path / "parts") == everything(tmp_path / "whole")
    configs = [(tmp_path / run / "config.yaml").read_text() for run in ("parts", "whole")]
    assert configs[0] == configs[1]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, prepared: str) -> Path:
    folder = tmp_path_factory.mktemp("begun")
    build(folder, experiment(prepared, training__max_updates=2)).train()
    return folder


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"training__optimizer": {"lr": 0.5}}, "training.optimizer.lr (was 0.01, now 0.5)"),
        ({"seed": 2}, "seed (was 1, now 2)"),
        ({"model__dropout": 0.3}, "model.dropout (was 0.2, now 0.3)"),
        (
            {"model__decoder__attention": {"kind": "dot"}},
            "model.decoder.attention.kind (was 'general', now 'dot')",
        ),
        ({"training__log_every": 7}, "training.log_every (was 3, now 7)"),
        ({"data__filters": {"max_length": 9}}, "data.filters.max_length (was 200, now 9)"),
        ({"data__builtin": {"train": 110}}, "data.builtin.train (was 120, now 110)"),
    ],
)
def test_a_changed_key_is_refused_by_name_with_both_values(
    begun: Path, prepared: str, changes: dict[str, Any], named: str
) -> None:
    before = (begun / "config.yaml").read_text(), (begun / "metrics.jsonl").read_text()
    with pytest.raises(UserError) as caught:
        build(begun, experiment(prepared, **changes))
    (line,) = str(caught.value).splitlines()
    assert named in line
    assert "give another --run" in line
    assert ((begun / "config.yaml").read_text(), (begun / "metrics.jsonl").read_text()) == before


def test_what_may_change_is_accepted_and_written_down(begun: Path, prepared: str, tmp_path: Path) -> None:
    changed = experiment(
        prepared,
        name="renamed",
        training__max_updates=6,
        training__max_minutes=50.0,
        training__validate_every=2,
        training__save_every=3,
        training__keep_checkpoints=1,
        training__patience=9,
        tracking={"notes": "x"},
        decoding__beam=2,
        data__prepared=str(tmp_path / "elsewhere"),
    )
    folder = tmp_path / "run"
    shutil.copytree(begun, folder)
    assert build(folder, changed).train().update == 6
    assert Run(folder).experiment() == changed


def text_files(folder: Path, *, last: str = "ein Hund", validation: str = "eine Katze") -> dict[str, Any]:
    folder.mkdir()
    words = "Hund Katze Maus Haus Baum Tisch Stuhl Lampe".split()
    train = [f"ein {a} und ein {b}" for a in words for b in words] + [last]
    for name, lines in (("train", train), ("validation", [validation] * 3)):
        (folder / f"{name}.de").write_text("".join(f"{line}\n" for line in lines))
        (folder / f"{name}.en").write_text("".join(f"{line.lower()}\n" for line in lines))
    return {
        name: {"src": str(folder / f"{name}.de"), "trg": str(folder / f"{name}.en")}
        for name in ("train", "validation")
    }


def with_files(prepared: str, files: dict[str, Any]) -> Experiment:
    tokenizer = {"kind": "word", "min_frequency": 1, "shared": True}
    return experiment(
        prepared,
        data__builtin=None,
        data__files=files,
        data__tokenizer=tokenizer,
        training__max_updates=3,
    )


def test_moved_data_are_accepted_and_changed_data_refused(tmp_path: Path, prepared: str) -> None:
    run = tmp_path / "run"
    build(run, with_files(prepared, text_files(tmp_path / "a"))).train()
    moved = with_files(prepared, text_files(tmp_path / "b"))
    assert build(run, moved).at.update == 3
    assert Run(run).experiment() == moved
    changed = with_files(prepared, text_files(tmp_path / "c", last="ein Haus"))
    with pytest.raises(UserError, match="step-3 was trained with other data"):
        build(run, changed)
    changed = with_files(prepared, text_files(tmp_path / "d", validation="ein Hund"))
    with pytest.raises(UserError, match="step-3 was trained with other validation data"):
        build(run, changed)
    assert Run(run).experiment() == moved


def test_in_several_corpora_text_may_move_and_weights_may_not_change(tmp_path: Path, prepared: str) -> None:
    def config(folder: str, weight: float) -> Experiment:
        one = {"files": text_files(tmp_path / folder), "tag": "<2en>"}
        other = {"files": {"train": one["files"]["train"]}, "weight": weight}
        plain = with_files(prepared, one["files"]).model_dump()
        return Experiment.model_validate(
            plain
            | {"data": plain["data"] | {"files": None, "src": None, "trg": None, "corpora": [one, other]}}
        )

    run, out = tmp_path / "run", io.StringIO()
    build(run, config("a", 0.5), out).train()
    assert "an epoch reads  65 of corpus 0, 32 of corpus 1" in out.getvalue()
    assert build(run, config("b", 0.5)).at.update == 3
    with pytest.raises(UserError, match=r"configuration: data\.corpora\.1\.weight \(was 0\.5, now 2\.0\);"):
        build(run, config("c", 2))


def test_a_key_that_may_change_frees_no_other_that_begins_alike(tmp_path: Path, prepared: str) -> None:
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    data = {"dataset": "someone/parallel", "dataset_config": "news"}
    before = experiment(prepared, data__builtin=None, **{f"data__{key}": data[key] for key in data})
    run.save_experiment(before)
    moved = {"dataset": "copy/of/it", "prepared": "elsewhere"}
    refuse_changes(run, before.model_copy(update={"data": before.data.model_copy(update=moved)}))
    other = before.data.model_copy(update={"dataset_config": "medical"})
    with pytest.raises(UserError, match=r"data\.dataset_config \(was 'news', now 'medical'\)"):
        refuse_changes(run, before.model_copy(update={"data": other}))


def test_a_kill_while_the_only_checkpoint_was_replaced_is_mended(
    begun: Path, prepared: str, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(begun, folder)
    (folder / "checkpoints" / "step-2").rename(folder / "checkpoints" / ".step-2.old")
    with pytest.raises(UserError, match="begun with another configuration"):
        build(folder, experiment(prepared, seed=2))
    assert build(folder, experiment(prepared)).at.update == 2


def test_a_finished_run_without_checkpoints_is_not_trained_over(tmp_path: Path, prepared: str) -> None:
    (tmp_path / "result.json").write_text("{}")
    with pytest.raises(UserError, match="holds a finished run without checkpoints"):
        build(tmp_path, experiment(prepared))
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_a_run_folder_is_a_model_without_pickle(begun: Path) -> None:
    assert (
        load_translator(TranslationOptions(models=(begun,), beam=1, device="cpu")).translate(["Ein Hund."])[0]
        is not None
    )
    suffixes = {path.suffix for path in begun.rglob("*") if path.is_file()}
    assert suffixes <= {".yaml", ".json", ".jsonl", ".safetensors", ".model", ".txt", ""}
    for path in begun.rglob("*"):
        if path.is_file():
            # A pickle of protocol 2 or later opens with 0x80 and its number; torch.save makes a zip.
            assert path.read_bytes()[:2] not in {b"PK", *(bytes([0x80, n]) for n in range(2, 6))}, path


def test_the_tokenizers_of_another_run_are_refused(begun: Path, tmp_path: Path, prepared: str) -> None:
    other = tmp_path / "other"
    config = experiment(prepared, data__tokenizer={"kind": "char", "shared": True}, training__max_updates=1)
    build(other, config).train()
    Run(other).save_tokenizers(begun / "tokenizer")
    with pytest.raises(UserError, match="does not belong to"):
        load_translator(TranslationOptions(models=(other,), beam=1, device="cpu"))


def test_the_run_is_called_after_the_experiment(prepared: str) -> None:
    assert run_folder(experiment(prepared), None).folder == Path("runs/tiny")
    assert run_folder(experiment(prepared), Path("elsewhere")).folder == Path("elsewhere")


def test_the_first_lines_say_what_is_trained_on_what(tmp_path: Path, prepared: str) -> None:
    out = io.StringIO()
    trainer = build(tmp_path, experiment(prepared), out)
    count = sum(p.numel() for p in trainer.model.parameters())
    assert f"{count:,} parameters, 400 target tokens" in out.getvalue()
    assert "float32 on cpu" in out.getvalue()


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("".join(f"line {n} of {n * n}\n" for n in range(60)), encoding="utf-8")
    return str(path)


def language_model(prepared: str, text: str, *, lines: bool, **changes: Any) -> Experiment:
    return experiment(
        prepared,
        data__builtin=None,
        data__text={"train": text, "held_out": 0.2, "lines": lines},
        data__tokenizer={"kind": "char"},
        model={"kind": "language_model", "embedding": 6, "hidden": 8, "layers": 2, "dropout": 0.2},
        training__best_by="loss",
        training__tokens_per_batch=120,
        training__bptt=20,
        **changes,
    )


@pytest.mark.parametrize("lines", [True, False])
def test_a_language_model_is_resumed_bit_for_bit(
    everything: Everything, tmp_path: Path, prepared: str, text: str, lines: bool
) -> None:
    # Windows of 20 in 6 rows: an epoch of 6 is over between the stops.
    config = language_model(prepared, text, lines=lines)
    build(tmp_path / "whole", config).train()
    for update in (3, 9):
        trainer = build(tmp_path / "parts", config)
        stop_at(trainer, update)
        with pytest.raises(Interrupted):
            trainer.train()
        carried = tmp_path / "parts" / "checkpoints" / f"step-{update}" / "carried.safetensors"
        assert carried.exists() is not lines
    build(tmp_path / "parts", config).train()
    assert everything(tmp_path / "parts") == everything(tmp_path / "whole")
    configs = [(tmp_path / run / "config.yaml").read_text() for run in ("parts", "whole")]
    assert configs[0] == configs[1]


def test_a_window_in_pieces_is_the_window(tmp_path: Path, prepared: str, text: str) -> None:
    def losses(accumulate: int) -> list[float]:
        config = language_model(
            prepared,
            text,
            lines=False,
            training__accumulate=accumulate,
            training__precision="float64",
            training__log_every=1,
            model__dropout=0.0,
        )
        folder = tmp_path / str(accumulate)
        build(folder, config).train()
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        return [line["train/loss"] for line in lines if "train/loss" in line]

    assert losses(3) == pytest.approx(losses(1), rel=1e-9)


@pytest.mark.parametrize(("asked", "used"), [(None, 2), (1, 1), (3, 3)])
def test_threads_are_the_cores_of_this_process_unless_told(
    tmp_path: Path, prepared: str, monkeypatch: pytest.MonkeyPatch, asked: int | None, used: int
) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    monkeypatch.setattr(machine, "cores", lambda: 2)
    try:
        build(tmp_path / "run", experiment(prepared, training__threads=asked))
        assert torch.get_num_threads() == used
    finally:
        torch.set_num_threads(before)
