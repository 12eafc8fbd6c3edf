"""nmt.training.distributed: what the environment says of the other processes, and a GPU for each."""

from datetime import timedelta

import pytest
import torch

from nmt.errors import UserError
from nmt.training import distributed
from nmt.training.distributed import SINGLE, Group, joined
from tests.training.test_distributed import free_port

VARIABLES = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


def environment(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("variables", [{}, {"WORLD_SIZE": "1", "RANK": "0"}], ids=["none", "one"])
def test_one_process_is_alone(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    environment(monkeypatch, **variables)
    with joined() as processes:
        assert processes is SINGLE


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"WORLD_SIZE": "two", "RANK": "0"}, "WORLD_SIZE should be a whole number, found 'two'"),
        ({"WORLD_SIZE": "-2", "RANK": "0"}, "WORLD_SIZE should be a whole number, found '-2'"),
        ({"WORLD_SIZE": "0", "RANK": "0"}, "RANK is 0 and WORLD_SIZE is 0"),
        ({"WORLD_SIZE": "2", "RANK": "2"}, "RANK is 2 and WORLD_SIZE is 2"),
        ({"WORLD_SIZE": "2"}, "RANK should be a whole number, found nothing"),
        ({"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "x"}, "MASTER_PORT should be a whole number"),
        ({"WORLD_SIZE": "2", "RANK": "0", "MASTER_PORT": "1"}, "MASTER_ADDR expected, but not set"),
    ],
)
def test_a_wrong_world_size_is_one_line(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: str
) -> None:
    environment(monkeypatch, **variables)
    with pytest.raises(UserError) as caught, joined():
        pass
    (line,) = str(caught.value).splitlines()
    assert line.startswith("wrong number of processes: ")
    assert named in line
    assert "torchrun" in line


def test_processes_that_never_come_are_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "START", timedelta(seconds=1))
    environment(monkeypatch, WORLD_SIZE="2", RANK="0", MASTER_ADDR="127.0.0.1", MASTER_PORT=free_port())
    with pytest.raises(UserError, match="wrong number of processes: not all of 2 "), joined():
        pass


def test_each_process_has_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[torch.device] = []
    first = torch.tensor([0, 2])  # what the other process says: its number, and the GPUs there are
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(Group, "gather", lambda self, part: torch.cat([first, part]))
    environment(monkeypatch, LOCAL_RANK="1")
    group, cuda = Group(1, 2), torch.device("cuda")
    assert group.device(cuda) == torch.device("cuda:1")
    assert taken == [torch.device("cuda:1")]
    assert group.device(torch.device("cpu")) == torch.device("cpu")
    with pytest.raises(UserError, match=r"training.device is cuda:1, but 2 processes"):
        group.device(torch.device("cuda:1"))


def test_too_few_gpus_for_one_are_said_by_all(monkeypatch: pytest.MonkeyPatch) -> None:
    second = torch.tensor([1, 1])
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(Group, "gather", lambda self, part: torch.cat([part, second]))
    environment(monkeypatch, LOCAL_RANK="0")
    with pytest.raises(UserError, match=r"LOCAL_RANK 1 needs its own GPU, and its machine has 1; start"):
        Group(0, 2).device(torch.device("cuda"))
