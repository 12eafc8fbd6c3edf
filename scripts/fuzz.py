"""Every reader on bytes that nobody meant for it.

    python scripts/fuzz.py [--seconds 60] [--seed 1] [READER ...]

A reader is given a valid input that was changed at random: bits, cuts, repeats, and the words that readers
trip over. With the package atheris installed, which looks for bytes that lead along new paths, that takes the
place of chance. The seconds are for all readers together, each in a process of its own.

A reader gives what it promises or raises UserError. Anything else is a finding: another exception, a crash,
more than 30 seconds or 4 GB for one input. Its input is kept as fuzz-READER; exit code 1 then. The tests ask
the same with hypothesis.
"""

import argparse
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from fuzz_readers import Readers

from nmt.errors import UserError
from nmt.evaluation.report import BEGIN, END

SECONDS, BYTES = 30, 4_000_000_000  # that one input may take
WORDS = (
    # YAML, JSON, shells and paths
    *"{ } [ ] : , - # & * &a *a <<: ! !!binary !!python/x | > ' \" % @ ` ? ~ null true &a [*a,*a]".split(),
    *".inf -.inf .nan 1e999 -1 0 1e-999 0x 1_0 2020-01-01 12:30 --- ... NaN Infinity = ${HOME}".split(),
    *r"\ \ud800 \u0000 ../ /dev/zero".split(),
    # sizes
    *("9" * 30, "9" * 5000, "[" * 2000, '{"a":' * 2000, "x" * 300),
    # characters
    *(
        "\n",
        "\r",
        "\t",
        "\t\t",
        " ",
        "\0",
        "\x1b[2J",
        "\x85",
        "\u2028",
        "\ufeff",
        "\u00b2",
        "\u2581",
        "e\u0301",
    ),
    # our own
    *(" ||| ", "<s>", "</s>", "<unk>", "<0x0A>", BEGIN, END),
)
BYTES_OF = (
    *(word.encode() for word in WORDS),
    b"\xff",
    b"\xed\xa0\x80",
    b"\x1f\x8b\x08",
    bytes(8),
    b"\xff" * 8,
)


def changed(data: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """An input a few random changes away."""
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randrange(len(data) + 1)
        to = min(len(data), at + int(chance.expovariate(0.2)) + 1)
        match chance.randrange(8):
            case 0:
                data = data[:at]
            case 1:
                data = data[:at] + data[to:]
            case 2:
                data = data[:to] + data[at:to] * chance.choice((1, 3, 1000)) + data[to:]
            case 3:
                other = chance.choice(others)
                data = data[:at] + other[chance.randrange(len(other) + 1) :]
            case 4 if at < len(data):
                data = data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
            case 5:
                data = data[:at] + chance.randbytes(chance.choice((1, 2, 8))) + data[to:]
            case 6:
                data = data[:at] + chance.choice(BYTES_OF) + data[to:]
            case _:
                data = data[:at] + chance.choice(BYTES_OF) + data[at:]
    return data


def fuzz(name: str, seconds: float, seed: int) -> None:
    """Feed one reader for some seconds; what it should not raise goes up."""

    def alarm(*_: object) -> None:
        raise TimeoutError(f"more than {SECONDS} seconds")

    with tempfile.TemporaryDirectory() as place:
        readers = Readers(Path(place))
        read, path = getattr(readers, name), Path(place) / "input"
        others = readers.examples[name]
        resource.setrlimit(resource.RLIMIT_DATA, (_data() + BYTES,) * 2)
        signal.signal(signal.SIGALRM, alarm)

        def once(data: bytes) -> None:
            kept = Path(f"fuzz-{name}")
            kept.write_bytes(data)  # before, so that it is there after a crash
            path.unlink(missing_ok=True)
            path.write_bytes(data)
            signal.alarm(SECONDS)
            try:
                read(path)
            except UserError as error:
                if not str(error).strip():
                    raise
            finally:
                signal.alarm(0)
            kept.unlink()

        for each in others:
            once(each)
        tried = len(others)
        if _atheris(once, seconds):
            return
        end, chance = time.monotonic() + seconds, random.Random(seed)
        while time.monotonic() < end:
            once(changed(chance.choice(others), others, chance))
            tried += 1
        print(f"{name}: {tried:,} inputs", flush=True)


def _data() -> int:
    """Bytes of memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()


def _atheris(once: Callable[[bytes], None], seconds: float) -> bool:
    """Let atheris look for inputs, which ends this process; False where it is not installed."""
    try:
        import atheris  # type: ignore[import-not-found]
    except ImportError:
        return False
    atheris.instrument_all()
    atheris.Setup([sys.argv[0], f"-max_total_time={max(1, round(seconds))}", "-rss_limit_mb=0"], once)
    atheris.Fuzz()
    return True


def main() -> None:
    """Feed each reader in a process of its own and say which have findings."""
    names = [name for name in vars(Readers) if not name.startswith("_")]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("readers", metavar="READER", nargs="*", help=", ".join(names))
    parser.add_argument("--seconds", type=float, default=60.0, help="for all readers together")
    parser.add_argument("--seed", type=int, default=1, help="of the changes")
    options = parser.parse_args()
    if unknown := set(options.readers) - set(names):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; expected some of {', '.join(names)}")
    chosen = options.readers or names
    if len(chosen) == 1:
        try:
            fuzz(chosen[0], options.seconds, options.seed)
        except Exception:
            traceback.print_exc()
            sys.exit(f"{chosen[0]}: a finding; its input is fuzz-{chosen[0]}")
        return
    seconds, found = options.seconds / len(chosen), []
    for name in chosen:
        command = [sys.executable, __file__, name, "--seconds", str(seconds), "--seed", str(options.seed)]
        if subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False).returncode:
            found.append(name)
    if found:
        sys.exit(f"findings: {', '.join(found)}")


if __name__ == "__main__":
    main()
