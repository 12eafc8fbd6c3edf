"""Blocks of lines → their translations as text, in the best number of processes."""

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

from nmt.decoding.options import Sampling, TranslationOptions
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
        found = translator.translations(texts, details=form != "text")
        numbered = list(zip(range(first, first + len(texts)), texts, found, strict=True))
        text = "".join(f"{line}\n" for each in numbered for line in lines(*each))
        return Translated(text, [number for number, _, each in numbered if each.short])

    return translated


def _sampler(options: TranslationOptions, sampling: Sampling) -> Callable[[Block], Translated]:
    """Return a function from a block of lines to sampled translations."""
    from nmt.builders.translator import load_translator

    translator = load_translator(options)

    def sampled(block: Block) -> Translated:
        first, texts = block
        found = translator.sample(texts, first=first, **sampling._asdict())
        return Translated("".join(f"{each}\n" for each in found), [])

    return sampled
