"""Speed, as a share of what the machine itself can do.

    python scripts/bench.py experiments/multi30k-de-en/config.yaml --set data.dataset=FOLDER [--model RUN]
    python scripts/bench.py --device cuda
    python scripts/bench.py --cells

Prints the machine, its rate of matrix products measured before and after each figure, the multiply-adds of
the model a token, and the share of the rate that training reached at one thread and at two: useful
multiply-adds (padding not counted; forward once, backward twice) over the products' own. With a trained run
it also translates the test split and times the commands a person waits for.

Without a config it measures a model of GNMT's size (--layers 4, --hidden 1024, --vocabulary 32000) on random
sentences, in minutes: training, then translation with weights of a few updates, each output as long as its
source. There a token is a source or a target token, </s> counted, padding not.

--cells: a whole sequence forward and backward through each recurrent cell, beside torch's own module where
there is one.
"""

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import torch
from pydantic import TypeAdapter
from rich.console import Console
from torch import Tensor, nn

from nmt.builders.cell import build_cell
from nmt.builders.engine import open_translator
from nmt.config import Experiment, load_experiment
from nmt.config.cell import CellConfig
from nmt.decoding.options import TranslationOptions
from nmt.evaluation.metrics import corpus_bleu
from nmt.machine import has_bfloat16
from nmt.results import Machine, Versions
from nmt.run import Run
from nmt.training.trainer import Trainer
from nmt.workflows.score import held_out
from nmt.workflows.train import build_trainer

CELLS = ["lstm", "gru", "rnn", "irnn", "ln_lstm", "sru", "deep_transition"]
TORCH = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN, "irnn": partial(nn.RNN, nonlinearity="relu")}
PRECISIONS = ["float32", *(["bfloat16"] if has_bfloat16() else []), "int8"]
NMT = [sys.executable, "-m", "nmt"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path, nargs="?")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--model", type=Path, help="a trained run, to time translation")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--updates", type=int, default=25, help="measured, after five that are not")
    parser.add_argument("--lines", type=int, default=20000, help="translated with one and two workers")
    parser.add_argument("--memory", type=int, metavar="UPDATES", help="of a training whose memory is taken")
    parser.add_argument("--cells", action="store_true", help="time the recurrent cells instead")
    parser.add_argument("--device", default="cpu", help="of the model of GNMT's size: cpu or cuda")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=1024)
    parser.add_argument("--vocabulary", type=int, default=32000)
    parser.add_argument("--tokens", type=int, default=2**15, help="a training batch, of the longer side")
    parser.add_argument("--sentences", type=int, default=512, help="translated at once")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    machine = Machine.here(args.device, threads=args.threads)
    print(f"{machine.description}, {args.threads} threads, torch {Versions.installed().torch}")
    if args.cells:
        bench_cells(rows=64, length=25, hidden=512)
        return
    if args.config is None:
        bench_gnmt(args)
        return
    overrides = [*args.overrides, f"training.threads={args.threads}"]
    experiment = load_experiment(args.config, overrides)
    for precision in ("float32", "bfloat16") if has_bfloat16() else ("float32",):
        one, two = (bench_training(experiment, precision, args.updates, threads) for threads in (1, 2))
        print(f"training, {precision}: 2 threads are {two / one:.2f} times as fast as 1")
    torch.set_num_threads(args.threads)
    if args.model:
        bench_translation(args.model, experiment)
        bench_commands(args.model)
        bench_workers(args.model, experiment, args.lines)
    if args.memory:  # the last: what it reads is the largest of all processes that were started
        bench_memory(args.config, overrides, args.memory)


def products(dtype: torch.dtype, hidden: int) -> float:
    """Operations a second (a multiply-add is 2) of (rows, 2 hidden) @ (2 hidden, 4 hidden).

    The best of 15, at 64 rows or at 1024, whichever the machine does faster.
    """
    return max(rate(dtype, hidden, rows) for rows in (64, 1024))


def rate(dtype: torch.dtype, hidden: int, rows: int, device: str = "cpu") -> float:
    a = torch.randn(rows, 2 * hidden, dtype=dtype, device=device)
    w = torch.randn(4 * hidden, 2 * hidden, dtype=dtype, device=device)

    def once() -> float:
        wait(device)
        began = time.perf_counter()
        nn.functional.linear(a, w)
        wait(device)
        return time.perf_counter() - began

    return 2 * rows * w.numel() / min(once() for _ in range(15))


def wait(device: str) -> None:
    """Wait until the device has done all that it was asked for."""
    if device != "cpu":
        torch.cuda.synchronize()


def weights(model: nn.Module) -> tuple[int, int]:
    """Multiply-adds a source token and a target token: each matrix once; sums over Tx are left out."""
    source = target = 0
    for name, parameter in model.named_parameters():
        if parameter.ndim != 2 or "embedding" in name or "bridge" in name:
            continue
        of_source = name.startswith("encoder") or ".attention.key" in name or ".attention.value" in name
        source, target = source + of_source * parameter.numel(), target + (not of_source) * parameter.numel()
    plain = getattr(model.head, "plain", model.head)  # a lexical head stands beside another
    if plain.output.weight is model.trg_embedding.weight:  # tied: not named among the head's
        target += plain.output.weight.numel()
    return source, target


def bench_training(experiment: Experiment, precision: str, updates: int, threads: int) -> float:
    """Print and return the target tokens a second."""
    changes = {"precision": precision, "threads": threads, "log_every": 10**9}
    section = experiment.training.model_copy(update=changes)
    with tempfile.TemporaryDirectory() as folder:
        console = Console(quiet=True)
        trainer, prepared, _ = build_trainer(
            experiment.model_copy(update={"training": section}), Run(Path(folder)), console
        )
        source, target = weights(trainer.model)
        if precision == "float32" and threads == 1:
            print(f"multiply-adds: {source / 1e6:.2f} M a source, {target / 1e6:.2f} M a target token")
        dtype = getattr(torch, precision)
        hidden = experiment.model.decoder.hidden
        rates = [products(dtype, hidden)]
        seconds, trg_tokens = run_updates(trainer, updates)
        rates.append(products(dtype, hidden))
    own = sum(rates) / 2
    train = prepared.meta.splits["train"]
    src_tokens = trg_tokens * (train.src_pieces + train.kept) / (train.trg_pieces + train.kept)
    useful = 6 * (source * src_tokens + target * trg_tokens) / seconds
    print(
        f"training, {precision}, {threads} thread{'s' if threads > 1 else ''}: "
        f"{trg_tokens / seconds:,.0f} target tokens/s, "
        f"{useful / 1e9:.1f} GFLOP/s useful; products {own / 1e9:.0f} GFLOP/s; share {useful / own:.0%}"
    )
    return trg_tokens / seconds


def run_updates(trainer: Trainer, updates: int) -> tuple[float, int]:
    """Seconds and target tokens of some updates of the trainer's own loop."""
    trainer.model.train()
    for _ in range(5):
        trainer.update()
    trainer.flush()
    before, began = trainer.at.trg_tokens, time.perf_counter()
    for _ in range(updates):
        trainer.update()
    trainer.flush()
    return time.perf_counter() - began, trainer.at.trg_tokens - before


def bench_translation(folder: Path, experiment: Experiment) -> None:
    """Sentences a second and BLEU of the test split in each precision."""
    pairs = held_out(experiment, "test")
    lines, references = [pair.src for pair in pairs], [pair.trg for pair in pairs]
    for beam in (5, 1):
        for precision in PRECISIONS:
            bench_search(folder, lines, references, beam=beam, precision=precision)


def bench_search(folder: Path, lines: list[str], references: list[str], *, beam: int, precision: str) -> None:
    translator = open_translator(
        TranslationOptions(models=(folder,), beam=beam, device="cpu", precision=precision)
    )
    outputs, few = translator.translate(lines), lines[:100]
    batched = len(lines) / best(lambda: translator.translate(lines))
    single = len(few) / best(lambda: [translator.translate([line]) for line in few])
    print(
        f"beam {beam}, {precision}: {batched:.1f} sentences/s in batches, {single:.1f} one at a time, "
        f"BLEU {corpus_bleu(outputs, references):.2f}"
    )


def best(work: Callable[[], object]) -> float:
    """The shortest of three times that the work took, in seconds."""
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def bench_cells(*, rows: int, length: int, hidden: int) -> None:
    """Print the CPU milliseconds of each cell's sequence, taking turns with torch's module: medians of 15."""
    x = torch.randn(rows, length, hidden, requires_grad=True)
    runs: dict[str, Callable[[], Tensor]] = {}
    for kind in CELLS:
        own = build_cell(TypeAdapter(CellConfig).validate_python(kind))(hidden, hidden)
        runs[kind] = lambda own=own: own(x)[0]
        if kind in TORCH:
            theirs = TORCH[kind](hidden, hidden, batch_first=True)
            runs[f"torch {kind}"] = lambda theirs=theirs: theirs(x)[0]
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(16):
        for name, run in runs.items():
            began = time.process_time()
            run().sum().backward()
            taken[name].append((time.process_time() - began) * 1e3)
    medians = {name: median(times[1:]) for name, times in taken.items()}
    print(f"{rows} rows of {length} positions, {hidden} in and out, forward and backward, float32")
    for kind in CELLS:
        other = medians.get(f"torch {kind}")
        beside = f"torch {other:.0f} ms: {medians[kind] / other:.2f} x" if other else ""
        print(f"{kind:16} {medians[kind]:5.0f} ms  {medians[kind] / medians['lstm']:.2f} x lstm  {beside}")


def bench_workers(folder: Path, experiment: Experiment, lines: int) -> None:
    """Lines a second of `nmt translate` from a file to a file, start and end included."""
    texts = [pair.src for pair in held_out(experiment, "test")]
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "in"
        source.write_text("".join(f"{texts[i % len(texts)]}\n" for i in range(lines)), encoding="utf-8")
        speeds = []
        for workers in (1, 2):
            command = [*NMT, "translate", "--model", str(folder), "--input", str(source)]
            output = Path(place) / f"out.{workers}"
            began = time.perf_counter()
            subprocess.run([*command, "--output", str(output), "--workers", str(workers)], check=True)
            speeds.append(lines / (time.perf_counter() - began))
        print(
            f"nmt translate, {lines:,} lines: {speeds[0]:.0f} a second with one worker, "
            f"{speeds[1]:.0f} with two, {speeds[1] / speeds[0]:.2f} times as many"
        )


def bench_memory(config: Path, overrides: Sequence[str], updates: int) -> None:
    """Peak resident memory of `nmt train`, all in."""
    with tempfile.TemporaryDirectory() as place:
        stops = [f"training.max_updates={updates}", f"training.validate_every={updates}"]
        sets = [word for each in (*overrides, *stops) for word in ("--set", each)]
        command = [*NMT, "train", str(config), "--run", f"{place}/run", *sets]
        subprocess.run(command, check=True, capture_output=True)
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit / 1e6
    print(f"peak memory of training, {updates} updates and a validation: {peak:,.0f} MB")


def bench_commands(folder: Path) -> None:
    for name, command in (
        ("nmt --help", ["--help"]),
        ("nmt translate, one line", ["translate", "--model", str(folder)]),
    ):
        times = []
        for _ in range(3):
            began = time.perf_counter()
            subprocess.run([*NMT, *command], input=b"Ein Hund.\n", capture_output=True, check=True)
            times.append(time.perf_counter() - began)
        print(f"{name}: {min(times):.2f} s from the shell, the best of 3")


def bench_gnmt(args: argparse.Namespace) -> None:
    """Training and translation of a model of GNMT's size; in bfloat16 where there are units for it."""
    with tempfile.TemporaryDirectory() as place:
        generator = random.Random(0)
        pairs = 2 * args.tokens * (args.updates + 5) // MEAN_LENGTH
        for name, count in (("train", pairs), ("validation", 10)):
            lines = [f"{sentence(generator, args)}\t{sentence(generator, args)}\n" for _ in range(count)]
            Path(place, f"{name}.tsv").write_text("".join(lines), encoding="utf-8")
        experiment = Experiment.model_validate(gnmt(Path(place), args))
        run = Run(Path(place) / "run")
        trainer, prepared, _ = build_trainer(experiment, run, Console(quiet=True))
        precision = str(trainer.precision).removeprefix("torch.")
        own = rate(trainer.precision, args.hidden, 2**14 if args.device != "cpu" else 1024, args.device)
        seconds, trg_tokens = run_updates(trainer, args.updates)
        train = prepared.meta.splits["train"]
        src_tokens = trg_tokens * (train.src_pieces + train.kept) / (train.trg_pieces + train.kept)
        source, target = weights(trainer.model)
        useful = 6 * (source * src_tokens + target * trg_tokens) / seconds
        print(
            f"{sum(p.numel() for p in trainer.model.parameters()):,} parameters, {args.layers} layers of "
            f"{args.hidden}, {len(prepared.trg_tokenizer.vocabulary):,} target tokens\n"
            f"training, {precision}, {args.tokens:,} tokens a batch: "
            f"{(src_tokens + trg_tokens) / seconds:,.0f} tokens/s, {useful / 1e12:.2f} TFLOP/s useful; "
            f"products {own / 1e12:.2f}; share {useful / own:.0%}"
        )
        if args.device != "cpu":
            print(f"peak memory of the device: {torch.cuda.max_memory_allocated() / 1e6:,.0f} MB")
        trainer.batches.close()
        trainer.records.keep_best()
        del trainer
        for beam in (1, 5):
            bench_gnmt_search(run.folder, args, precision, beam)


def bench_gnmt_search(folder: Path, args: argparse.Namespace, precision: str, beam: int) -> None:
    translator = open_translator(
        TranslationOptions(models=(folder,), beam=beam, device=args.device, precision=precision)
    )
    # rows · the longest
    engine = replace(translator.engine, tokens_per_batch=args.sentences * beam * 2 * MEAN_LENGTH)
    generator = random.Random(1)
    rows = [translator.parts(sentence(generator, args))[0].ids for _ in range(args.sentences)]

    def speed(batches: list[list[list[int]]]) -> float:
        """Source and target tokens a second."""
        found = [hypotheses[0] for batch in batches for hypotheses in engine.hypotheses(batch)]
        tokens = sum(len(row) + 1 for batch in batches for row in batch) + sum(len(h.ids) + 1 for h in found)
        return tokens / best(lambda: [engine.hypotheses(batch) for batch in batches])

    print(
        f"beam {beam}, {precision}: {speed([rows]):,.0f} tokens/s, {len(rows)} sentences at once; "
        f"{speed([[row] for row in rows[:5]]):,.0f} one at a time"
    )


MEAN_LENGTH = 25  # words of a sentence: about that of WMT's news in 32,000 subwords


def sentence(generator: random.Random, args: argparse.Namespace) -> str:
    """Random words, as many as a sentence has; twice the mean is the longest."""
    length = min(max(1, round(generator.lognormvariate(3.05, 0.6))), 2 * MEAN_LENGTH)
    return " ".join(f"w{generator.randrange(args.vocabulary - 4)}" for _ in range(length))


def gnmt(place: Path, args: argparse.Namespace) -> dict[str, object]:
    """The configuration: GNMT's widths and depth, every layer of the encoder in both directions."""
    stack = {"cell": "lstm", "layers": args.layers, "hidden": args.hidden}
    return {
        "name": "gnmt",
        "data": {
            "tsv": {name: f"{place}/{name}.tsv" for name in ("train", "validation")},
            "tokenizer": {"kind": "word", "min_frequency": 1, "shared": True},
            "filters": {"max_ratio": 100.0},
            "prepared": f"{place}/prepared",
        },
        "model": {
            "embedding": args.hidden,
            "dropout": 0.2,
            "encoder": stack,
            "decoder": {**stack, "style": "layer_parallel"},
        },
        "training": {
            "tokens_per_batch": args.tokens,
            "device": args.device,
            "threads": args.threads,
            "log_every": 10**9,
        },
        "decoding": {"max_ratio": 1.0, "max_extra": 0},
        "tracking": {"wandb": "off"},
    }


if __name__ == "__main__":
    main()
