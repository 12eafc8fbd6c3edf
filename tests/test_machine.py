"""nmt.machine: cores within quotas, and a probe that tells what the CPU's kernels can do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nmt import machine

# What a process that is started anew finds, with the features of the CPU turned down.
PROBE = """
from nmt.machine import has_bfloat16, has_bfloat16_units
print(has_bfloat16(), has_bfloat16_units())
"""


def found(**limits: str) -> list[bool]:
    asked = subprocess.run(
        [sys.executable, "-c", PROBE],
        env={**os.environ, **limits},
        capture_output=True,
        text=True,
        check=True,
    )
    return [word == "True" for word in asked.stdout.split()]


@pytest.mark.parametrize("capability", ["avx2", "default"])
@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="asks oneDNN")
def test_the_probe_sees_what_onednn_is_limited_to(capability: str) -> None:
    limited = found(ATEN_CPU_CAPABILITY=capability, ONEDNN_MAX_CPU_ISA="AVX2")
    assert limited == [False, False]


def test_without_its_units_nothing_runs_on_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False)
    assert not machine.has_bfloat16_units.__wrapped__()


def test_a_kernel_that_is_wrong_or_not_there_is_none() -> None:
    def missing() -> bool:
        raise RuntimeError("could not create a primitive descriptor")

    assert not machine._works(missing)
    assert not machine._works(lambda: False)
    assert machine._works(lambda: True)


def test_the_probe_leaves_random_numbers_and_modes_alone() -> None:
    state = torch.get_rng_state()
    with torch.inference_mode():
        for ask in (machine.has_bfloat16, machine.has_bfloat16_units):
            assert isinstance(ask.__wrapped__(), bool)
        assert torch.is_inference_mode_enabled()
    assert torch.equal(torch.get_rng_state(), state)


def written(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


V2 = "sys/fs/cgroup"
V1 = "sys/fs/cgroup/cpu,cpuacct"


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        ({"proc/self/cgroup": "0::/\n"}, 8),
        ({"proc/self/cgroup": "0::/\n", f"{V2}/cpu.max": "200000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/\n", f"{V2}/cpu.max": "max 100000\n"}, 8),
        ({"proc/self/cgroup": "0::/\n", f"{V2}/cpu.max": "250000 100000\n"}, 3),
        ({"proc/self/cgroup": "0::/\n", f"{V2}/cpu.max": "50000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/\n", f"{V2}/cpu.max": "1600000 100000\n"}, 8),
        ({"proc/self/cgroup": "0::/\n", f"{V2}/cpu.max": "nonsense\n"}, 8),
        (  # a limit of a group above holds below
            {
                "proc/self/cgroup": "0::/user.slice/job\n",
                f"{V2}/user.slice/cpu.max": "300000 100000\n",
                f"{V2}/user.slice/job/cpu.max": "400000 100000\n",
            },
            3,
        ),
        (  # a group beside it does not
            {"proc/self/cgroup": "0::/a\n", f"{V2}/a/cpu.max": "max 1\n", f"{V2}/b/cpu.max": "1 1\n"},
            8,
        ),
        (  # in a container whose path is the host's
            {"proc/self/cgroup": "0::/docker/0123\n", f"{V2}/cpu.max": "200000 100000\n"},
            2,
        ),
        (
            {
                "proc/self/cgroup": "3:memory:/\n2:cpu,cpuacct:/docker/0123\n",
                f"{V1}/docker/0123/cpu.cfs_quota_us": "400000\n",
                f"{V1}/docker/0123/cpu.cfs_period_us": "100000\n",
            },
            4,
        ),
        (
            {
                "proc/self/cgroup": "2:cpu,cpuacct:/docker/0123\n",
                f"{V1}/cpu.cfs_quota_us": "-1\n",
                f"{V1}/cpu.cfs_period_us": "100000\n",
            },
            8,
        ),
        (
            {
                "proc/self/cgroup": "1:cpu:/\n0::/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "50000\n",
            },
            2,
        ),
        ({"proc/self/cgroup": "0::/a\n", f"{V2}/unified/a/cpu.max": "500000 100000\n"}, 5),
    ],
)
def test_cores_are_counted_within_the_quotas_of_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert machine.cores(written(tmp_path, files)) == cores


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                f"{V2}/a/memory.max": "1000000\n",
                f"{V2}/a/b/memory.max": "max\n",
            },
            10**6,
        ),
        ({"proc/self/cgroup": "0::/docker/01\n", f"{V2}/memory.max": "2000000\n"}, 2 * 10**6),
        (
            {
                "proc/self/cgroup": "3:cpu:/\n2:memory:/docker/01\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "3000000\n",
            },
            3 * 10**6,
        ),
    ],
)
def test_memory_is_counted_within_the_limits_of_a_container(
    tmp_path: Path, files: dict[str, str], expected: int
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert machine.memory(tmp_path) == expected
    assert machine.memory(tmp_path / "nowhere") > 10**8


def test_torch_takes_no_more_threads_than_there_are_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.setattr(machine, "cores", lambda: 3)
    assert machine.threads() == 3
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)  # OMP_NUM_THREADS
    assert machine.threads() == 2


def test_the_commit_is_a_full_hash_or_unknown() -> None:
    commit = machine.source_commit()
    assert commit is None or len(commit.removesuffix("-dirty")) == 40
