"""What a run survives: kills, damaged files, a tracker out of reach, a full disk, NaN, hostile lines.

    python scripts/faults.py [--part kills] [--kills 50] [--damages 20] [--seed 1]

A tiny model on the built-in corpus, in temporary folders. Every run is the command `nmt train` in a process
of its own, forked after the imports: starting is cheap, and a SIGKILL is a SIGKILL. The last line counts.
"""

import argparse
import contextlib
import json
import math
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from fault_runs import (  # isort: skip
    SAVE_EVERY,
    Child,
    Place,
    Score,
    checkpoints,
    differences,
    newest,
    seconds,
    unfinished,
)
from fault_numbers import not_numbers, poison  # isort: skip

from nmt.builders.translator import load_translator
from nmt.config import Experiment
from nmt.decoding.options import TranslationOptions
from nmt.errors import UserError
from nmt.run import Run
from nmt.training.checkpoint import DamagedCheckpoint
from nmt.training.sessions import Session
from nmt.training.tracking import Tracker


def kills(score: Score, place: Place, chance: random.Random, count: int) -> None:
    """SIGKILL one run again and again: half the times at any moment, half while a checkpoint is written."""
    print(f"kills: {count} SIGKILLs of one run", flush=True)
    updates, run = 1000, Run(place.folder / "killed")
    config = place.config(updates)
    pace = seconds(place.whole(updates)) * SAVE_EVERY / updates  # from a save to the next
    began = time.perf_counter()
    Child(config, place.whole(updates)).wait()  # done already: it starts, and ends
    start = time.perf_counter() - began
    most = round(2 * 0.7 * updates / SAVE_EVERY / count)
    killed = saving = at_start = 0
    for number in range(count):
        born, before = time.time_ns(), newest(run)
        # Lives are measured in saves, not in seconds: a kill meets a live process on any machine.
        saves = chance.randint(0, most)
        goal = min(before + saves * SAVE_EVERY, updates - 2 * SAVE_EVERY)
        child = Child(config, run)
        while child.process.is_alive() and newest(run) < goal:
            time.sleep(0.0002)
        if number % 2:
            while child.process.is_alive() and not unfinished(run, born):
                time.sleep(0.0002)
            time.sleep(chance.uniform(0, 0.005))
        else:
            time.sleep(chance.uniform(0, pace if saves else start / 2))
        killed += child.kill()
        saving += unfinished(run, born)
        at_start += newest(run) == before and not unfinished(run, born)
    reached = newest(run)
    code = Child(config, run).wait()
    found = differences(place, run, updates)
    print(
        f"  the last of them past update {reached} of {updates}; {at_start} before the first save of a life"
    )
    score.check(f"{killed} SIGKILLs of {count} met a live process", holds=killed == count)
    score.check(f"{saving} of them in the middle of a save", holds=saving >= count // 10)
    score.check("the end is, bit for bit, that of the run nobody touched", holds=not code and not found,
                why=f"exit code {code}, {found[:1]}")  # fmt: skip


def damages(score: Score, place: Place, chance: random.Random, count: int) -> None:
    """Cut, change or remove a file of the newest checkpoint, and go on."""
    print(f"damages: {count} checkpoints", flush=True)
    updates = 60
    whole, config = place.whole(updates), place.config(updates)
    step = newest(whole)
    names = sorted(path.name for path in checkpoints(whole).path(step).iterdir())
    loaded = crashed = different = 0
    for number in range(count):
        run = Run(place.folder / f"damaged-{number}")
        shutil.copytree(whole.folder, run.folder)
        damage(checkpoints(run).path(step) / names[number // 3 % len(names)], number % 3, chance)
        with contextlib.suppress(DamagedCheckpoint):
            checkpoints(run).load(step)
            loaded += 1
        child = Child(config, run)
        crashed += child.wait() != 0
        named = f"damaged, not used: {checkpoints(run).path(step)}" in child.text()
        different += not named or bool(differences(place, run, updates))
    score.check(f"{count} damaged, {loaded} loaded", holds=not loaded)
    score.check(f"{crashed} of the runs crashed", holds=not crashed)
    score.check(
        f"{count - different} named it, took the one before and ended as the run nobody touched",
        holds=not different,
    )
    run = Run(place.folder / "all-damaged")
    shutil.copytree(whole.folder, run.folder)
    for step in checkpoints(run).steps():
        damage(checkpoints(run).path(step) / "model.safetensors", 1, chance)
    child = Child(config, run)
    child.wait()
    score.check(
        "with none left intact it ends with one clear line", holds="is intact" in (child.error() or "")
    )
    refused = 0
    for number in range(count):
        run = Run(place.folder / f"best-{number}")
        shutil.copytree(whole.folder, run.folder, ignore=shutil.ignore_patterns("checkpoints"))
        damage(run.model, number % 2, chance)
        try:
            load_translator(TranslationOptions(models=(run.folder,)))
        except UserError as error:
            refused += "is damaged" in str(error)
    score.check(f"{refused} of {count} damaged best models refused by name", holds=refused == count)


def damage(path: Path, kind: int, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    if kind == 0:
        path.write_bytes(content[: chance.randrange(len(content))])
    elif kind == 1:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
    else:
        path.unlink()


def outages(score: Score, place: Place) -> None:
    """Train with wandb's address at a closed port, and at one that takes the call and never answers.

    How long the run waits is counted where it waits, not as the difference of two runs: on a machine that
    does other work too, two equal runs differ by more than the 5 % in question.
    """
    print("outages: wandb out of reach", flush=True)
    updates = 600
    config, whole = place.config(updates), place.whole(updates)
    lines = len(whole.metrics.read_text(encoding="utf-8").splitlines())
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        for name, address in (("closed", port), ("silent", silent.getsockname()[1])):
            run, costs = Run(place.folder / name), place.folder / f"{name}.json"
            child = Child(config, run, "tracking.wandb=online", before=partial(reach, address, costs))
            code = child.wait()
            lost = differences(place, run, updates)
            score.check(
                f"{name} port: all {lines} lines of metrics.jsonl are there",
                holds=not code and not lost,
                why=f"exit code {code}, {lost[:1]}",
            )
            spent = json.loads(costs.read_text(encoding="utf-8")) if costs.exists() else {}
            offline = "recording offline" in child.text() and spent.get("messages", 0) > 0
            score.check(f"{name} port: {spent.get('messages', 0):.0f} messages kept offline", holds=offline)
            loop, waited = seconds(run), spent.get("waited", math.inf)
            print(f"  {name} port: {spent}; the loop took {loop:.1f} s, {seconds(whole):.1f} s without wandb")
            score.check(
                f"{name} port: the run waited {waited:.2f} s for wandb before its end, {waited / loop:.1%}",
                holds=waited < 0.05 * loop,
            )


def reach(port: int, costs: Path) -> None:
    """Let wandb look for its server there, with a key that no server knows; write down what it takes.

    Seconds: waited (by the run itself: for the start and for every message), threads and service (CPU of
    other threads and of wandb's own process, beside the run).
    """
    os.environ |= {"WANDB_BASE_URL": f"http://127.0.0.1:{port}", "WANDB_API_KEY": "0" * 40}
    spent = dict.fromkeys(("messages", "waited", "threads", "service"), 0.0)
    start, tell, finish = Tracker.__init__, Session.tell, Tracker.finish

    def timed_start(self: Tracker, folder: Path, experiment: Experiment) -> None:
        began = time.perf_counter()
        start(self, folder, experiment)
        spent["waited"] += time.perf_counter() - began
        spent["threads"] -= time.process_time() - time.thread_time()

    def timed_tell(self: Session, message: Callable[[Any], None]) -> None:
        def counted(run: Any) -> None:
            message(run)
            spent["messages"] += 1

        began = time.perf_counter()
        tell(self, counted)
        spent["waited"] += time.perf_counter() - began

    def timed_finish(self: Tracker, *result: Any, **limit: Any) -> None:
        spent["threads"] += time.process_time() - time.thread_time()
        spent["service"] = cpu_of_children()
        finish(self, *result, **limit)
        costs.write_text(json.dumps({k: round(v, 3) for k, v in spent.items()}), encoding="utf-8")

    Tracker.__init__, Session.tell, Tracker.finish = timed_start, timed_tell, timed_finish  # type: ignore


def cpu_of_children() -> float:
    """CPU seconds of the processes that this one started and that live."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            ticks += (int(fields[11]) + int(fields[12])) * (int(fields[1]) == os.getpid())
    return ticks / os.sysconf("SC_CLK_TCK")


def full_disks(score: Score, place: Place) -> None:
    """Train on a disk with too little room, then with more."""
    updates = 60
    config = place.config(updates)
    everything = Run(place.folder / "everything")
    Child(config, everything, "training.keep_checkpoints=99").wait()
    needed = sum(path.stat().st_size for path in everything.folder.rglob("*") if path.is_file())
    shares = [0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    clear = loadable = went_on = saved = 0
    with tempfile.TemporaryDirectory(dir=place.folder) as trial:
        small = mounts(Path(trial))
    print(
        f"full disks: {len(shares)} of them, {'tmpfs' if small else 'limits on the size of a file'}",
        flush=True,
    )
    for number, share in enumerate(shares):
        folder = place.folder / f"disk-{number}"
        folder.mkdir()
        run = Run(folder / f"full-{number}")
        with room(folder, int(needed * share)) if small else contextlib.nullcontext() as grow:
            # Without a disk of its own: from that update on no file may grow past 10,000 bytes.
            full = {} if small else {math.ceil(updates * share): "full"}
            child = Child(config, run, "training.keep_checkpoints=99", before=partial(poison, full))
            child.wait()
            error = child.error()
            clear += error is not None
            if error is None:
                print(child.text())
            before = checkpoints(run).newest()
            loadable += before is None or before[3] == []
            saved += before is not None
            if grow is not None:
                grow(2 * needed + 2**20)
            code = Child(config, run, "training.keep_checkpoints=99").wait()
            went_on += code == 0 and not differences(place, run, updates)
    score.check(
        f"{clear} of {len(shares)} ended with one clear line and exit code 2", holds=clear == len(shares)
    )
    score.check(
        f"{loadable} kept whole what they had saved ({saved} had something)", holds=loadable == len(shares)
    )
    score.check(
        f"{went_on} went on, with room, to the end of the run nobody touched", holds=went_on == len(shares)
    )


def mounts(folder: Path) -> bool:
    """Say whether this process may mount a disk of its own."""
    try:
        with room(folder, 2**16):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


@contextlib.contextmanager
def room(folder: Path, size: int) -> Iterator[Callable[[int], None]]:
    """Mount a disk of so many bytes; yield what makes it larger."""
    mount = ["mount", "-t", "tmpfs", "none", str(folder), "-o"]
    subprocess.run([*mount, f"size={size}"], check=True, capture_output=True)

    def grow(size: int) -> None:
        subprocess.run([*mount, f"remount,size={size}"], check=True, capture_output=True)

    try:
        yield grow
    finally:
        # Lazily: tensors read from it are mapped, and may be held for a moment longer.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def hostile_lines(score: Score, place: Place, chance: random.Random) -> None:
    """Translate 10,000 and 100,000 lines that nobody should have to, each in a process of its own."""
    print("hostile lines: blanks, 5,000 tokens, control characters, every plane, marks, pieces", flush=True)
    lines = [hostile(chance) for _ in range(100_000)]
    found, peaks = [], []
    for count in (10_000, 100_000):
        source, output = place.folder / f"{count}.in", place.folder / f"{count}.out"
        source.write_bytes("".join(f"{line}\n" for line in lines[:count]).encode())
        command = [*"-m nmt translate --workers 1 --beam 1 --model".split(), place.whole(60).folder]
        began = time.perf_counter()
        process = subprocess.Popen([sys.executable, *command, "--input", source, "--output", output])
        peak = 0.0
        while process.poll() is None:
            with contextlib.suppress(OSError, TypeError):  # it has just ended
                status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
                peak = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024 / 1e6  # type: ignore[index]
            time.sleep(0.1)
        found.append(output.read_bytes().decode().removesuffix("\n").split("\n"))
        peaks.append(peak)
        print(
            f"  {count:,} lines: {time.perf_counter() - began:.0f} s, {peaks[-1]:.0f} MB at most", flush=True
        )
        whole = not process.returncode and len(found[-1]) == count
        score.check(f"{len(found[-1]):,} lines came out of {count:,}", holds=whole)
    blank = [bool(line.strip()) or not out for line, out in zip(lines, found[1], strict=False)]
    score.check(f"{blank.count(False)} blank lines have a translation", holds=all(blank))
    score.check("the first 10,000 of both are the same bytes", holds=found[1][:10_000] == found[0])
    score.check(f"memory differs by {peaks[1] / peaks[0] - 1:.1%}", holds=abs(peaks[1] / peaks[0] - 1) < 0.1)


def hostile(chance: random.Random) -> str:
    """Return a line without a line break."""
    words = "<s> </s> <pad> <unk> \u2581 \u202e \u2066 \ufeff \u200d der Hund .".split()
    match chance.randrange(5000):
        case 0:
            return " ".join(chance.choices(words, k=5000))
        case n if n < 500:
            return chance.choice(["", " ", "\t", "\u00a0", "\u3000", "\r", "\x0c", "\x1c", "\x85", "\u2028"])
        case n if n < 2500:
            return " ".join(chance.choices(words, k=chance.randrange(1, 12)))
    points = [
        chance.randrange(chance.choice([0x20, 0x80, 0x10000, 0x110000])) for _ in range(chance.randrange(16))
    ]
    return "".join(map(chr, points)).replace("\n", " ").encode("utf-8", "ignore").decode()


PARTS = ("kills", "damages", "outages", "full_disks", "not_numbers", "hostile_lines")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=PARTS, action="append", help="this one only; repeatable")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--damages", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="of the moments and of what is damaged")
    args = parser.parse_args()
    chosen, chance, score = args.part or PARTS, random.Random(args.seed), Score()
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        if "kills" in chosen:
            kills(score, place, chance, args.kills)
        if "damages" in chosen:
            damages(score, place, chance, args.damages)
        if "outages" in chosen:
            outages(score, place)
        if "full_disks" in chosen:
            full_disks(score, place)
        if "not_numbers" in chosen:
            not_numbers(score, place)
        if "hostile_lines" in chosen:
            hostile_lines(score, place, chance)
    print(f"{score.passed} passed, {score.failed} failed")
    sys.exit(score.failed > 0)


if __name__ == "__main__":
    main()
