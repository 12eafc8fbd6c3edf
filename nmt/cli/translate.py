"""nmt translate: lines in, lines out; from standard input or a file, to standard output or a file."""

import os
import stat
import sys
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import typer

from nmt.cli.arguments import check_sampling, check_weight, given, one_input, say_empty
from nmt.cli.translate_options import Arguments, Errors
from nmt.decoding.options import TranslationOptions
from nmt.errors import UserError
from nmt.jobs.blocks import Blocks, Shard, blocks, ready_blocks

OF_JOBS = (
    "file",
    "source",
    "output",
    "resume",
    "shard",
    "alignments",
    "json",
    "sample",
    "mbr",
    "errors",
    "workers",
)
OF_SEARCH = (
    "rerank",
    "rerank_weight",
    "beam",
    "n_best",
    "alignments",
    "json",
    "length_penalty",
    "alpha",
    "no_protect",
    "replace_unk",
    "coverage",
    "diverse",
    "glossary",
    "forbid",
    "after_tab",
)
OF_LINES = (
    "after_tab",
    "resume",
    "shard",
    "n_best",
    "alignments",
    "json",
    "interactive",
    "no_protect",
    "sample",
    "mbr",
    "workers",
)


def translate(context: typer.Context, asked: Arguments) -> None:
    """Translate standard input or a file, line by line.

    Writes one line for each line read, in order, as soon as it is ready. Several models form an ensemble (the
    mean of their probabilities); a language model adds its weighted log-probability (shallow fusion). A line
    with more sentences, or more tokens, than most of those in training is split at sentence ends and joined
    again. A sample depends only on the seed and the line's number in the whole input. At the end of a file,
    lines a second are shown if standard error is a terminal.
    """
    check_weight(asked.lm, asked.lm_weight)
    _refuse_idle(context, asked)
    check_sampling(context, asked.temperature, asked.top_p)
    source = one_input(asked.file, asked.source)
    output = None if asked.output == Path("-") else asked.output
    _refuse(source, output, resume=asked.resume, shard=asked.shard)
    options = asked.options()
    if asked.interactive:
        from nmt.cli.prompt import USUAL, converse

        converse(options if given(context, "n_best") else replace(options, n_best=USUAL))
        return
    _check_together(options)
    if asked.format_ == "html":
        from nmt.cli.translate_document import translate_document
        from nmt.data.lines import STANDARD_INPUT, read_lines, read_standard_input

        lines = read_lines(source, asked.errors) if source else read_standard_input(asked.errors)
        translate_document(options, lines, str(source or STANDARD_INPUT), output)
    else:
        _translate_lines(asked, options, source, output)


def _translate_lines(
    asked: Arguments, options: TranslationOptions, source: Path | None, output: Path | None
) -> None:
    from nmt.workflows.translate import translate_blocks

    begin, end = _extent(source, Shard.parse(asked.shard or "1/1"))
    workers = 1 if asked.workers is None and not _is_file(source) else asked.workers
    found = _blocks(source, asked.errors, begin, end, ready=workers == 1)
    began = time.monotonic()
    read, done, short = translate_blocks(
        options, found, output, begin=begin, workers=workers, resume=asked.resume, form=asked.form
    )
    _say_short(short)
    if not read and end is None:
        say_empty(source)
    elif read > done and _is_file(source) and sys.stderr.isatty():  # a script sees nothing on success
        _say_speed(read - done, time.monotonic() - began)


def _check_together(options: TranslationOptions) -> None:
    """Raise UserError, before a line is read, if the models or the rules do not go together."""
    if options.lm or len(options.models) > 1 or options.rules:
        from nmt.builders.members import check_models

        check_models(options)
    if options.rerank:
        from nmt.builders.reranking import check_reranker

        check_reranker(options)


def _say_short(short: list[int]) -> None:
    """Warn of the lines, by their numbers, whose translations are much shorter than they."""
    if not short:
        return
    which = (
        "are much shorter than their sources, the first" if short[1:] else "is much shorter than its source,"
    )
    print(
        f"nmt: {len(short)} of the translations {which} that of line {short[0] + 1}; "
        "check whether text is missing there",
        file=sys.stderr,
    )


def _say_speed(lines: int, seconds: float) -> None:
    """Report how fast so many lines were translated, the loading of the models included."""
    print(
        f"nmt: {lines:,} lines in {seconds:.1f} s, {lines / seconds:,.1f} lines a second with loading",
        file=sys.stderr,
    )


def _refuse_idle(context: typer.Context, asked: Arguments) -> None:
    """Raise UserError for options that have no effect beside the others."""
    sampled = asked.sampled
    if asked.interactive and (of_jobs := given(context, *OF_JOBS)):
        raise UserError(f"{of_jobs}: no effect with --interactive; leave it out")
    if sampled and (of_search := given(context, *OF_SEARCH)):
        raise UserError(f"{of_search}: an option of searching, unused with {sampled}; give only one of them")
    if sampled == "--sample" and (of_mbr := given(context, "mbr", "samples")):
        raise UserError(f"{of_mbr}: --mbr samples by itself; leave --sample out")
    if not given(context, "diverse") and given(context, "diversity"):
        raise UserError("--diversity: an option of --diverse; add --diverse GROUPS")
    if not sampled and given(context, "samples"):
        raise UserError("--samples: an option of --mbr; add --mbr chrf")
    if not sampled and (of_sampling := given(context, "temperature", "top_k", "top_p", "seed")):
        raise UserError(f"{of_sampling}: an option of sampling; add --sample")
    if asked.json and asked.alignments:
        raise UserError("--alignments: --json already writes the word links; leave it out")
    if asked.format_ == "html" and (of_lines := given(context, *OF_LINES)):
        raise UserError(f"{of_lines}: no effect with --format html; leave it out")


def _refuse(source: Path | None, output: Path | None, *, resume: bool, shard: str | None) -> None:
    """Raise UserError for what cannot go well, before anything is loaded or written."""
    from nmt.jobs.output import already_there

    if source is None and (resume or shard):
        raise UserError(f"{'--resume' if resume else '--shard'} needs the lines as --input FILE")
    if source is not None and (source.is_dir() or not os.access(source, os.R_OK)):
        raise UserError(f"--input {source}: expected a file of text, found {_found(source)}")
    if shard and not _is_file(source):
        raise UserError(f"--shard reads the input twice; expected a regular file as --input, found {source}")
    if resume and output is None:
        raise UserError("--resume needs the file to continue, as --output FILE")
    if source is not None and output is not None and output.exists() and output.samefile(source):
        raise UserError(f"--input and --output are one file, {output}; give another --output")
    if output is not None and os.path.lexists(output) and not resume:
        raise already_there(output)


def _found(path: Path) -> str:
    if path.is_dir():
        return "a folder"
    return "one that may not be read" if path.exists() else "no such file"


def _extent(source: Path | None, shard: Shard) -> tuple[int, int | None]:
    """Return the first line to translate, from 0, and the one behind the last; None is the end."""
    from nmt.data.lines import read_lines

    if source is None or shard.parts == 1:
        return 0, None
    lines = shard.lines(sum(1 for _ in read_lines(source, "replace")))
    return lines.start, lines.stop


def _is_file(source: Path | None) -> bool:
    """Return whether the input is a regular file, not a terminal or pipe."""
    from nmt.data.lines import standard_input

    try:
        found = os.fstat(standard_input()) if source is None else os.stat(source)
    except OSError:  # standard input may be an object without a file descriptor
        return False
    return stat.S_ISREG(found.st_mode)


def _blocks(source: Path | None, errors: Errors, begin: int, end: int | None, *, ready: bool) -> Blocks:
    """Yield the lines from begin to end in blocks; ready: from a terminal or pipe as soon as they arrive."""
    from nmt.data.lines import read_lines, read_standard_input

    lines = read_lines(source, errors) if source else read_standard_input(errors)
    cut = ready_blocks if source is None and ready and not _is_file(None) else blocks
    yield from cut(islice(lines, begin, end))
