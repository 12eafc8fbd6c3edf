"""nmt lab: experiments that show why recurrent networks are built so."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from nmt.cli.arguments import MOST, Model, Overrides, Threads, given, use_threads

lab = typer.Typer(
    help="Experiments that show why recurrent networks are built so: pictures, and the numbers beside them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


# As the functions below take them; their modules load pydantic and torch.
Wandb = Literal["off", "offline", "online"]
Task = Literal["adding", "copying"]

Output = Annotated[Path, typer.Option(metavar="FOLDER", help="where pictures and numbers go")]
Input = Annotated[
    Path | None,
    typer.Option("--input", metavar="FILE", help="lines to read; default: --split of the run's data"),
]
Split = Annotated[str, typer.Option(help="train, validation or test")]
Tracked = Annotated[Wandb, typer.Option("--wandb", help="show pictures and table there too")]
Seed = Annotated[
    int, typer.Option(min=0, max=2**63 - 1, help="the same seed gives the same numbers on the same machine")
]
Cells = Annotated[
    str,
    typer.Option(metavar="NAME,…", help="as in a configuration; options follow: lstm:chrono=T, T the length"),
]
Parameters = Annotated[
    int, typer.Option(min=200, max=MOST, help="of every cell with its output, as near as widths allow")
]
Updates = Annotated[
    int, typer.Option(min=1, max=MOST, help="of training; a cell that has solved it stops before")
]
Batch = Annotated[int, typer.Option(min=1, max=1_000_000, help="sequences an update")]
Rate = Annotated[
    float,
    typer.Option("--lr", min=0, max=1_000, help="where Adam's rate begins; it falls to 0"),
]
Clip = Annotated[
    float,
    typer.Option(min=0, max=1e12, help="norm that a gradient is clipped to; 0: not at all"),
]


@lab.command()
def gradients(
    cells: Cells = "lstm,lstm:chrono=T,gru,rnn,irnn",
    lag: Annotated[int, typer.Option(min=2, max=1_000_000, help="length of the sequences")] = 100,
    parameters: Parameters = 5000,
    updates: Updates = 2000,
    batch: Batch = 32,
    lr: Rate = 0.01,
    clip: Clip = 1.0,
    rows: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="sequences that a norm is the mean of")
    ] = 64,
    exploding: Annotated[
        str, typer.Option(metavar="NAME", help="cell trained with and without clipping")
    ] = "irnn",
    step: Annotated[float, typer.Option(min=0, max=1_000, help="rate of its plain gradient descent")] = 0.01,
    seed: Seed = 1,
    output: Output = Path("runs/lab/gradients"),
    wandb: Tracked = "off",
    threads: Threads = 1,
) -> None:
    """What of a loss reaches the states before it, cell by cell, fresh and trained.

    On the adding problem, every cell with as many parameters. Then one cell is trained with and without
    clipping, to show an explosion.
    """
    use_threads(threads)
    from nmt.lab.cells import split_names
    from nmt.lab.gradients import study
    from nmt.lab.memory import Budget
    from nmt.lab.page import leave, open_folder

    names, (exploding,) = split_names(cells), split_names(exploding)
    folder = open_folder(output, "gradients")
    budget = Budget(parameters, updates, batch, lr, clip or None, seed)
    page = study(names, lag=lag, budget=budget, rows=rows, exploding=exploding, step=step)
    leave(page, folder, wandb=wandb)


@lab.command()
def memory(
    task: Annotated[
        Task, typer.Option(help="adding: a sum of two marked numbers; copying: ten symbols again")
    ],
    lags: Annotated[str, typer.Option(metavar="N,…", help="steps to remember over")] = "10,100",
    cells: Cells = "lstm,lstm:chrono=T,gru,rnn,irnn",
    parameters: Annotated[
        int | None,
        typer.Option(
            min=200,
            max=MOST,
            help="of every cell, as near as widths allow; by itself 5,000 or, copying, 60,000",
        ),
    ] = None,
    updates: Annotated[
        int | None, typer.Option(min=1, max=MOST, help="at most; by itself 2,000 or, copying, 2,400")
    ] = None,
    batch: Batch = 32,
    lr: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1_000,
            help="where Adam's rate begins; by itself 0.01 or, copying, 0.02",
        ),
    ] = None,
    clip: Clip = 1.0,
    seed: Seed = 1,
    output: Output = Path("runs/lab/memory"),
    wandb: Tracked = "off",
    threads: Threads = 1,
) -> None:
    """How far back every cell can learn to look, all with as many parameters and updates."""
    use_threads(threads)
    from nmt.errors import UserError
    from nmt.lab.cells import split_names
    from nmt.lab.memory import BUDGETS, compare
    from nmt.lab.page import leave, open_folder

    try:
        numbers = list(dict.fromkeys(int(lag) for lag in lags.split(",")))
    except ValueError:
        raise UserError(f"--lags {lags}: expected whole numbers such as 10,50,200") from None
    names, folder = split_names(cells), open_folder(output, f"memory-{task}")
    usual = BUDGETS[task]
    budget = usual._replace(
        parameters=parameters or usual.parameters,
        updates=updates or usual.updates,
        batch=batch,
        lr=usual.lr if lr is None else lr,
        clip=clip or None,
        seed=seed,
    )
    page = compare(task, numbers, names, budget, lambda line: print(line, flush=True))
    leave(page, folder, wandb=wandb)


@lab.command()
def gates(
    context: typer.Context,
    model: Model,
    overrides: Overrides = None,
    input_: Input = None,
    split: Split = "validation",
    count: Annotated[
        int, typer.Option(min=1, max=MOST, help="sentences that saturation is counted over")
    ] = 200,
    sentence: Annotated[int, typer.Option(min=1, max=MOST, help="which of them is drawn, from 1")] = 1,
    output: Output = Path("runs/lab/gates"),
    wandb: Tracked = "off",
    threads: Threads = 1,
) -> None:
    """What the gates of a trained model do along a sentence, and how often they are open or shut.

    A translation model reads the sentence and writes its own translation; a language model reads.
    """
    _one_source(context, input_)
    use_threads(threads)
    from nmt.lab.gates import study
    from nmt.lab.page import leave, open_folder
    from nmt.lab.trained import lines_of, load_trained

    trained, folder = load_trained(model, overrides or ()), open_folder(output, "gates")
    leave(study(trained, lines_of(trained, input_, split, count), sentence), folder, wandb=wandb)


@lab.command()
def attention(
    context: typer.Context,
    model: Model,
    overrides: Overrides = None,
    input_: Input = None,
    split: Split = "validation",
    count: Annotated[int, typer.Option(min=1, max=MOST, help="sentences, a picture each")] = 4,
    output: Output = Path("runs/lab/attention"),
    wandb: Tracked = "off",
    threads: Threads = 1,
) -> None:
    """Where a model looked while it wrote: over its pieces, and merged to words."""
    _one_source(context, input_)
    use_threads(threads)
    from nmt.lab.attention_maps import study
    from nmt.lab.page import leave, open_folder
    from nmt.lab.trained import lines_of, load_trained

    trained, folder = load_trained(model, overrides or ()), open_folder(output, "attention")
    leave(study(trained, lines_of(trained, input_, split, count)), folder, wandb=wandb)


@lab.command()
def exposure(
    model: Model,
    overrides: Overrides = None,
    split: Split = "validation",
    count: Annotated[int, typer.Option(min=1, max=MOST, help="sentence pairs")] = 500,
    longest: Annotated[int, typer.Option(min=1, max=10_000, help="positions that are shown")] = 25,
    output: Output = Path("runs/lab/exposure"),
    wandb: Tracked = "off",
    threads: Threads = 1,
) -> None:
    """What the model's own words before a position cost there: teacher forcing against free running."""
    use_threads(threads)
    from nmt.lab.exposure import study
    from nmt.lab.page import leave, open_folder
    from nmt.lab.trained import load_trained, pairs_of

    trained, folder = load_trained(model, overrides or ()), open_folder(output, "exposure")
    leave(study(trained, pairs_of(trained, split, count), longest), folder, wandb=wandb)


def _one_source(context: typer.Context, file: Path | None) -> None:
    """Raise UserError for a choice of the run's data beside a file to read."""
    from nmt.errors import UserError

    if file is not None and (idle := given(context, "split")):
        raise UserError(f"{idle}: without effect with --input {file}; leave out one or the other")
