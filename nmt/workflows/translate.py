"""Blocks of lines → their translations as text, in the best number of processes."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from nmt.decoding.demands import Demand
from nmt.decoding.options import Sampling, TranslationOptions
from nmt.jobs.blocks import FEW, Blocks, numbered
from nmt.machine import cores, has_cuda_driver

# The process that distributes the blocks loads no torch.
if TYPE_CHECKING:
    from nmt.decoding.translation import Translation

Block = tuple[int, list[str]]  # the number of its first line, and the lines
Form = Literal["text", "links", "json"]  # of an output line


class Translated(NamedTuple):
    """The text of a block, and the numbers of the lines that are far shorter than their sources."""

    text: str
    short: list[int]


class Done(NamedTuple):
    """How many lines were read, how many of these were done before, and which translations are short."""

    read: int
    before: int
    short: list[int]


def translate_blocks(
    options: TranslationOptions,
    found: Blocks,
    output: Path | None,
    *,
    begin: int = 0,
    workers: int | None = None,
    resume: bool = False,
    form: Form = "text",
) -> Done:
    """Write the translations of blocks of lines, in order, to a new file or to standard output.

    begin: number of the first line. workers: processes; None: one per core if there are many blocks.
    resume: continue the file if it exists. Raises UserError like `open_output` and `open_translator`.
    """
    from nmt.jobs.output import open_output
    from nmt.jobs.workers import in_order

    workers, found = _share(found, workers, options.device)
    load = partial(load_block_translator, options, form)
    numbered_from = None if options.n_best == 1 or form == "json" else begin
    short: list[int] = []
    read = 0

    def counted() -> Blocks:
        nonlocal read
        for block, problem in found:
            read += len(block)
            yield block, problem

    with in_order(load, workers) as translated:
        opened = open_output(output, resume=resume, numbered_from=numbered_from) if output else nullcontext()
        with opened as out:
            write, done = (out.write, begin + out.done) if out else (_print, begin)
            for block in translated(numbered(counted(), begin, done)):
                write(block.text)
                short += block.short
    return Done(read, done - begin, short)


def _share(found: Blocks, workers: int | None, device: str) -> tuple[int, Blocks]:
    """Return the number of processes, never more than there are blocks, and the blocks."""
    if workers == 1:
        return 1, found
    at_hand = []
    if workers is None:
        at_hand = list(islice(found, FEW + 1))
        workers = choose_workers(device) if len(at_hand) > FEW else 1
    at_hand += islice(found, max(0, workers - len(at_hand)))
    return max(1, min(workers, len(at_hand))), chain(at_hand, found)


def _print(text: str) -> None:
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()


def choose_workers(device: str) -> int:
    """Return the best number of processes for a large job: one per core on a CPU, one on CUDA."""
    if device != "cpu" and has_cuda_driver():
        from nmt.builders.hardware import choose_device

        if choose_device(device).type == "cuda":
            return 1
    return cores()


def load_block_translator(options: TranslationOptions, form: Form) -> Callable[[Block], Translated]:
    """Return a function from a block of lines to its text, with the models of runs in this process.

    A line's text is its translation, or with n_best > 1 up to n_best lines NUMBER ||| TEXT ||| SCORE. links:
    ||| and the word links follow. json: one JSON object for each line. Raises UserError like
    `open_translator`.
    """
    if options.sampling:
        return _sampler(options, options.sampling)
    from nmt.builders.engine import open_translator
    from nmt.evaluation.alignment import pharaoh
    from nmt.evaluation.record import translation_record

    translator = open_translator(options)

    def lines(number: int, source: str, translation: "Translation") -> Iterator[str]:
        if form == "json":
            yield json.dumps(translation_record(source, translation), ensure_ascii=False)
            return
        for each in translation.ranked:
            links = f" ||| {pharaoh(each.links())}" if form == "links" else ""
            if options.n_best == 1:
                yield each.text + links
            else:
                yield f"{number} ||| {each.text} ||| {each.score:.6f}{links}"

    def translated(block: Block) -> Translated:
        first, texts = block
        demands = None
        if kind := options.rules.after_tab:
            both = [Demand.parse(text, kind) for text in texts]
            texts, demands = [source for source, _ in both], [demand for _, demand in both]
        found = translator.translations(texts, details=form != "text", demands=demands)
        numbered = list(zip(range(first, first + len(texts)), texts, found, strict=True))
        text = "".join(f"{line}\n" for each in numbered for line in lines(*each))
        return Translated(text, [number for number, _, each in numbered if each.short])

    return translated


def _sampler(options: TranslationOptions, sampling: Sampling) -> Callable[[Block], Translated]:
    """Return a function from a block of lines to sampled translations, with mbr those of least risk."""
    from nmt.builders.engine import open_sampler
    from nmt.evaluation.mbr import least_risk

    translator = open_sampler(options)
    if options.mbr:
        least_risk([])  # says before a line is read what is not installed

    def sampled(block: Block) -> Translated:
        first, texts = block

        def samples(draw: int | None = None) -> list[str]:
            return translator.sample(texts, first=first, draw=draw, **sampling._asdict())

        if options.mbr:
            draws = map(samples, range(options.mbr))
            found = least_risk(list(zip(*draws, strict=True)))
        else:
            found = samples()
        return Translated("".join(f"{each}\n" for each in found), [])

    return sampled
