"""Arguments that several commands share."""

import os
import sys
from collections.abc import Collection
from math import isfinite
from pathlib import Path
from typing import Annotated

import typer

from nmt.decoding.options import LM_WEIGHT, RERANK_WEIGHT, PenaltyKind
from nmt.errors import UserError

# Upper bounds of numbers on the command line.
MOST_BEAM, MOST_THREADS, MOST = 1_000, 1_024, 10**9

Config = Annotated[
    Path, typer.Argument(metavar="CONFIG.yaml", help="the configuration file", show_default=False)
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="override a key, such as training.max_updates=500; repeatable"
    ),
]
Model = Annotated[
    Path,
    typer.Option("--model", metavar="RUN", help="run folder, or hf://USER/REPOSITORY", show_default=False),
]
Models = Annotated[
    list[Path],
    typer.Option(
        "--model",
        metavar="MODEL",
        help="run, exported model, one that ships, such as de-en, or hf://USER/REPOSITORY@REVISION; give "
        "several for an ensemble",
        show_default=False,
    ),
]
LanguageModel = Annotated[
    Path | None,
    typer.Option(
        "--lm", metavar="RUN", help="run folder of a language model with the same target vocabulary"
    ),
]
LanguageModelWeight = Annotated[
    float | None,
    typer.Option("--lm-weight", min=0, max=1_000, help=f"weight of --lm; default: {LM_WEIGHT}"),
]
Rerank = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN",
        help="run or exported model of the same languages that orders all that the beam holds, such as one "
        "with data.reverse_target; SCORE is then the search's plus --rerank-weight times RUN's, which is its "
        "log-probability under the same length penalty",
    ),
]
RerankWeight = Annotated[
    float | None,
    typer.Option(min=0, max=1_000, help=f"weight of --rerank, above 0; default: {RERANK_WEIGHT}"),
]
Beam = Annotated[
    int | None,
    typer.Option(min=1, max=MOST_BEAM, help="beam width; 1: greedy; default: the run's"),
]
To = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="LANGUAGE",
        help="of a model with tags: the language to translate to, such as de for the tag <2de>",
    ),
]
LengthPenalty = Annotated[
    PenaltyKind | None,
    typer.Option(
        help="how hypotheses of unequal length are ranked: by log-probability / ((5 + tokens) / 6)^alpha "
        "(gnmt) or / tokens^alpha (average), or by log-probability alone (none); default: the run's"
    ),
]
Temperature = Annotated[
    float,
    typer.Option(help="sampling temperature; below 1: prefer probable tokens; 0: always the most probable"),
]
TopK = Annotated[int | None, typer.Option(min=1, max=MOST, help="sample from the K most probable tokens")]
TopP = Annotated[
    float, typer.Option(help="sample from the most probable tokens that together reach this probability")
]
Seed = Annotated[
    int, typer.Option(min=0, max=2**63 - 1, help="random seed; the same seed gives the same samples")
]
File = Annotated[Path | None, typer.Argument(metavar="FILE", help="same as --input", show_default=False)]
Metrics = Annotated[
    str, typer.Option(metavar="NAME,…", help="some of bleu, chrf, ter; ter is slow for long lines")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda …; auto: a GPU if there is one")]
Threads = Annotated[int | None, typer.Option(min=1, max=MOST_THREADS, help="CPU threads; default: all cores")]


def metric_names(text: str) -> tuple[str, ...]:
    """Return the names of --metrics; raises UserError for one that is not known."""
    known, found = ("bleu", "chrf", "ter"), tuple(text.lower().split(","))
    if not set(found) <= {*known}:
        raise UserError(f"--metrics {text}: expected some of {','.join(known)}, such as bleu,ter")
    return found


def check_weight(lm: Path | None, weight: float | None) -> None:
    """Raise UserError for a weight without a language model, or one that is not finite."""
    if weight is not None and not isfinite(weight):
        raise UserError(f"--lm-weight {weight}: expected a number ≥ 0, such as 0.2")
    if weight is not None and lm is None:
        raise UserError(f"--lm-weight {weight} needs a language model; add --lm RUN")


def check_sampling(context: typer.Context, temperature: float, top_p: float) -> None:
    """Raise UserError if one of them is not a valid number, or if temperature 0 makes it useless."""
    if not (isfinite(temperature) and temperature >= 0):
        raise UserError(f"--temperature {temperature}: expected a number ≥ 0, such as 0.8")
    if not 0 < top_p <= 1:
        raise UserError(f"--top-p {top_p}: expected a probability above 0 and up to 1")
    if not temperature and (idle := given(context, "top_k", "top_p", "seed")):
        raise UserError(
            f"{idle}: no effect with --temperature 0, which takes the most probable token; leave it out"
        )


def one_input(file: Path | None, source: Path | None) -> Path | None:
    """Return the file to read, given in one of two ways; None, or "-", is standard input."""
    if file is not None and source is not None:
        raise UserError(f"{file} and --input {source}: expected one file; give only one of them")
    found = file or source
    return None if found == Path("-") else found


def say_empty(source: Path | None) -> None:
    """Report on standard error that the input is empty."""
    from nmt.data.lines import STANDARD_INPUT

    print(f"nmt: {source or STANDARD_INPUT} is empty: no line in, no line out", file=sys.stderr)


def given(context: typer.Context, *names: str) -> str:
    """Return which of these options are on the command line, as written there; "" for none."""
    options = {option.name: option.opts[0] for option in context.command.params}
    sources = {name: context.get_parameter_source(name) for name in names}
    return ", ".join(
        options[name] for name, source in sources.items() if source and source.name == "COMMANDLINE"
    )


def words(context: typer.Context, *, without: Collection[str]) -> tuple[str, ...]:
    """Return the command and its options as the command line gives them, without some."""
    found = [str(context.command.name)]
    for option in context.command.params:
        if option.name in without or not option.name or not given(context, option.name):
            continue
        value = context.params[option.name]
        for each in value if isinstance(value, list | tuple) else [value]:
            text = os.fsencode(str(each)).decode("utf-8", "replace")
            found += [option.opts[0]] if each is True else [option.opts[0], text]
    return tuple(found)


def use_threads(threads: int | None) -> None:
    """Set the number of torch's threads, by default one per core that this process may use."""
    import torch

    from nmt import machine

    torch.set_num_threads(threads or machine.threads())
