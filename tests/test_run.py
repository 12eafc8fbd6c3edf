"""The run folder: one process at a time, and a model that only comes back as what it was."""

import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

from nmt.build.model import build_model
from nmt.config import Experiment
from nmt.config.model import ModelConfig
from nmt.errors import UserError
from nmt.run import Run

TOKENIZERS = ("a" * 64, "b" * 64)


def experiment(**changes: object) -> Experiment:
    return Experiment.model_validate({"name": "x", "data": {"builtin": {}}, **changes})


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
    run, model, other = saved(tmp_path), tied(1), tied(2)
    run.load_model(other, TOKENIZERS)
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
    with safe_open(run.model, "pt") as file:
        names = list(file.keys())
        stored = sum(file.get_tensor(name).numel() for name in names)
    assert [name for name in names if "embedding" in name] == ["src_embedding.weight"]
    assert not [name for name in names if name.startswith("head") and "embedding" in name]
    assert stored == sum(p.numel() for p in model.parameters())


def test_a_model_in_float64_is_read_in_float32(tmp_path: Path) -> None:
    run, other = Run(tmp_path), tied(2)
    run.save_model(tied(1).double(), TOKENIZERS)
    run.load_model(other, TOKENIZERS)
    assert torch.equal(next(other.parameters()), next(tied(1).parameters()))


@pytest.mark.parametrize("side", [0, 1])
def test_another_tokenizer_is_refused(tmp_path: Path, side: int) -> None:
    run = saved(tmp_path)
    others = tuple("c" * 64 if number == side else t for number, t in enumerate(TOKENIZERS))
    with pytest.raises(UserError) as caught:
        run.load_model(tied(2), (others[0], others[1]))
    (line,) = str(caught.value).splitlines()
    for part in (str(run.tokenizer), str(run.model), "c" * 12, TOKENIZERS[side][:12], ("src", "trg")[side]):
        assert part in line


def test_a_model_of_another_shape_is_refused(tmp_path: Path) -> None:
    run = saved(tmp_path)
    with pytest.raises(UserError, match=r"does not fit .*config\.yaml: .* should be \(.*\), found \("):
        run.load_model(tied(2, hidden=10), TOKENIZERS)


def test_a_missing_or_damaged_model_is_one_line(tmp_path: Path) -> None:
    run = saved(tmp_path)
    run.model.write_bytes(run.model.read_bytes()[:-7])
    with pytest.raises(UserError, match=r"model\.safetensors is damaged"):
        run.load_model(tied(2), TOKENIZERS)
    run.model.unlink()
    with pytest.raises(UserError, match="holds no model yet"):
        run.load_model(tied(2), TOKENIZERS)


@pytest.mark.parametrize("place", [-1, -200, -1000])
def test_a_flipped_bit_in_a_model_is_found(tmp_path: Path, place: int) -> None:
    run = saved(tmp_path)
    content = bytearray(run.model.read_bytes())
    content[place] ^= 1
    run.model.write_bytes(content)
    with pytest.raises(UserError, match=r"model\.safetensors is damaged: .* checksum"):
        run.load_model(tied(2), TOKENIZERS)


def test_a_full_disk_leaves_model_configuration_and_tokenizers(tmp_path: Path) -> None:
    run, source = saved(tmp_path / "run"), tmp_path / "source"
    source.mkdir()
    (source / "big").write_bytes(bytes(50_000))
    model, config = run.model.read_bytes(), run.config.read_bytes()
    before = {path.name for path in run.folder.iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        with pytest.raises(UserError, match=r"model\.safetensors could not be written"):
            run.save_model(tied(2), TOKENIZERS)
        with pytest.raises(UserError, match=r"config\.yaml: cannot be written"):
            run.save_experiment(experiment(seed=9))
        with pytest.raises(UserError, match="tokenizer could not be written"):
            run.save_tokenizers(source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (run.model.read_bytes(), run.config.read_bytes()) == (model, config)
    assert {path.name for path in run.folder.iterdir()} == before


def test_tokenizers_take_the_place_of_those_before(tmp_path: Path) -> None:
    run, source = Run(tmp_path / "run"), tmp_path / "source"
    for names in ({"shared.json"}, {"src.json", "trg.json"}):
        shutil.rmtree(source, ignore_errors=True)
        source.mkdir()
        for name in names:
            (source / name).write_text("{}", encoding="utf-8")
        run.folder.mkdir(exist_ok=True)
        run.save_tokenizers(source)
        assert {path.name for path in run.tokenizer.iterdir()} == names
        assert {path.name for path in run.folder.iterdir()} == {"tokenizer"}


def test_a_full_disk_is_no_reason_not_to_hold_the_folder(tmp_path: Path) -> None:
    run = Run(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with run.locked(), pytest.raises(UserError, match="in use by process unknown"), run.locked():
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
