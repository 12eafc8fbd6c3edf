"""Translation with an exported graph beside a Transformer-Tiny in CTranslate2, in one run on one core.

    pip install ctranslate2            # without it, nmt's rows stand alone
    python scripts/bench_ctranslate2.py [--config FILE] [--set KEY=VALUE]
    python scripts/bench_ctranslate2.py --model MODEL [--src FILE --ref FILE] [--ct2 FOLDER --sp FILE]

Fixed steps: without --model both systems have random weights, the same sources, as long as those of
Multi30k's test split, and take the same number of steps; </s> comes at the limit only. Two sizes or --config.

Own ends: with --model nmt's search ends where it ends. So does CTranslate2's with a trained Transformer
(--ct2, with the SentencePiece model --sp that its pieces are of); then the BLEU of both is printed. Without
one it has random weights and takes for a batch the mean number of tokens of the references, in the pieces of
--sp or else of nmt's model: fewer steps than a beam search takes.

nmt is the graph that `nmt export` writes, in the engine that translates with it; ids in, ids out. A batch is
64 sentences of similar length. The best of rounds in turns counts, by CPU time: that of one free core.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from transformer_tiny import VOCABULARY, save_transformer

from nmt.builders.export import export_run
from nmt.builders.model import build_model
from nmt.builders.search import search_keys
from nmt.config import load_experiment
from nmt.config.model import ModelConfig
from nmt.decoding.translator import Translator
from nmt.errors import UserError
from nmt.evaluation.metrics import bleu_signature, bleu_tokenizer, corpus_bleu
from nmt.graphs.translation import translation_graph
from nmt.onnx_runtime import open_session
from nmt.results import Machine
from nmt.run import Run
from nmt.runtime.bundle import find_model, load, translator_of
from nmt.runtime.engine import GraphEngine
from nmt.runtime.manifest import GraphPrecision
from nmt.tokenization.vocabulary import EOS
from nmt.workflows.score import held_out, read_together, run_experiment

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
CELLS = ["model.encoder.cell=gru", "model.decoder.cell=gru"]
SIZES: list[tuple[Path, list[str]]] = [
    (EXPERIMENTS / "multi30k-en-de-fast/config.yaml", []),
    (EXPERIMENTS / "multi30k-variants/config.yaml", CELLS),
]
PRECISIONS: tuple[GraphPrecision, ...] = ("int8", "float32")
SETS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "asimddp", "i8mm")
LONGEST = 1_000_000  # tokens of a batch: batches are made here


class Mode(NamedTuple):
    """How sentences are translated; every: that many-th sentence only."""

    name: str
    beam: int
    batch: int
    every: int


MODES = (
    Mode("64 a batch, beam 5", 5, 64, 1),
    Mode("one at a time, beam 5", 5, 1, 10),
    Mode("64 a batch, greedy", 1, 64, 1),
    Mode("one at a time, greedy", 1, 1, 10),
)


@dataclass(frozen=True)
class Sentence:
    """Source ids of nmt, source pieces of CTranslate2, and the steps of a search of fixed length."""

    ids: list[int]
    pieces: list[str]
    steps: int


@dataclass(frozen=True)
class Batch:
    """Sentences translated together; steps: the mean of theirs."""

    rows: list[Sentence]

    @property
    def steps(self) -> int:
        return round(float(np.mean([row.steps for row in self.rows])))


class System(NamedTuple):
    """How a system searches some batches with a beam."""

    name: str
    search: Callable[[Sequence[Batch], int], None]


class Texts(NamedTuple):
    """Lines to translate, and their translations."""

    sources: list[str]
    references: list[str]


def batched(sentences: Sequence[Sentence], mode: Mode) -> list[Batch]:
    """Return batches of similar length, the longest first."""
    order = sorted(sentences[:: mode.every], key=lambda sentence: -len(sentence.ids))
    return [Batch(order[begin : begin + mode.batch]) for begin in range(0, len(order), mode.batch)]


def transformer(translator: Any, name: str, *, fixed: bool) -> System:
    """Return CTranslate2's search, of the length of each batch or to its own end."""

    def search(batches: Sequence[Batch], beam: int) -> None:
        for batch in batches:
            tokens, steps = [row.pieces for row in batch.rows], batch.steps
            if fixed:
                translator.translate_batch(
                    tokens, beam_size=beam, min_decoding_length=steps, max_decoding_length=steps
                )
            else:
                translator.translate_batch(tokens, beam_size=beam)

    return System(name, search)


def transformers(folder: Path | None) -> tuple[list[System], dict[GraphPrecision, Any], str]:
    """Return CTranslate2 in each precision, its translators, and what it is; nothing where it is missing.

    folder: a converted Transformer; None: random weights, outputs of a fixed length.
    """
    try:
        import ctranslate2
    except ImportError:
        return [], {}, "ctranslate2 is not installed (pip install ctranslate2): nmt alone, without ratios"
    what = f"CTranslate2 {version('ctranslate2')}: "
    with tempfile.TemporaryDirectory() as made:
        if folder is None:
            what += f"a Transformer-Tiny with random weights, {save_transformer(made):,} parameters"
        else:
            what += f"{folder.name}, trained"
        try:
            engines = {
                precision: ctranslate2.Translator(
                    str(folder or made), compute_type=precision, inter_threads=1, intra_threads=1
                )
                for precision in PRECISIONS
            }
        except (RuntimeError, ValueError) as error:
            raise UserError(f"--ct2 {folder}: CTranslate2 cannot read it ({error})") from None
    systems = [
        transformer(engine, f"CTranslate2 {precision}", fixed=folder is None)
        for precision, engine in engines.items()
    ]
    return systems, engines, what


def graph(engine: GraphEngine, *, fixed: bool) -> System:
    """Return nmt's search, of the length of each batch or to its own end."""
    engine = replace(engine, n_best=1, tokens_per_batch=LONGEST)

    def search(batches: Sequence[Batch], beam: int) -> None:
        for batch in batches:
            asked = replace(engine, beam=beam)
            if fixed:
                asked = replace(asked, max_ratio=0.0, max_extra=batch.steps)
            asked.hypotheses([row.ids for row in batch.rows])

    return System(f"nmt {engine.precision}", search)


def untrained(config: Path, overrides: list[str], count: int) -> tuple[list[System], list[Sentence], str]:
    """Return a model of random weights that never ends by itself, and sources of 15.5 ± 5.5 tokens."""
    experiment = load_experiment(config, overrides)
    if not isinstance(experiment.model, ModelConfig):
        raise UserError(f"--config {config}: expected a model that translates; take one of kind seq2seq")
    tokens = getattr(experiment.data.tokenizer, "vocab_size", None) or VOCABULARY
    torch.manual_seed(1)
    model, rng = build_model(experiment.model, tokens, tokens).eval(), np.random.default_rng(1)
    output = getattr(model.head, "plain", model.head).output
    assert isinstance(output, nn.Linear)
    with torch.no_grad():
        output.bias[EOS] = -1e4
    systems, sizes = [], []
    keys = search_keys(experiment.decoding)
    for precision in PRECISIONS:
        data = translation_graph(model, (), precision).SerializeToString()
        engine = GraphEngine(
            session=open_session(data),
            precision=precision,
            n_best=1,
            beam=keys.beam,
            alpha=keys.alpha,
            offset=keys.offset,
            max_ratio=keys.max_ratio,
            max_extra=keys.max_extra,
            tokens_per_batch=keys.tokens_per_batch,
        )
        systems.append(graph(engine, fixed=True))
        sizes.append(f"{len(data) / 1e6:.1f} MB in {precision}")
    spread, sentences = min(tokens, VOCABULARY) - EOS - 1, []
    for length in rng.normal(15.5, 5.5, count).round().clip(5, 40).astype(int):
        ids = (EOS + 1 + rng.integers(0, spread, length)).tolist()
        sentences.append(Sentence(ids, [str(i) for i in ids], int(length) + 1))
    parameters = sum(p.numel() for p in model.parameters())
    what = f"{experiment.name} ({', '.join(overrides) or 'as configured'}) with random weights, "
    return systems, sentences, f"{what}{parameters:,} parameters, {tokens:,} tokens; {', '.join(sizes)}"


def trained(args: argparse.Namespace) -> tuple[list[Translator[GraphEngine]], Texts]:
    """Return the translators of a run, in each precision, or of an exported model; and the texts."""
    folder, is_run = find_model(args.model), Run(args.model).config.is_file()
    if args.src:
        texts = Texts(*read_together(args.src, args.ref))
    elif is_run:
        pairs = held_out(run_experiment(folder, args.overrides), "test")
        texts = Texts([pair.src for pair in pairs], [pair.trg for pair in pairs])
    else:
        raise UserError(f"--model {folder} is an exported model, without a corpus; give --src and --ref")
    if not is_run:
        return [load(folder)], texts
    made = [export_run(folder, precision) for precision in PRECISIONS]
    return [translator_of(folder, each.manifest, each.graph) for each in made], texts


def sentences_of(
    texts: Texts, translator: Translator[GraphEngine], pieces: Any, *, known: bool
) -> list[Sentence]:
    """Return the lines as each system reads them.

    pieces: CTranslate2's SentencePiece model, if any. known: CTranslate2 knows those pieces by name.
    """
    encoder, made, spread = translator.readers[0].encoder, [], VOCABULARY - EOS - 1
    for src, ref in zip(*texts, strict=True):
        ids = encoder.encode(src)
        if known:
            made.append(Sentence(ids, pieces.encode(src, out_type=str), 0))
            continue
        theirs, steps = (
            (pieces.encode(src), len(pieces.encode(ref)))
            if pieces
            else (ids, len(translator.trg_tokenizer.encode(ref)))
        )
        made.append(Sentence(ids, [str(EOS + 1 + i % spread) for i in theirs], steps + 1))
    return made


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


def gemm(rounds: int = 5, size: int = 1024) -> float:
    """Return float32 GFLOP/s of torch's products on one core, by CPU time; a multiply-add counts as two."""
    x = torch.ones(size, size)
    found, _ = rates([lambda: x @ x], 1, rounds)
    return 2e-9 * size**3 * found[0]


def instructions() -> str:
    """Return the sets of instructions for products that the CPU has, as Linux names them."""
    try:
        words = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return "instruction sets unknown"
    return " ".join(name for name in SETS if name in words) or "no vector instructions known here"


def row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def print_table(systems: Sequence[System], sentences: Sequence[Sentence], rounds: int) -> None:
    """Measure and print a row for each system: sentences/s, and the ratio to CTranslate2 int8, the first."""
    columns, shares = [], []
    for mode in MODES:
        batches = batched(sentences, mode)
        runs = [partial(system.search, batches, mode.beam) for system in systems]
        found, share = rates(runs, sum(len(batch.rows) for batch in batches), rounds)
        columns.append(found)
        shares.append(share)
    print(row("sentences/s", *(mode.name for mode in MODES)))
    print(row("---", *["---:"] * len(MODES)))
    compared = systems[0].name.startswith("CTranslate2")
    for i, system in enumerate(systems):
        print(
            row(
                system.name,
                *(
                    f"{found[i]:,.0f} ({found[i] / found[0]:.2f})" if compared else f"{found[i]:,.0f}"
                    for found in columns
                ),
            )
        )
    print("\nIn brackets: CTranslate2's int8 = 1. " if compared else "\n", end="")
    print(
        f"{len(sentences)} sentences, a tenth of them one at a time, {rounds} rounds. The process had "
        f"{min(shares):.0%} to {max(shares):.0%} of a core.\n",
        flush=True,
    )


def print_bleu(
    texts: Texts,
    translators: Sequence[Translator[GraphEngine]],
    engines: dict[GraphPrecision, Any],
    pieces: Any,
) -> None:
    """Print the BLEU of each system by beam 5; CTranslate2's if its model is trained."""
    tokenize, _ = bleu_tokenizer(None, texts.references)
    print(f"`{bleu_signature(tokenize)}`\n", row("", "BLEU, beam 5"), row("---", "---:"), sep="\n")
    for precision, engine in engines.items():
        found = engine.translate_batch(
            [pieces.encode(line, out_type=str) for line in texts.sources], beam_size=5, max_batch_size=64
        )
        outputs = [pieces.decode(each.hypotheses[0]) for each in found]
        print(row(f"CTranslate2 {precision}", f"{corpus_bleu(outputs, texts.references, tokenize):.2f}"))
    for translator in translators:
        with_beam = replace(translator, engine=replace(translator.engine, beam=5))
        bleu = corpus_bleu(with_beam.translate(texts.sources), texts.references, tokenize)
        print(row(f"nmt {translator.engine.precision}", f"{bleu:.2f}"))
    print()


def compare_trained(args: argparse.Namespace) -> None:
    """Measure a trained model at its own ends."""
    from sentencepiece import SentencePieceProcessor

    translators, texts = trained(args)
    pieces = SentencePieceProcessor(model_file=str(args.sp)) if args.sp else None
    theirs, engines, what = transformers(args.ct2)
    sentences = sentences_of(texts, translators[0], pieces, known=bool(args.ct2))
    ours = [graph(translator.engine, fixed=False) for translator in translators]
    ends = "its own ends" if args.ct2 else "steps as many as the references have tokens"
    print(f"{what}; {ends}  \nnmt: {args.model.name}, its own ends\n")
    print_table([*theirs, *ours], sentences[: args.sentences], args.rounds)
    print_bleu(texts, translators, engines if args.ct2 else {}, pieces)


def compare_untrained(args: argparse.Namespace) -> None:
    """Measure models of random weights with fixed steps."""
    theirs, _, what = transformers(None)
    print(f"{what}  ")
    for config, overrides in [(args.config, args.overrides)] if args.config else SIZES:
        ours, sentences, name = untrained(config, [*overrides], args.sentences)
        print(f"nmt: {name}\n")
        print_table([*theirs, *ours], sentences, args.rounds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--model", type=Path, help="a trained run, or a folder that nmt export wrote")
    model.add_argument("--config", type=Path, help="of a model to draw at random")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--src", type=Path, help="lines to translate, in place of the run's test split")
    parser.add_argument("--ref", type=Path, help="their translations")
    parser.add_argument("--ct2", type=Path, help="a trained Transformer, as CTranslate2 reads it")
    parser.add_argument("--sp", type=Path, help="its SentencePiece model")
    parser.add_argument("--sentences", type=int, default=1000, help="timed; BLEU is of all")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    if bool(args.src) != bool(args.ref) or (args.ct2 and not args.sp):
        parser.error("--src and --ref belong together, and --ct2 needs --sp")
    if not args.model and (args.src or args.sp):
        parser.error("--src, --ref, --ct2 and --sp belong to --model")
    torch.set_num_threads(1)
    try:
        print(f"{Machine.here('cpu').description}, 1 thread; {instructions()}; {gemm():.0f} GFLOP/s")
        packages = ", ".join(f"{name} {version(name)}" for name in ("onnxruntime", "numpy", "torch"))
        print(f"in float32 (torch); load {os.getloadavg()[0]:.1f}; {packages}  ")
        (compare_trained if args.model else compare_untrained)(args)
    except UserError as error:
        parser.exit(2, f"{error}\n")
    print(f"Load at the end: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
