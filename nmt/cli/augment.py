"""nmt augment: more training pairs, translated by trained models."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmt.cli.arguments import (
    Beam,
    Config,
    Device,
    Overrides,
    Seed,
    Temperature,
    TopK,
    TopP,
    check_sampling,
    given,
)
from nmt.cli.translate_options import PrecisionOf, Resume, Sample, ThreadsOfEach, Workers
from nmt.decoding.options import Sampling, TranslationOptions
from nmt.errors import UserError

if TYPE_CHECKING:
    from nmt.workflows.provenance import WrittenPairs

Models = Annotated[
    list[Path],
    typer.Option(
        "--model",
        metavar="RUN",
        help="model of the corpus's languages, in either direction; of several each translates by itself",
        show_default=False,
    ),
]
Output = Annotated[
    Path,
    typer.Option(metavar="FILE", help="new TSV file of pairs, plain or .gz", show_default=False),
]
Text = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="translate these lines instead of the configuration's training text"),
]
Originals = Annotated[
    bool, typer.Option("--originals", help="write the training pairs of the configuration first")
]
DropTest = Annotated[
    bool, typer.Option("--drop-test", help="leave out lines that are in a test split, instead of refusing")
]


def augment(
    context: typer.Context,
    config: Config,
    model: Models,
    output: Output,
    text: Text = None,
    overrides: Overrides = None,
    originals: Originals = False,
    drop_test: DropTest = False,
    resume: Resume = False,
    beam: Beam = None,
    sample: Sample = False,
    temperature: Temperature = 1.0,
    top_k: TopK = None,
    top_p: TopP = 1.0,
    seed: Seed = 1,
    device: Device = "auto",
    precision: PrecisionOf = "auto",
    workers: Workers = None,
    threads: ThreadsOfEach = 1,
) -> None:
    """Translate the training text of a configuration, into a TSV file of more pairs to train on.

    A model of the corpus's direction translates its source side (forward translation), one of the other
    direction its target side (back-translation); several models together diversify the data. Several models
    are no ensemble: each writes its own translation of every line. Pairs that are already there are left out.
    Text that is in a test split, of the configuration or of a model's run, is refused. FILE.json says what
    the pairs are made of. The same command with --resume continues after a stop.
    """
    if sample and beam is not None:
        raise UserError("--beam: an option of searching, unused with --sample; give only one of them")
    if not sample and (of_sampling := given(context, "temperature", "top_k", "top_p", "seed")):
        raise UserError(f"{of_sampling}: an option of sampling; add --sample")
    check_sampling(context, temperature, top_p)
    from nmt.workflows.augment import Request, augment

    options = TranslationOptions(
        models=tuple(model),
        beam=beam,
        protect=True,
        sampling=Sampling(seed, temperature, top_k, top_p) if sample else None,
        device=device,
        precision=precision,
        threads=threads,
    )
    request = Request(
        config=config,
        overrides=overrides or (),
        text=text,
        output=output,
        originals=originals,
        drop_test=drop_test,
        resume=resume,
        options=options,
        workers=workers,
    )
    found = augment(request, print)
    if found is None:
        print(f"{output} is complete")
        return
    for each in found.models:
        print(f"{each.model}: {each.written:,} of {each.translations:,} translations{_left_out(each)}")
    first = f", {found.originals:,} of them the training text's" if originals else ""
    print(f"{output}: {found.pairs:,} pairs{first}; where they come from is in {output}.json")


def _left_out(found: "WrittenPairs") -> str:
    reasons = {"already there": found.already_there, "empty": found.empty}
    text = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items() if count)
    return text and f" ({text})"
