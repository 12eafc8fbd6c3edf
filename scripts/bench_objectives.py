"""What an update costs by each training objective, beside cross-entropy's.

    python scripts/bench_objectives.py CONFIG [--set KEY=VALUE] [--teacher RUN] [--updates 20]

The objectives take turns, update by update, on one thread, each with a model and batches of its own; the
median of their times is compared, since the machine may be shared. Distillation is measured with --teacher.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import torch
from rich.console import Console
from torch import nn

from nmt.config import load_experiment
from nmt.results import Machine, Versions
from nmt.run import Run
from nmt.training.trainer import Trainer
from nmt.workflows.train import build_trainer

KINDS = ("cross_entropy", "r_drop", "simcut", "scheduled_sampling", "minimum_risk")


def trainers(args: argparse.Namespace, folder: Path) -> dict[str, Trainer[nn.Module]]:
    """Return a trainer for each objective."""
    kinds = [*KINDS, *(["distillation"] if args.teacher else [])]
    made = {}
    for kind in kinds:
        overrides = [*args.overrides, "training.threads=1", f"training.objective.kind={kind}"]
        if kind == "distillation":
            overrides.append(f"training.objective.teachers=[{args.teacher}]")
        run = Run(folder / kind)
        run.folder.mkdir()
        made[kind], _, _ = build_trainer(load_experiment(args.config, overrides), run, Console(quiet=True))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--teacher", type=Path, help="a run with the same tokenizer")
    parser.add_argument("--updates", type=int, default=20, help="measured, after three that are not")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{Machine.here('cpu', threads=1).description}, torch {Versions.installed().torch}")
    with tempfile.TemporaryDirectory() as folder:
        taking_turns = trainers(args, Path(folder))
        times: dict[str, list[float]] = {kind: [] for kind in taking_turns}
        for update in range(args.updates + 3):
            for kind, trainer in taking_turns.items():
                began = time.perf_counter()
                trainer.update()
                trainer.flush()
                if update >= 3:
                    times[kind].append(time.perf_counter() - began)
    plain = median(times["cross_entropy"])
    for kind, each in times.items():
        print(f"{kind:20} {1000 * median(each):8.1f} ms an update {median(each) / plain:6.2f} times as long")


if __name__ == "__main__":
    main()
