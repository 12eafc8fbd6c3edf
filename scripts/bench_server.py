"""How many sentences a second a server translates, how long one waits, and what memory many take.

    python scripts/bench_server.py [--model de-en] [--text TEXT] [--seconds 10] [--rounds 3] [--requests N]

Starts `nmt serve` with one worker and with two, in turns, and sends requests of one sentence each with hey
(https://github.com/rakyll/hey; Debian's package is called hey) over loopback: first as many as it answers,
then half as many a second. Prints the best of some rounds. At last it sends many requests and prints the
memory of the workers. The load comes from the same cores.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from served import memory, serving

from nmt import machine, runtime

TEXT = "Ich habe gestern mit meinem Bruder einen Spaziergang gemacht."
CLIENTS = 64


def load(address: str, text: str, pair: tuple[str, str], *options: str) -> dict[str, float]:
    """Send requests with hey; return requests a second and the quantiles of the seconds that they took."""
    body = json.dumps({"q": text, "source": pair[0], "target": pair[1]})
    command = ["hey", "-m", "POST", "-T", "application/json", "-d", body, "-t", "60", *options]
    out = subprocess.run(
        [*command, f"{address}/translate"], capture_output=True, text=True, check=True
    ).stdout
    statuses = dict(re.findall(r"\[(\d+)\]\s+(\d+) responses", out))
    if set(statuses) != {"200"}:
        sys.exit(f"expected answers of status 200 only, found {statuses or out}")
    found = {f"p{each}": float(seconds) for each, seconds in re.findall(r"(\d+)% in ([\d.]+) secs", out)}
    # Of fewer than a hundred answers hey gives no 99th percentile.
    found.setdefault("p99", float(re.findall(r"Slowest:\s+([\d.]+)", out)[0]))
    return found | {"rate": float(re.findall(r"Requests/sec:\s+([\d.]+)", out)[0])}


def measure(arguments: argparse.Namespace, pair: tuple[str, str]) -> None:
    """Print rates and waiting times."""
    best: dict[int, float] = {}
    calm: dict[int, dict[str, float]] = {}
    for _ in range(arguments.rounds):
        for workers in (1, 2):
            with serving("--model", arguments.model, "--workers", str(workers)) as (address, _):
                load(address, arguments.text, pair, "-n", "200", "-c", str(CLIENTS))
                many = "-z", f"{arguments.seconds}s", "-c", str(CLIENTS)
                rate = load(address, arguments.text, pair, *many)["rate"]
                best[workers] = max(rate, best.get(workers, 0))
                half = *many[:2], "-c", "8", "-q", f"{rate / 2 / 8:.3f}"
                slow = load(address, arguments.text, pair, *half)
                shown = f"at {slow['rate']:.0f}/s p99 {slow['p99'] * 1000:.0f} ms"
                print(f"  {workers} workers: {rate:.0f}/s; {shown}", flush=True)
                if workers not in calm or slow["p99"] < calm[workers]["p99"]:
                    calm[workers] = slow
    for workers, found in calm.items():
        print(
            f"{workers} workers: {best[workers]:.0f} sentences/s; at {found['rate']:.0f} requests/s "
            f"p50 {found['p50'] * 1000:.0f} ms, p99 {found['p99'] * 1000:.0f} ms"
        )
    print(f"two workers against one: {best[2] / best[1]:.2f} ×")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="de-en")
    parser.add_argument("--text", default=TEXT)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=100_000)
    arguments = parser.parse_args()
    if shutil.which("hey") is None:
        sys.exit("hey is not installed; Debian's package is called hey")
    manifest = runtime.bundle.read_manifest(runtime.bundle.find_model(Path(arguments.model)), "seq2seq")
    tokens = len(runtime.load(arguments.model).src_tokenizer.encode(arguments.text))
    print(f"{machine.processor()}, {machine.cores()} cores, load {os.getloadavg()[0]:.1f}; {tokens} tokens")
    pair = manifest.src, manifest.trg
    if arguments.rounds:
        measure(arguments, pair)
    with serving("--model", arguments.model, "--workers", "2") as (address, process):
        for part in range(5):
            if count := arguments.requests // 5:
                load(address, arguments.text, pair, "-n", str(count), "-c", str(CLIENTS))
                print(
                    f"after {count * (part + 1):,} requests: {memory(process.pid):.0f} MB in both workers",
                    flush=True,
                )


if __name__ == "__main__":
    main()
