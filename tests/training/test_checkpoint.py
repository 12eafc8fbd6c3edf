"""A checkpoint is whole or it is not there; a damaged one is named and the one before is used."""

import hashlib
import json
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nmt.errors import UserError
from nmt.training.checkpoint import (
    Checkpoints,
    DamagedCheckpoint,
    read_tensors,
    rng_state,
    set_rng_state,
    write_tensors,
)

STATE = {"at": {"update": 4}, "best": 0.1 + 0.2}


def groups(value: float, size: int = 6) -> dict[str, dict[str, Tensor]]:
    return {
        "model": {"w": torch.full((size, 2), value), "b": torch.full((2,), value, dtype=torch.float64)},
        "rng": {"cpu": torch.arange(8, dtype=torch.uint8)},
        "nothing": {},
    }


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A disk that refuses to go on in the middle of a file, as a full one does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=3, every=2)
    for step in (2, 4):
        checkpoints.save(step, groups(float(step)), STATE)
    return checkpoints


def test_what_was_saved_comes_back(checkpoints: Checkpoints) -> None:
    found = checkpoints.newest()
    assert found is not None
    step, tensors, state, damaged = found
    assert (step, state, damaged) == (4, STATE, [])
    assert set(tensors) == {"model", "rng", "nothing"}
    for group, content in groups(4.0).items():
        assert set(tensors[group]) == set(content)
        for name, tensor in content.items():
            assert tensors[group][name].dtype == tensor.dtype
            assert torch.equal(tensors[group][name], tensor)


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "none", keep=1, every=1).newest() is None


def test_the_newest_stay_and_those_that_were_due(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2, every=4)
    kept = []
    for step in (4, 8, 12, 13, 14, 15, 16):
        checkpoints.save(step, groups(1.0), STATE)
        kept.append(checkpoints.steps())
    assert kept == [[4], [4, 8], [8, 12], [8, 12, 13], [8, 12, 13, 14], [8, 12, 14, 15], [12, 15, 16]]
    assert checkpoints.due() == [12, 16]


def test_a_checkpoint_outlives_damaged_ones_of_later_updates(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=1, every=2)
    (tmp_path / "step-8").mkdir()
    checkpoints.save(4, groups(1.0), STATE)
    assert checkpoints.steps() == [4]


def test_what_is_no_checkpoint_is_left_out(checkpoints: Checkpoints) -> None:
    for name in ("step-", "step-9x", ".step-9.tmp", "other"):
        (checkpoints.folder / name).mkdir()
    assert checkpoints.steps() == [2, 4]
    checkpoints.save(6, groups(6.0), STATE)
    assert not list(checkpoints.folder.glob(".step-*.tmp"))


def cut_short(step: Path) -> None:
    path = step / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-5])


def flip_a_bit(step: Path) -> None:
    path = step / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def lose_a_file(step: Path) -> None:
    (step / "rng.safetensors").unlink()


def lose_the_state(step: Path) -> None:
    (step / "state.json").unlink()


def change_a_line_end(step: Path) -> None:
    path = step / "state.json"
    path.write_bytes(path.read_bytes()[:-1] + b"\x0b")


def lose_the_last_byte(step: Path) -> None:
    path = step / "state.json"
    path.write_bytes(path.read_bytes()[:-1])


def empty_the_state(step: Path) -> None:
    (step / "state.json").write_text("")


def edit_the_state(step: Path) -> None:
    path = step / "state.json"
    path.write_text(path.read_text().replace('"update": 4', '"update": 5'))


DAMAGES: list[tuple[Callable[[Path], None], str]] = [
    (cut_short, "model.safetensors"),
    (flip_a_bit, "model.safetensors"),
    (lose_a_file, "rng.safetensors"),
    (lose_the_state, "state.json"),
    (empty_the_state, "step-4"),
    (edit_the_state, "state.json"),
    (change_a_line_end, "step-4"),
    (lose_the_last_byte, "step-4"),
]


@pytest.mark.parametrize(("damage", "named"), DAMAGES)
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    checkpoints: Checkpoints, damage: Callable[[Path], None], named: str
) -> None:
    damage(checkpoints.path(4))
    with pytest.raises(DamagedCheckpoint):
        checkpoints.load(4)
    found = checkpoints.newest()
    assert found is not None
    step, tensors, _, (line,) = found
    assert step == 2
    assert torch.equal(tensors["model"]["w"], groups(2.0)["model"]["w"])
    assert str(checkpoints.path(4)) in line
    assert named in line


def test_when_all_are_damaged_each_is_named(checkpoints: Checkpoints) -> None:
    for step in checkpoints.steps():
        flip_a_bit(checkpoints.path(step))
    with pytest.raises(UserError) as caught:
        checkpoints.newest()
    for part in ("step-2", "step-4", "give another --run"):
        assert part in str(caught.value)


@pytest.mark.parametrize("limit", [20_000, 600])
def test_a_full_disk_is_one_line_and_loses_nothing(checkpoints: Checkpoints, limit: int) -> None:
    # 600 bytes hold the tensors, and the state no longer.
    size = 6 if limit == 600 else 10_000
    state = {**STATE, "identity": "x" * 2000}
    with files_of_at_most(limit), pytest.raises(UserError) as caught:
        checkpoints.save(6, groups(6.0, size), state)
    (line,) = str(caught.value).splitlines()
    assert f"checkpoint {checkpoints.path(6)} could not be written" in line
    assert "File too large" in line
    assert {path.name for path in checkpoints.folder.iterdir()} == {"step-2", "step-4"}
    found = checkpoints.newest()
    assert found is not None
    assert found[0] == 4
    assert found[3] == []


def test_a_checkpoint_saved_again_is_the_later_one(checkpoints: Checkpoints) -> None:
    checkpoints.save(4, groups(5.0), STATE)
    assert checkpoints.load(4)[0]["model"]["w"][0, 0] == 5.0


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_a_kill_while_the_only_checkpoint_is_replaced_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    checkpoints = Checkpoints(tmp_path, keep=1, every=2)
    checkpoints.save(4, groups(4.0), STATE)
    rename, done = Path.rename, [0]

    def until_killed(path: Path, target: Path) -> Path:
        if done[0] == renames:
            raise Killed
        done[0] += 1
        return rename(path, target)

    def killed(path: Path, *, ignore_errors: bool) -> None:
        if path.suffix == ".old":
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", until_killed)
        patched.setattr("nmt.training.checkpoint.shutil.rmtree", killed)
        with pytest.raises(Killed):
            checkpoints.save(4, groups(5.0), STATE)
    checkpoints = Checkpoints(tmp_path, keep=1, every=2)
    checkpoints.repair()
    assert checkpoints.steps() == [4]
    assert checkpoints.load(4)[0]["model"]["w"][0, 0] == (5.0 if renames == 2 else 4.0)
    checkpoints.save(6, groups(6.0), STATE)
    assert [path.name for path in tmp_path.iterdir()] == ["step-6"]


def test_tensors_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_tensors(path, {"w": torch.ones(3)}, {"key": "value"})
    with files_of_at_most(20_000), pytest.raises(UserError) as caught:
        write_tensors(path, {"w": torch.zeros(10_000)})
    (line,) = str(caught.value).splitlines()
    assert f"{path}: cannot be written" in line
    assert "nothing was changed" in line
    assert read_tensors(path)["w"].tolist() == [1.0, 1.0, 1.0]
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    with pytest.raises(UserError, match="cannot be written"):
        write_tensors(tmp_path / "nowhere" / "model.safetensors", {"w": torch.ones(3)})


def test_a_slice_is_written_as_the_numbers_it_shows(tmp_path: Path) -> None:
    write_tensors(tmp_path / "x", {"w": torch.arange(6.0).view(2, 3).T})
    assert read_tensors(tmp_path / "x")["w"].tolist() == [[0, 3], [1, 4], [2, 5]]


@pytest.mark.parametrize("name", ["step-²", "step-", "step-x", "step-01", "step-1" + "0" * 5000, "step-٣"])
def test_a_folder_of_another_name_is_no_checkpoint(checkpoints: Checkpoints, name: str) -> None:
    before = checkpoints.steps()
    (checkpoints.folder / name[:200]).mkdir()
    assert checkpoints.steps() == before


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[]", "content"),
        ("{}", "state: Field required"),
        ('{"state": [], "sha256": {}}', "state"),
        ('{"state": {}, "sha256": {"../../model.safetensors": "x"}}', "String should match pattern"),
        ('{"state": {}, "sha256": {"model.safetensors": 1}}', "should be a valid string"),
        ('{"state": {"a": ' + "[" * 10_000 + "]" * 10_000 + '}, "sha256": {}}', "recursion limit"),
        ('{"state": {}, "sha256": {}', "EOF"),
    ],
)
def test_what_state_json_holds_is_checked(checkpoints: Checkpoints, content: str, problem: str) -> None:
    seal = hashlib.sha256(content.encode()).hexdigest()
    (checkpoints.path(4) / "state.json").write_text(f"{content}\n{seal}\n")
    with pytest.raises(DamagedCheckpoint, match=problem) as caught:
        checkpoints.load(4)
    assert "\n" not in str(caught.value)


def test_a_fifo_or_a_link_out_of_the_run_is_damaged(tmp_path: Path, checkpoints: Checkpoints) -> None:
    state = checkpoints.path(4) / "state.json"
    state.rename(tmp_path / "elsewhere.json")
    for make in (lambda: os.mkfifo(state), lambda: state.symlink_to(tmp_path / "elsewhere.json")):
        make()
        with pytest.raises(DamagedCheckpoint, match=r"not a regular file|a link out of its folder"):
            checkpoints.load(4)
        state.unlink()


def test_numbers_of_a_type_that_nmt_does_not_write_are_damaged(tmp_path: Path) -> None:
    write_tensors(tmp_path / "x", {"w": torch.ones(3).to(torch.float8_e5m2)})
    with pytest.raises(DamagedCheckpoint, match="w is of type F8_E5M2"):
        read_tensors(tmp_path / "x")


def test_there_is_no_pickle_in_it(checkpoints: Checkpoints) -> None:
    for path in checkpoints.path(4).iterdir():
        if path.suffix == ".json":
            json.loads(path.read_text().splitlines()[0])
        else:
            read_tensors(path)


def test_random_numbers_go_on() -> None:
    cpu = torch.device("cpu")
    torch.rand(3)
    saved = rng_state(cpu)
    expected = torch.rand(5)
    torch.rand(7)
    set_rng_state(saved, cpu)
    assert torch.equal(torch.rand(5), expected)


def test_a_fifo_in_the_place_of_a_checkpoint_is_not_waited_for(checkpoints: Checkpoints) -> None:
    for name in ("step-9", ".step-3.tmp"):
        os.mkfifo(checkpoints.folder / name)
    newest = checkpoints.newest()
    assert newest is not None
    step, groups, state, damaged = newest
    assert (step, damaged) == (max(checkpoints.steps()), [])
    checkpoints.save(step + 1, groups, state)
    assert max(checkpoints.steps()) == step + 1
