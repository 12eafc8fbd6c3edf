"""Memory of training on many pairs, shown with generated text.

    python scripts/bench_memory.py [--pairs 5000000]

Writes a TSV of random sentences, prepares it and trains some updates, each stage in a process of its own,
and prints the peak resident memory of each and what of it remains without the model, which a run on a
hundredth of the pairs tells.
"""

import argparse
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

CONFIG = """
name: memory
data:
  tsv: {{train: {folder}/{pairs}.tsv, validation: {folder}/held.tsv}}
  src: a
  trg: b
  tokenizer: {{kind: word, vocab_size: 8000, min_frequency: 1, shared: true}}
  prepared: {folder}/prepared
training: {{max_updates: 30, validate_every: 1000000, save_every: 1000000, precision: float32}}
"""


def write(path: Path, pairs: int, seed: int = 1) -> None:
    """Random words, 4 to 30 a side, the same for the same seed."""
    rng = np.random.default_rng(seed)
    with path.open("w", encoding="utf-8") as file:
        for begin in range(0, pairs, 10000):
            count = min(10000, pairs - begin)
            lengths = rng.integers(4, 30, (count, 2))
            words = rng.integers(0, 7000, (count, 60))
            for row, (src, trg) in zip(words.tolist(), lengths.tolist(), strict=True):
                source, target = " ".join(map(str, row[:src])), " ".join(map(str, row[30 : 30 + trg]))
                file.write(f"{source}\t{target}\n")


def stage(name: str, folder: str, pairs: int) -> tuple[float, float]:
    """Prepare, or train on what is prepared; return seconds and peak megabytes."""
    import torch
    from rich.console import Console

    from nmt.config import load_experiment
    from nmt.run import Run
    from nmt.training.memory import peak_memory
    from nmt.workflows.prepare import prepare_data
    from nmt.workflows.train import build_trainer

    config = Path(folder) / f"{pairs}.yaml"
    config.write_text(CONFIG.format(folder=folder, pairs=pairs))
    experiment = load_experiment(config)
    began = time.perf_counter()
    if name == "prepare":
        prepare_data(experiment, lambda line: None)
    else:
        trainer, _, _ = build_trainer(experiment, Run(Path(folder) / f"run-{pairs}"), Console(quiet=True))
        for _ in range(30):
            trainer.update()
    return time.perf_counter() - began, peak_memory(torch.device("cpu")) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=5_000_000)
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "held.tsv", 50, seed=2)
        peaks = {}
        for count in (pairs // 100, pairs):
            write(Path(folder) / f"{count}.tsv", count)
            for name in ("prepare", "train"):
                with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
                    seconds, peaks[count, name] = process.submit(stage, name, folder, count).result()
                print(
                    f"{name}, {count:,} pairs: {seconds:.0f} s, peak {peaks[count, name]:,.0f} MB", flush=True
                )
        more = peaks[pairs, "train"] - peaks[pairs // 100, "train"]
        print(f"training on {pairs:,} pairs takes {more:,.0f} MB more than on {pairs // 100:,}")


if __name__ == "__main__":
    main()
