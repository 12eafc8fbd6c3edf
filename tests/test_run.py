"""The run folder: one process at a time, and a model that only comes back as what it was."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

from nmt.builders.model import build_model
from nmt.config import Experiment
from nmt.config.model import ModelConfig
from nmt.errors import UserError
from nmt.run import Run, checksum
from nmt.training.checkpoint import read_tensors, write_tensors

TOKENIZERS = ("a" * 64, "b" * 64)


def experiment(**changes: object) -> Experiment:
    return Experiment.model_validate(
        {"name": "x", "data": {"builtin": {}, "src": "de", "trg": "en"}, **changes}
    )


def tied(seed: int, hidden: int = 8) -> nn.Module:
    torch.manual_seed(seed)
    config = {"embedding": 6, "tie_embeddings": "three_way"}
    sides = {"encoder": {"hidden": hidden}, "decoder": {"hidden": hidden}}
    return build_model(ModelConfig.model_validate({**config, **sides}), 11, 11)


def saved(folder: Path) -> Run:
    folder.mkdir(exist_ok=True)
    run = Run(folder)
    run.save_experiment(experiment())
    run.save_model(tied(1), TOKENIZERS)
    return run


def test_a_folder_holds_one_process_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "x"
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path; from nmt.run import Run\n"
            "with Run(Path(sys.argv[1])).locked(): print('held', flush=True); time.sleep(60)",
            str(folder),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UserError) as caught, Run(folder).locked():
            pass
        assert f"{folder} is in use by process {holder.pid}; wait for it or give another --run" in str(
            caught.value
        )
    finally:
        holder.kill()
        holder.communicate()
    with Run(folder).locked():  # a dead process holds no lock
        pass
    with Run(folder).locked(), pytest.raises(UserError, match="in use by process"), Run(folder).locked():
        pass


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be a run folder"), Run(tmp_path / "file").locked():
        pass


def test_the_configuration_comes_back(tmp_path: Path) -> None:
    run, wanted = Run(tmp_path), experiment(seed=7)
    run.save_experiment(wanted)
    assert run.experiment() == wanted


def test_what_is_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a folder"):
        Run(tmp_path / "none").experiment()
    with pytest.raises(UserError, match=r"is not a run: it has no config\.yaml"):
        Run(tmp_path).experiment()


def test_a_model_comes_back_and_a_tied_tensor_is_stored_once(tmp_path: Path) -> None:
    run, model = saved(tmp_path), tied(1)
    other = run.load_model(lambda: tied(2), TOKENIZERS)
    assert other.head.output.weight is other.src_embedding.weight  # type: ignore[union-attr]
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
    with safe_open(run.model, "pt") as file:
        names = list(file.keys())
        stored = sum(file.get_tensor(name).numel() for name in names)
    assert [name for name in names if "embedding" in name] == ["src_embedding.weight"]
    assert not [name for name in names if name.startswith("head") and "embedding" in name]
    assert stored == sum(p.numel() for p in model.parameters())


CELLS = [
    "lstm",
    "gru",
    "rnn",
    "irnn",
    "ln_lstm",
    "sru",
    {"kind": "deep_transition"},
    {"kind": "lstm", "chrono": 9},
]
ATTENTIONS = ["additive", "coverage", "location", "dot", "general", "multi_head", "additive", "general"]


@pytest.mark.parametrize(("cell", "attention"), list(zip(CELLS, ATTENTIONS, strict=True)))
@pytest.mark.parametrize("style", ["input_feeding", "conditional", "layer_parallel"])
def test_a_model_of_any_kind_comes_back(tmp_path: Path, cell: object, attention: str, style: str) -> None:
    if style == "layer_parallel" and attention in ("coverage", "location"):  # they carry state
        attention = "general"
    side = {"cell": cell, "hidden": 8, "layers": 2, "layer_norm": True}
    config = ModelConfig.model_validate(
        {
            "embedding": 6,
            "head": {"kind": "lexical"},
            "encoder": side,
            "decoder": {**side, "style": style, "attention": {"kind": attention}},
        }
    )
    model, run = build_model(config, 11, 12), Run(tmp_path)
    run.save_model(model, TOKENIZERS)
    other = run.load_model(lambda: build_model(config, 11, 12), TOKENIZERS)
    assert [name for name, _ in model.named_parameters()] == [name for name, _ in other.named_parameters()]
    for (name, a), b in zip(model.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_a_model_in_float64_is_read_in_float32(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.save_model(tied(1).double(), TOKENIZERS)
    other = run.load_model(lambda: tied(2), TOKENIZERS)
    assert {parameter.dtype for parameter in other.parameters()} == {torch.float32}
    assert torch.equal(next(other.parameters()), next(tied(1).parameters()))


@pytest.mark.parametrize("side", [0, 1])
def test_another_tokenizer_is_refused(tmp_path: Path, side: int) -> None:
    run = saved(tmp_path)
    others = tuple("c" * 64 if number == side else t for number, t in enumerate(TOKENIZERS))
    with pytest.raises(UserError) as caught:
        run.load_model(lambda: tied(2), (others[0], others[1]))
    (line,) = str(caught.value).splitlines()
    for part in (str(run.tokenizer), str(run.model), "c" * 12, TOKENIZERS[side][:12], ("src", "trg")[side]):
        assert part in line


def test_a_model_of_another_shape_is_refused(tmp_path: Path) -> None:
    run = saved(tmp_path)
    with pytest.raises(UserError, match=r"does not fit .*config\.yaml: .* should be \(.*\), found \("):
        run.load_model(lambda: tied(2, hidden=10), TOKENIZERS)


def rewritten(run: Run, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """The model file with other tensors and a checksum that is right."""
    weights = read_tensors(run.model)
    change(weights)
    write_tensors(run.model, weights, {"tokenizers": " ".join([*TOKENIZERS, checksum(weights)])})


def test_a_tensor_that_the_model_lacks_is_refused(tmp_path: Path) -> None:
    run = saved(tmp_path)
    rewritten(run, lambda weights: weights.update({"decoder.token.bias": torch.zeros(3)}))
    with pytest.raises(UserError, match=r"decoder\.token\.bias should not be there, found \(3,\)"):
        run.load_model(lambda: tied(2), TOKENIZERS)


@pytest.mark.parametrize(
    ("dtype", "found"),
    [(torch.float8_e4m3fn, "F8_E4M3"), (torch.bfloat16, "BF16"), (torch.int64, "I64"), (torch.bool, "BOOL")],
)
def test_weights_of_another_type_are_refused(tmp_path: Path, dtype: torch.dtype, found: str) -> None:
    run = saved(tmp_path)
    rewritten(run, lambda weights: weights.update({n: w.to(dtype) for n, w in weights.items()}))
    with pytest.raises(UserError, match=f"should be of type F32 or F64, found {found}"):
        run.load_model(lambda: tied(2), TOKENIZERS)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {"decoder": {"bridge": "mean", "attention": {"kind": "multi_head", "heads": 4}}},
            "it was trained with model.decoder.bridge last, found mean",
        ),
        (
            {"decoder": {"attention": {"kind": "multi_head", "heads": 8}}},
            "it was trained with model.decoder.attention.heads 4, found 8",
        ),
        (
            {"decoder": {"attention": {"kind": "general"}}},
            "it was trained with model.decoder.attention.heads 4, found None",
        ),
    ],
)
def test_a_configuration_that_was_edited_is_found_though_all_shapes_fit(
    tmp_path: Path, change: dict[str, object], problem: str
) -> None:
    trained = experiment(model={"decoder": {"attention": {"kind": "multi_head", "heads": 4}}})
    run = Run(tmp_path)
    run.save_model(tied(1), TOKENIZERS, trained)
    run.load_model(lambda: tied(2), TOKENIZERS, trained)
    with pytest.raises(UserError, match=problem):
        run.load_model(lambda: tied(2), TOKENIZERS, experiment(model=change))
    other = trained.model_copy(update={"data": trained.data.model_copy(update={"normalize": "nfc"})})
    with pytest.raises(UserError, match=r"it was trained with data\.normalize none, found nfc"):
        run.load_model(lambda: tied(2), TOKENIZERS, other)


def test_a_configuration_of_before_there_was_a_key_fits(tmp_path: Path) -> None:
    run, trained = Run(tmp_path), experiment()
    run.save_model(tied(1), TOKENIZERS, trained)
    weights = read_tensors(run.model)
    for keys in ("{}", '{"model.kind": "seq2seq"}'):
        seal = " ".join([*TOKENIZERS, checksum(weights) + keys])
        write_tensors(run.model, weights, {"tokenizers": seal})
        run.load_model(lambda: tied(2), TOKENIZERS, trained)
    write_tensors(run.model, weights, {"tokenizers": f"{seal[:-5]}["})
    with pytest.raises(UserError, match="are not keys"):
        run.load_model(lambda: tied(2), TOKENIZERS, trained)


def test_a_model_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    run = saved(tmp_path)
    rewritten(run, lambda weights: weights["src_embedding.weight"].fill_(float("nan")))
    with pytest.raises(UserError, match=r"src_embedding\.weight holds numbers that are not finite"):
        run.load_model(lambda: tied(2), TOKENIZERS)


def test_a_model_of_any_size_is_compared_before_anything_is_allocated(tmp_path: Path) -> None:
    run = saved(tmp_path)
    with pytest.raises(UserError, match=r"does not fit .* should be \(131072, 6\), found \(16, 6\)"):
        run.load_model(lambda: tied(2, hidden=65_536), TOKENIZERS)  # 100 GB and more


def test_a_model_that_the_memory_cannot_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = saved(tmp_path)
    monkeypatch.setattr("nmt.machine.memory", lambda: 1000)
    with pytest.raises(UserError, match=r"model\.safetensors needs 0\.0 GB of memory, found 0\.0 GB"):
        run.load_model(lambda: tied(2), TOKENIZERS)


@pytest.mark.parametrize("length", [2**62, 50_000_000])
def test_a_header_without_end_is_not_read(tmp_path: Path, length: int) -> None:
    run = saved(tmp_path)
    run.model.write_bytes(length.to_bytes(8, "little") + b" " * 100)
    with pytest.raises(UserError, match=r"is damaged \(.*a header of .* bytes"):
        run.load_model(lambda: tied(2), TOKENIZERS)
