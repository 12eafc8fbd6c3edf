"""Translation beside a Transformer-Tiny in CTranslate2, in one run on one core.

    pip install ctranslate2
    python scripts/bench_ctranslate2.py --model RUN [--set data.dataset=FOLDER] [--profile]
    python scripts/bench_ctranslate2.py [--config FILE]      # nmt with random weights too

The Transformer (4 + 4 layers of 128, feed-forward 256, 4 heads, vocabulary 8,000, nothing tied) has random
weights, so its outputs are made to have a fixed length: both search the same batches for the same number of
steps, 64 sentences of similar length in a batch. With --model the sources are the run's test split, the
length of a batch is the mean of what the model itself gives for it, and the last column is the model's own
search, which ends where it ends. Without it lengths are drawn as those of Multi30k's test split are.

Ids in, ids out: tokenizing is not timed. The systems take turns, the best round of each counts. Seconds are
of CPU time: what one free core takes by the clock; those of --profile are by the clock.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from nmt.build.model import build_model
from nmt.build.score import held_out, run_experiment
from nmt.build.search import build_penalty
from nmt.build.translator import for_translation, load_translator, recorded
from nmt.config import load_experiment
from nmt.data.batches import pad
from nmt.data.vocabulary import BOS, EOS, SPECIALS
from nmt.decoding.scorers import ModelScorer
from nmt.decoding.search import Hypothesis, SearchSettings, Step, StepScorer, beam_search
from nmt.errors import UserError
from nmt.evaluation.metrics import CASED
from nmt.models import Source
from nmt.results import Machine, read_result
from nmt.run import Run

LAYERS, WIDTH, FEED_FORWARD, HEADS, VOCABULARY = 4, 128, 256, 4, 8000
CONFIG = Path(__file__).parents[1] / "experiments/multi30k-en-de/config.yaml"
PRECISIONS = ("int8", "float32")
Scorer = StepScorer[Any, Any, Any]


@dataclass(frozen=True)
class Batch:
    """Source ids without </s>, and how many steps the search of fixed length takes."""

    rows: list[list[int]]
    steps: int


@dataclass(frozen=True)
class Workload:
    """What is translated, and how."""

    name: str
    beam: int
    batches: list[Batch]

    @property
    def sentences(self) -> int:
        return sum(len(batch.rows) for batch in self.batches)


@dataclass(frozen=True)
class WithoutEnd:
    """A step scorer that gives </s> so little that it comes at the limit only, where nothing else may."""

    scorer: Scorer

    def start(self, source: Source) -> tuple[Any, Any]:
        return self.scorer.start(source)

    def step(self, y_prev: Tensor, memory: Any, state: Any) -> Step:
        step = self.scorer.step(y_prev, memory, state)
        step.log_probs[:, EOS] -= 1e4
        return step


def search(
    scorer: Scorer, settings: SearchSettings, work: Workload, *, fixed: bool
) -> list[list[Hypothesis]]:
    """Return what nmt finds for the sentences, in the order of the batches."""
    found, settings = [], replace(settings, beam=work.beam)
    for batch in work.batches:
        lengths = torch.tensor([len(row) + 1 for row in batch.rows])
        limits = torch.full_like(lengths, batch.steps) if fixed else settings.limits(lengths)
        asked = WithoutEnd(scorer) if fixed else scorer
        found += beam_search(asked, Source(pad(batch.rows, last=EOS), lengths), limits, settings)
    return found


def batched(rows: Sequence[list[int]], size: int) -> list[Batch]:
    """Return batches of similar length, the longest first; the steps are the mean source length."""
    order = sorted(rows, key=len, reverse=True)
    chosen = [order[begin : begin + size] for begin in range(0, len(order), size)]
    return [Batch(part, round(np.mean([len(row) + 1 for row in part]))) for part in chosen]


def as_long_as_found(scorer: Scorer, settings: SearchSettings, work: Workload) -> Workload:
    """Return the work with the mean length of the model's own outputs as the steps of a batch."""
    found = iter(search(scorer, settings, work, fixed=False))
    lengths = [[len(next(found)[0].ids) + 1 for _ in batch.rows] for batch in work.batches]
    pairs = zip(work.batches, lengths, strict=True)
    return replace(work, batches=[replace(batch, steps=round(np.mean(steps))) for batch, steps in pairs])


def save_transformer(folder: str) -> int:
    """Write a Transformer-Tiny of random weights as CTranslate2 reads it; return its parameters."""
    from ctranslate2.specs import TransformerSpec

    rng, sizes = np.random.default_rng(1), []

    def matrix(outputs: int, inputs: int = WIDTH) -> Any:
        sizes.append(outputs * inputs)
        return rng.normal(0, inputs**-0.5, (outputs, inputs)).astype(np.float32)

    def vector(size: int, value: float = 0.0) -> Any:
        sizes.append(size)
        return np.full(size, value, np.float32)

    def linear(spec: Any, outputs: int, inputs: int = WIDTH) -> None:
        spec.weight, spec.bias = matrix(outputs, inputs), vector(outputs)

    def norm(spec: Any) -> None:
        spec.gamma, spec.beta = vector(WIDTH, 1.0), vector(WIDTH)

    model = TransformerSpec.from_config(LAYERS, HEADS)
    for side in (model.encoder, model.decoder):
        norm(side.layer_norm)
        for layer in side.layer:
            linear(layer.self_attention.linear[0], 3 * WIDTH)
            linear(layer.self_attention.linear[1], WIDTH)
            linear(layer.ffn.linear_0, FEED_FORWARD)
            linear(layer.ffn.linear_1, WIDTH, FEED_FORWARD)
            norm(layer.self_attention.layer_norm)
            norm(layer.ffn.layer_norm)
    for layer in model.decoder.layer:
        for part, outputs in zip(layer.attention.linear, (WIDTH, 2 * WIDTH, WIDTH), strict=True):
            linear(part, outputs)
        norm(layer.attention.layer_norm)
    model.encoder.embeddings[0].weight, model.decoder.embeddings.weight = (
        matrix(VOCABULARY),
        matrix(VOCABULARY),
    )
    linear(model.decoder.projection, VOCABULARY)
    pieces = [*SPECIALS, *map(str, range(EOS + 1, VOCABULARY))]
    model.register_source_vocabulary(pieces)
    model.register_target_vocabulary(pieces)
    model.validate()
    model.save(folder)
    return sum(sizes)


def transformer_search(translator: Any, work: Workload) -> Callable[[], None]:
    """Return the search of fixed length by CTranslate2: as many steps and source pieces as nmt has."""
    spread = VOCABULARY - EOS - 1
    batches = [
        ([[str(EOS + 1 + i % spread) for i in row] for row in batch.rows], batch.steps)
        for batch in work.batches
    ]

    def run() -> None:
        for tokens, steps in batches:
            translator.translate_batch(
                tokens, beam_size=work.beam, min_decoding_length=steps, max_decoding_length=steps
            )

    return run


def rates(runs: Sequence[Callable[[], object]], sentences: int, rounds: int) -> tuple[list[float], float]:
    """Return sentences a second of CPU time of each, the best of its rounds, and the share of a core had."""
    best, cpu, wall = [float("inf")] * len(runs), 0.0, 0.0
    for run in runs:
        run()
    for _ in range(rounds):
        for i, run in enumerate(runs):
            began, clock = time.process_time(), time.perf_counter()
            run()
            took = time.process_time() - began
            best[i], cpu, wall = min(best[i], took), cpu + took, wall + time.perf_counter() - clock
    return [sentences / seconds for seconds in best], cpu / wall


def print_profile(run: Callable[[], object], work: Workload, rounds: int) -> None:
    """Print the 20 operations that take most of a search, each by itself, as Markdown: the fastest round."""
    run()
    plain, watched, found = float("inf"), float("inf"), None
    for _ in range(rounds):
        began = time.perf_counter()
        run()
        plain = min(plain, time.perf_counter() - began)
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            began = time.perf_counter()
            run()
            took = time.perf_counter() - began
        if took < watched:
            watched, found = took, profiled.key_averages()
    steps = sum(batch.steps for batch in work.batches)
    operations = sorted(found, key=lambda op: -op.self_cpu_time_total)
    inside = sum(op.self_cpu_time_total for op in operations) * 1e-6
    print(
        f"\n{work.name}: {1e3 * plain / steps:.2f} ms a step by the clock, {1e3 * watched / steps:.2f} in the"
    )
    print(f"profiler, {inside / watched:.0%} of it in operations, the rest around them, in Python.\n")
    print("| operation | share | µs a step | calls a step |\n| --- | ---: | ---: | ---: |")
    for op in operations[:20]:
        spent = op.self_cpu_time_total
        print(f"| {op.key} | {spent * 1e-6 / watched:.1%} | {spent / steps:.0f} | {op.count / steps:.1f} |")


class System(NamedTuple):
    """A model in each precision, how it searches, and the sources it is given."""

    name: str
    scorers: dict[str, Scorer]
    settings: SearchSettings
    rows: list[list[int]]


def trained(folder: Path, overrides: list[str], sentences: int) -> System:
    experiment, run = run_experiment(folder, overrides), Run(folder)
    translators = {
        precision: load_translator(folder, experiment=experiment, precision=precision, device="cpu")
        for precision in PRECISIONS
    }
    first = translators[PRECISIONS[0]]
    rows = [part.ids for pair in held_out(experiment, "test")[:sentences] for part in first.parts(pair.src)]
    name = experiment.name
    if run.result.is_file():
        result = read_result(run.result)
        bleu = result.score("BLEU", CASED)
        name += f", {result.parameters:,} parameters" if result.parameters else ""
        name += f", BLEU {bleu.score:.1f}" if bleu else ""
    return System(name, {p: translators[p].scorer for p in PRECISIONS}, first.search, rows)


def untrained(config: Path, overrides: list[str], sentences: int) -> System:
    """A model of random weights; sources as long as those of Multi30k's test split: 15.5 ± 5.5 pieces."""
    experiment = load_experiment(config, overrides)
    pieces = getattr(experiment.data.tokenizer, "vocab_size", None) or VOCABULARY
    model, device = build_model(experiment.model, pieces, pieces).eval(), torch.device("cpu")
    packed = {p: for_translation(model, device, p) for p in PRECISIONS}
    scorers: dict[str, Scorer] = {p: ModelScorer(packed[p]) for p in PRECISIONS}
    scorers["int8"] = recorded(scorers["int8"], packed["int8"])
    decoding, rng = experiment.decoding, np.random.default_rng(1)
    settings = SearchSettings(decoding.beam, build_penalty(decoding.length_penalty), BOS, EOS)
    lengths = rng.normal(15.5, 5.5, sentences).round().clip(5, 40).astype(int)
    rows = [rng.integers(EOS + 1, pieces, length).tolist() for length in lengths]
    parameters = sum(p.numel() for p in model.parameters())
    name = f"{experiment.name} with random weights, {parameters:,} parameters"
    return System(name, scorers, settings, rows)


def row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def compare(args: argparse.Namespace) -> None:
    import ctranslate2

    if args.model:
        system = trained(args.model, args.overrides, args.sentences)
    else:
        system = untrained(args.config, args.overrides, args.sentences)
    batches, singles = batched(system.rows, 64), batched(system.rows[::10], 1)
    works = [
        Workload("64 a batch, beam 5", 5, batches),
        Workload("one at a time, beam 5", 5, singles),
        Workload("64 a batch, greedy", 1, batches),
    ]
    if args.model:
        works = [as_long_as_found(system.scorers[PRECISIONS[0]], system.settings, work) for work in works]
    engines = {}
    with tempfile.TemporaryDirectory() as folder:
        parameters = save_transformer(folder)
        for precision in PRECISIONS:
            engines[precision] = ctranslate2.Translator(
                folder, compute_type=precision, inter_threads=1, intra_threads=1
            )
    print(f"{Machine.here('cpu').description}, 1 thread; load {os.getloadavg()[0]:.1f}  ")
    print(f"CTranslate2 {version('ctranslate2')}: random weights, {parameters:,} parameters  ")
    print(f"nmt on torch {version('torch')}: {system.name}\n")
    columns = ["sentences/s", "precision", "sentences", "steps", "CTranslate2", "nmt", "ratio"]
    columns += ["nmt, own lengths"] if args.model else []
    print(row(*columns), row("---", "---", *["---:"] * (len(columns) - 2)), sep="\n")
    shares = []
    for work in works:
        steps = np.mean([batch.steps for batch in work.batches])
        for precision in PRECISIONS:
            ask = partial(search, system.scorers[precision], system.settings, work)
            runs = [transformer_search(engines[precision], work), partial(ask, fixed=True)]
            runs += [partial(ask, fixed=False)] if args.model else []
            (theirs, ours, *own), share = rates(runs, work.sentences, args.rounds)
            shares.append(share)
            figures = [
                f"{theirs:.0f}",
                f"{ours:.0f}",
                f"{ours / theirs:.2f}",
                *(f"{rate:.0f}" for rate in own),
            ]
            print(row(work.name, precision, work.sentences, f"{steps:.1f}", *figures), flush=True)
    print(f"\nThe process had {min(shares):.0%} to {max(shares):.0%} of a core while it measured.")
    if args.profile:
        for work in (replace(works[0], batches=works[0].batches[::4]), works[1]):
            run = partial(search, system.scorers[PRECISIONS[0]], system.settings, work, fixed=True)
            print_profile(run, work, args.rounds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--model", type=Path, help="a trained run")
    model.add_argument("--config", type=Path, default=CONFIG, help="of a model to draw at random")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true", help="of nmt's search in int8, by operation")
    args = parser.parse_args()
    if find_spec("ctranslate2") is None:
        parser.error("ctranslate2 is not installed; pip install ctranslate2")
    torch.manual_seed(1)
    torch.set_num_threads(1)
    try:
        compare(args)
    except UserError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
