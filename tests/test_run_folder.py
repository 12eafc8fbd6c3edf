"""nmt.run: links, damage, full disks, and folders that are no run."""

import os
import resource
import shutil
from pathlib import Path

import pytest

from nmt.errors import UserError
from nmt.run import Run
from tests.test_run import TOKENIZERS, experiment, saved, tied


@pytest.mark.parametrize("part", ["lock", "tokenizer", "checkpoints", "wandb"])
def test_nothing_is_written_through_a_link(tmp_path: Path, part: str) -> None:
    run, letter = saved(tmp_path / "run"), tmp_path / "letter.txt"
    letter.write_text("Dear friend,\n")
    (run.folder / part).symlink_to(letter)
    with pytest.raises(UserError, match=f"{part}.*a link"), run.locked():
        pass
    assert letter.read_text() == "Dear friend,\n"


@pytest.mark.parametrize("part", ["config.yaml", "model.safetensors", "tokenizer"])
def test_nothing_is_read_through_a_link(tmp_path: Path, part: str) -> None:
    run = saved(tmp_path / "run")
    if (run.folder / part).exists():
        (run.folder / part).rename(tmp_path / part)
    (run.folder / part).symlink_to(tmp_path / part)

    def read() -> None:
        run.experiment()
        run.load_model(lambda: tied(2), TOKENIZERS)

    with pytest.raises(UserError, match="a link out of its folder"):
        read()


def test_a_run_folder_may_be_a_link_itself(tmp_path: Path) -> None:
    saved(tmp_path / "run")
    (tmp_path / "latest").symlink_to("run")
    run = Run(tmp_path / "latest")
    with run.locked():
        run.experiment()
        run.load_model(lambda: tied(2), TOKENIZERS)


def test_a_missing_or_damaged_model_is_one_line(tmp_path: Path) -> None:
    run = saved(tmp_path)
    run.model.write_bytes(run.model.read_bytes()[:-7])
    with pytest.raises(UserError, match=r"model\.safetensors is damaged"):
        run.load_model(lambda: tied(2), TOKENIZERS)
    run.model.unlink()
    with pytest.raises(UserError, match="holds no model yet"):
        run.load_model(lambda: tied(2), TOKENIZERS)


@pytest.mark.parametrize("instead", ["folder", "fifo", "dangling link", "name"])
def test_a_model_that_cannot_be_read_is_not_called_damaged(tmp_path: Path, instead: str) -> None:
    folder = tmp_path / (os.fsdecode(b"run\xff") if instead == "name" else "run")
    run = saved(folder)
    path = run.model
    if instead != "name":
        path.unlink()
    if instead == "folder":
        path.mkdir()
    elif instead == "fifo":
        os.mkfifo(path)
    elif instead == "dangling link":
        path.symlink_to("elsewhere")
    with pytest.raises(UserError, match=r"model\.safetensors: cannot be read \((?!.*model\.safetensors)"):
        run.load_model(lambda: tied(2), TOKENIZERS)


@pytest.mark.parametrize("place", [-1, -200, -1000])
def test_a_flipped_bit_in_a_model_is_found(tmp_path: Path, place: int) -> None:
    run = saved(tmp_path)
    content = bytearray(run.model.read_bytes())
    content[place] ^= 1
    run.model.write_bytes(content)
    with pytest.raises(UserError, match=r"model\.safetensors is damaged: .* checksum"):
        run.load_model(lambda: tied(2), TOKENIZERS)


def test_a_full_disk_leaves_model_configuration_and_tokenizers(tmp_path: Path) -> None:
    run, source = saved(tmp_path / "run"), tmp_path / "source"
    source.mkdir()
    (source / "big").write_bytes(bytes(50_000))
    model, config = run.model.read_bytes(), run.config.read_bytes()
    before = {path.name for path in run.folder.iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        with pytest.raises(UserError, match=r"model\.safetensors: cannot be written"):
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


@pytest.mark.parametrize(
    "names", [["config.yaml"], ["thesis.txt"], ["lock", "thesis.txt"], ["config.yaml", "notes.md", ".git"]]
)
def test_a_folder_that_is_no_run_is_not_written_to(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).touch()
    message = r"holds files and is not a run: .*; give a new folder as --run"
    with pytest.raises(UserError, match=message), Run(tmp_path).locked():
        pytest.fail("entered")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["lock"],
        ["lock", "tokenizer", "metrics.jsonl", "config.yaml", ".tokenizer.tmp"],
        ["lock", "config.yaml", "metrics.jsonl", "wandb", "wandb_id", "tensorboard", "trackio_id"],
        ["config.yaml", "checkpoints", "notes.md"],
        ["config.yaml", "model.safetensors", "result-x.json"],
    ],
)
def test_a_run_that_has_begun_or_was_copied_goes_on(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).touch()
    with Run(tmp_path).locked():
        pass
