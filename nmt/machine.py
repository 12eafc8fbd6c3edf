"""This machine: its cores, what its CPU can compute, and the commit of this code."""

import contextlib
import ctypes
import math
import os
import platform
import resource
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias

# What the products of a training, and of a translation, are computed in; auto: what this machine does best.
TrainingPrecision: TypeAlias = Literal["auto", "float64", "float32", "bfloat16"]
Precision: TypeAlias = Literal[TrainingPrecision, "int8"]


# The abilities of a CPU are tested by a small product of each kind, once per process. Its flags are not
# enough: ATen and oneDNN may be limited below them (ATEN_CPU_CAPABILITY, ONEDNN_MAX_CPU_ISA).


@cache
def has_bfloat16() -> bool:
    """Return whether bfloat16 works: products, and the fused LSTM with its gradient."""
    return _works(_lstm) and _works(_product)


@cache
def has_bfloat16_units() -> bool:
    """Return whether the CPU has bfloat16 units, which make bfloat16 faster than float32."""
    import torch

    units = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return bool(units) and has_bfloat16()


def has_cuda_driver() -> bool:
    """Return whether torch could find CUDA, without the seconds that loading torch takes."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def _works(product: Callable[[], bool]) -> bool:
    """Return whether a product runs and is correct."""
    import torch

    try:
        with torch.inference_mode(mode=False), torch.enable_grad():
            return product()
    except (RuntimeError, AttributeError, NotImplementedError):
        return False


def _product() -> bool:
    import torch

    x, weight = torch.ones(3, 64, dtype=torch.bfloat16), torch.ones(32, 64, dtype=torch.bfloat16)
    return bool((torch.nn.functional.linear(x, weight) == 64).all())


def _lstm() -> bool:
    import torch

    x = torch.ones(2, 3, 16, requires_grad=True)
    state, bias = torch.zeros(1, 2, 16), torch.zeros(64)
    weight = torch.full((64, 16), 0.125)
    with torch.autocast("cpu", torch.bfloat16):
        y, _, _ = torch.lstm(x, (state, state), [weight, weight, bias, bias], True, 1, 0.0, True, False, True)
    y.float().sum().backward()
    return bool(y.isfinite().all()) and x.grad is not None and bool(x.grad.isfinite().all())


def cores(root: Path = Path("/")) -> int:
    """Return the number of cores this process may use: its CPU affinity, limited by cgroup quotas.

    root: where /proc and /sys are.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([allowed, *map(math.ceil, _quotas(root))]))


def threads() -> int:
    """Return torch's default number of threads: OMP_NUM_THREADS, but not more than the cores."""
    import torch

    return min(torch.get_num_threads(), cores())


def memory(root: Path = Path("/")) -> int:
    """Return the bytes of memory this process may use, within resource limits and cgroups.

    root: where /proc and /sys are.
    """
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        limit = resource.getrlimit(kind)[0]
        found += [] if limit == resource.RLIM_INFINITY else [limit]
    for folder in _cgroups(root, "memory"):
        texts = (_read(folder / name).strip() for name in ("memory.max", "memory.limit_in_bytes"))
        found += [int(text) for text in texts if text.isdecimal()]
    return min(found)


def _quotas(root: Path) -> Iterator[float]:
    """Yield the quota, in cores, of each cgroup that this process is in."""
    for folder in _cgroups(root, "cpu"):
        yield from _ratio(*_read(folder / "cpu.max").split())
        names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        yield from _ratio(*(_read(folder / name).strip() for name in names))


def _cgroups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of the cgroups of this process, from its own up to the root.

    In a container the path may be the host's, while the mounted tree starts at the container's own cgroup.
    """
    mount = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        own = Path(path.lstrip("/"))
        if not controllers:  # version 2
            bases = [mount, mount / "unified"]
        elif controller in controllers.split(","):
            bases = [mount / controllers, mount / controller]
        else:
            continue
        yield from (base / folder for base in bases for folder in (own, *own.parents))


def _ratio(quota: str = "", period: str = "") -> Iterator[float]:
    """Yield the quota in cores; nothing if there is none ("max", "-1" or no file)."""
    if quota.isdecimal() and period.isdecimal() and int(quota) and int(period):
        yield int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def processor() -> str:
    """Return the processor's name."""
    for line in _read(Path("/proc/cpuinfo")).splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return _output("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor() or platform.machine()


def source_commit() -> str | None:
    """Return the git commit of this code, "-dirty" if changed; None outside its repository."""
    here = Path(__file__)
    # A package installed inside another repository must not report that repository's commit.
    if _output("git", "-C", str(here.parent), "ls-files", "--error-unmatch", here.name) is None:
        return None
    return _output(
        "git", "-C", str(here.parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"
    )


def _output(*command: str) -> str | None:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip() or None
    return None
