"""Translation beside a Transformer-Tiny in CTranslate2, in one run on one core.

    pip install ctranslate2
    python scripts/bench_ctranslate2.py --model RUN [--set data.dataset=FOLDER] [--profile]
    python scripts/bench_ctranslate2.py [--config FILE]      # nmt with random weights too

The Transformer (4 + 4 layers of 128, feed-forward 256, 4 heads, vocabulary 8,000, nothing tied) has random
weights, so its outputs are made to have a fixed length; 64 sentences of similar length are a batch.

With --model both translate the run's test split. nmt reads its own pieces and its search ends where it ends.
The Transformer reads pieces of a joint BPE of 8,000 that is learnt from the run's training pairs, and takes
for a batch the mean number of such pieces of the references: fewer steps than a beam search takes. Without it
both have random weights, the same sources, as long as those of Multi30k's test split, and as many steps.

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

from nmt.builders.model import build_model
from nmt.builders.search import build_penalty
from nmt.builders.translator import for_translation, load_translator, recorded
from nmt.config import load_experiment
from nmt.data.batches import pad
from nmt.decoding.options import TranslationOptions
from nmt.decoding.scorers import ModelScorer
from nmt.decoding.search import SearchSettings, Step, StepScorer, beam_search
from nmt.errors import UserError
from nmt.evaluation.metrics import CASED
from nmt.models import Source
from nmt.results import Machine, read_result
from nmt.run import Run
from nmt.tokenization.subwords import SentencePieceTokenizer
from nmt.tokenization.vocabulary import BOS, EOS, SPECIALS
from nmt.workflows.score import held_out, run_experiment

LAYERS, WIDTH, FEED_FORWARD, HEADS, VOCABULARY = 4, 128, 256, 4, 8000
CONFIG = Path(__file__).parents[1] / "experiments/multi30k-en-de/config.yaml"
PRECISIONS = ("int8", "float32")
Scorer = StepScorer[Any, Any, Any]


class Sentence(NamedTuple):
    """Source ids without </s>, and how many steps a search of fixed length takes."""

    src: list[int]
    steps: int


@dataclass(frozen=True)
class Batch:
    """Sentences translated together."""

    rows: list[list[int]]
    steps: int


@dataclass(frozen=True)
class Workload:
    """What is translated, and how: the same sentences in batches of each system's own pieces."""

    name: str
    beam: int
    ours: list[Batch]
    theirs: list[Batch]

    @property
    def sentences(self) -> int:
        return sum(len(batch.rows) for batch in self.ours)

    @property
    def steps(self) -> float:
        return float(np.mean([batch.steps for batch in self.theirs]))


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


@dataclass
class Counted:
    """A step scorer that counts its steps."""

    scorer: Scorer
    steps: int = 0

    def start(self, source: Source) -> tuple[Any, Any]:
        return self.scorer.start(source)

    def step(self, y_prev: Tensor, memory: Any, state: Any) -> Step:
        self.steps += 1
        return self.scorer.step(y_prev, memory, state)


def search(scorer: Scorer, settings: SearchSettings, work: Workload, *, fixed: bool) -> None:
    """Search with nmt; fixed: to the length of the batch, else to the search's own end."""
    settings = replace(settings, beam=work.beam)
    for batch in work.ours:
        lengths = torch.tensor([len(row) + 1 for row in batch.rows])
        limits = torch.full_like(lengths, batch.steps) if fixed else settings.limits(lengths)
        asked = WithoutEnd(scorer) if fixed else scorer
        beam_search(asked, Source(pad(batch.rows, last=EOS), lengths), limits, settings)


def batched(sentences: Sequence[Sentence], size: int) -> list[Batch]:
    """Return batches of similar length, the longest first; the steps are the mean of their sentences'."""
    order = sorted(sentences, key=lambda sentence: -len(sentence.src))
    chosen = [order[begin : begin + size] for begin in range(0, len(order), size)]
    return [Batch([s.src for s in part], round(np.mean([s.steps for s in part]))) for part in chosen]


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
    """Return the search by CTranslate2, of the length of each batch."""
    spread = VOCABULARY - EOS - 1
    batches = [
        ([[str(EOS + 1 + i % spread) for i in row] for row in batch.rows], batch.steps)
        for batch in work.theirs
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


def print_profile(scorer: Scorer, run: Callable[[Scorer], object], name: str, rounds: int) -> None:
    """Print the 20 operations that take most of a search, each by itself, as Markdown: the fastest round."""
    counted = Counted(scorer)
    run(counted)
    steps, plain, watched, found = counted.steps, float("inf"), float("inf"), None
    for _ in range(rounds):
        began = time.perf_counter()
        run(scorer)
        plain = min(plain, time.perf_counter() - began)
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            began = time.perf_counter()
            run(scorer)
            took = time.perf_counter() - began
        if took < watched:
            watched, found = took, profiled.key_averages()
    operations = sorted(found, key=lambda op: -op.self_cpu_time_total)
    inside = sum(op.self_cpu_time_total for op in operations) * 1e-6
    print(f"\n{name}: {1e3 * plain / steps:.2f} ms a step by the clock, {1e3 * watched / steps:.2f} in the")
    print(f"profiler, {inside / watched:.0%} of it in operations, the rest around them, in Python.\n")
    print("| operation | share | µs a step | calls a step |\n| --- | ---: | ---: | ---: |")
    for op in operations[:20]:
        spent = op.self_cpu_time_total
        print(f"| {op.key} | {spent * 1e-6 / watched:.1%} | {spent / steps:.0f} | {op.count / steps:.1f} |")


class System(NamedTuple):
    """A model in each precision, how it searches, and the same sentences in each system's pieces.

    fixed: the model's outputs are made to have a fixed length too.
    """

    name: str
    scorers: dict[str, Scorer]
    settings: SearchSettings
    ours: list[Sentence]
    theirs: list[Sentence]
    fixed: bool


def trained(folder: Path, overrides: list[str], sentences: int) -> System:
    experiment, run = run_experiment(folder, overrides), Run(folder)
    translators = {
        precision: load_translator(
            TranslationOptions(models=(folder,), precision=precision, device="cpu"), experiment
        )
        for precision in PRECISIONS
    }
    first = translators[PRECISIONS[0]]
    texts = (text for pair in held_out(experiment, "train") for text in pair[:2])
    pieces = SentencePieceTokenizer.train(texts, kind="bpe", vocab_size=VOCABULARY)
    pairs = held_out(experiment, "test")[:sentences]
    ours = [Sentence(first.src_tokenizer.encode(pair.src), 0) for pair in pairs]
    theirs = [Sentence(pieces.encode(pair.src), len(pieces.encode(pair.trg)) + 1) for pair in pairs]
    name = experiment.name
    if run.result.is_file():
        result = read_result(run.result)
        bleu = result.score("BLEU", CASED)
        name += f", {result.parameters:,} parameters" if result.parameters else ""
        name += f", BLEU {bleu.score:.1f}" if bleu else ""
    scorers = {p: translators[p].engine.scorer for p in PRECISIONS}
    return System(name, scorers, first.engine.search, ours, theirs, fixed=False)


def untrained(config: Path, overrides: list[str], sentences: int) -> System:
    """A model of random weights; sources as long as those of Multi30k's test split: 15.5 ± 5.5 pieces."""
    experiment = load_experiment(config, overrides)
    pieces = getattr(experiment.data.tokenizer, "vocab_size", None) or VOCABULARY
    model, device = build_model(experiment.model, pieces, pieces).eval(), torch.device("cpu")
    packed = {p: for_translation(model, device, p) for p in PRECISIONS}
    scorers: dict[str, Scorer] = {p: ModelScorer(packed[p]) for p in PRECISIONS}
    scorers["int8"] = recorded(scorers["int8"], packed["int8"])
    decoding, rng = experiment.decoding, np.random.default_rng(1)
    settings = SearchSettings(
        beam=decoding.beam, penalty=build_penalty(decoding.length_penalty), bos=BOS, eos=EOS
    )
    lengths = rng.normal(15.5, 5.5, sentences).round().clip(5, 40).astype(int)
    made = [Sentence(rng.integers(EOS + 1, pieces, length).tolist(), length + 1) for length in lengths]
    parameters = sum(p.numel() for p in model.parameters())
    name = f"{experiment.name} with random weights, {parameters:,} parameters"
    return System(name, scorers, settings, made, made, fixed=True)


def row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def compare(args: argparse.Namespace) -> None:
    import ctranslate2

    if args.model:
        system = trained(args.model, args.overrides, args.sentences)
    else:
        system = untrained(args.config, args.overrides, args.sentences)
    works = [
        Workload(name, beam, batched(system.ours[::every], size), batched(system.theirs[::every], size))
        for name, beam, size, every in (
            ("64 a batch, beam 5", 5, 64, 1),
            ("one at a time, beam 5", 5, 1, 10),
            ("64 a batch, greedy", 1, 64, 1),
        )
    ]
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
    print(row(*columns), row("---", "---", *["---:"] * (len(columns) - 2)), sep="\n")
    shares = []
    for work in works:
        for precision in PRECISIONS:
            ours = partial(search, system.scorers[precision], system.settings, work, fixed=system.fixed)
            runs = [transformer_search(engines[precision], work), ours]
            (theirs, mine), share = rates(runs, work.sentences, args.rounds)
            shares.append(share)
            figures = [f"{theirs:.0f}", f"{mine:.0f}", f"{mine / theirs:.2f}"]
            print(row(work.name, precision, work.sentences, f"{work.steps:.1f}", *figures), flush=True)
    print(f"\nThe process had {min(shares):.0%} to {max(shares):.0%} of a core while it measured.")
    if args.profile:
        for work in (replace(works[0], ours=works[0].ours[::4]), works[1]):
            run = partial(search, settings=system.settings, work=work, fixed=system.fixed)
            print_profile(system.scorers[PRECISIONS[0]], run, work.name, args.rounds)


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
