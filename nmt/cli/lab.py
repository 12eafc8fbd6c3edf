"""nmt lab: experiments that show why recurrent networks are built as they are."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from nmt.cli.arguments import MOST, Model, Overrides, Threads, given, use_threads
from nmt.cli.commands import add, group

lab = group("Experiments on recurrent networks: each writes pictures and their numbers, and prints a table.")


# As the functions below take them; their modules load pydantic and torch.
Wandb = Literal["off", "offline", "online"]
Task = Literal["adding", "copying"]

Output = Annotated[Path, typer.Option(metavar="FOLDER", help="folder for pictures and numbers")]
Input = Annotated[
    Path | None,
    typer.Option("--input", metavar="FILE", help="text file to read; default: --split of the run's data"),
]
Split = Annotated[str, typer.Option(help="split of the run's data: train, validation or test")]
Tracked = Annotated[Wandb, typer.Option("--wandb", help="also log pictures and table to Weights & Biases")]
Seed = Annotated[
    int, typer.Option(min=0, max=2**63 - 1, help="random seed; it repeats a result on the same machine")
]
Cells = Annotated[
    str,
    typer.Option(
        metavar="NAME,…", help="cells to compare, with keys of their section; T is the sequence length"
    ),
]
Parameters = Annotated[
    int | None,
    typer.Option(
        min=200,
        max=MOST,
        help="parameters of each cell and its output layer, about; default: 5,000, for copying 60,000",
    ),
]
Updates = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST,
        help="largest number of updates; a solved problem ends training; default: 2,000, for copying 2,400",
    ),
]
Batch = Annotated[int, typer.Option(min=1, max=1_000_000, help="sequences per update")]
Rate = Annotated[
    float | None,
    typer.Option(
        "--lr",
        min=0,
        max=1_000,
        help="initial learning rate of Adam; it falls to 0; default: 0.01, for copying 0.02",
    ),
]
Clip = Annotated[
    float,
    typer.Option(min=0, max=1e12, help="largest gradient norm; 0: no clipping"),
]


def gradients(
    cells: Cells = "lstm,lstm:chrono=T,gru,rnn,irnn",
    lag: Annotated[int, typer.Option(min=2, max=1_000_000, help="sequence length, in steps")] = 100,
    parameters: Parameters = None,
    updates: Updates = None,
    batch: Batch = 32,
    lr: Rate = None,
    clip: Clip = 1.0,
    rows: Annotated[int, typer.Option(min=1, max=1_000_000, help="sequences to average a norm over")] = 64,
    exploding: Annotated[
        str, typer.Option(metavar="NAME", help="cell trained with and without clipping")
    ] = "irnn",
    step: Annotated[
        float, typer.Option(min=0, max=1_000, help="its learning rate, of plain gradient descent")
    ] = 0.01,
    seed: Seed = 1,
    output: Output = Path("runs/lab/gradients"),
    wandb: Tracked = "off",
    threads: Threads = 1,
) -> None:
    """Show how much of a gradient reaches earlier states, for each cell, before and after training.

    All cells solve the adding problem with equally many parameters. Then one cell is trained with and without
    clipping, to show an explosion.
    """
    use_threads(threads)
    from nmt.errors import UserError
    from nmt.lab.cells import split_names
    from nmt.lab.gradients import study
    from nmt.lab.memory import budget_of
    from nmt.lab.page import open_folder, write

    names, (exploding, *more) = split_names(cells), split_names(exploding)
    if more:
        raise UserError(f"--exploding: expected one cell, found {len(more) + 1}; leave out {', '.join(more)}")
    folder = open_folder(output, "gradients")
    budget = budget_of("adding", parameters, updates, batch, lr, clip, seed)
    page = study(names, lag=lag, budget=budget, rows=rows, exploding=exploding, step=step)
    write(page, folder, wandb=wandb)


def memory(
    task: Annotated[Task, typer.Option(help="adding: sum two marked numbers; copying: repeat ten symbols")],
    lags: Annotated[str, typer.Option(metavar="N,…", help="lags to compare, in steps")] = "10,100",
    cells: Cells = "lstm,lstm:chrono=T,gru,rnn,irnn",
    parameters: Parameters = None,
    updates: Updates = None,
    batch: Batch = 32,
    lr: Rate = None,
    clip: Clip = 1.0,
    seed: Seed = 1,
    output: Output = Path("runs/lab/memory"),
    wandb: Tracked = "off",
    threads: Threads = 1,
) -> None:
    """Show how far back each cell can learn to look, with equal parameters and updates for all."""
    use_threads(threads)
    from nmt.errors import UserError
    from nmt.lab.cells import split_names
    from nmt.lab.memory import budget_of, compare
    from nmt.lab.page import open_folder, write

    try:
        numbers = list(dict.fromkeys(int(lag) for lag in lags.split(",")))
    except ValueError:
        raise UserError(f"--lags {lags}: expected whole numbers such as 10,50,200") from None
    names, folder = split_names(cells), open_folder(output, f"memory-{task}")
    budget = budget_of(task, parameters, updates, batch, lr, clip, seed)
    page = compare(task, numbers, names, budget, lambda line: print(line, flush=True))
    write(page, folder, wandb=wandb)


def gates(
    context: typer.Context,
    model: Model,
    overrides: Overrides = None,
    input_: Input = None,
    split: Split = "validation",
    count: Annotated[int, typer.Option(min=1, max=MOST, help="sentences to count saturation over")] = 200,
    sentence: Annotated[
        int, typer.Option(min=1, max=MOST, help="number of the sentence in the picture, from 1")
    ] = 1,
    output: Output = Path("runs/lab/gates"),
    wandb: Tracked = "off",
    threads: Threads = 1,
) -> None:
    """Show the gates of a trained model along a sentence, and how often they are open or shut.

    A translation model reads the sentence and writes its own translation; a language model only reads.
    """
    _one_source(context, input_)
    use_threads(threads)
    from nmt.lab.gates import study
    from nmt.lab.page import open_folder, write
    from nmt.lab.trained import lines_of, load_trained

    trained, folder = load_trained(model, overrides or (), read=input_), open_folder(output, "gates")
    write(study(trained, lines_of(trained, input_, split, count), sentence), folder, wandb=wandb)


def attention(
    context: typer.Context,
    model: Model,
    overrides: Overrides = None,
    input_: Input = None,
    split: Split = "validation",
    count: Annotated[int, typer.Option(min=1, max=MOST, help="sentences, one picture each")] = 4,
    output: Output = Path("runs/lab/attention"),
    wandb: Tracked = "off",
    threads: Threads = 1,
) -> None:
    """Show where a model looked while it translated: over tokens, and merged to words."""
    _one_source(context, input_)
    use_threads(threads)
    from nmt.lab.attention_maps import study
    from nmt.lab.page import open_folder, write
    from nmt.lab.trained import lines_of, load_trained

    trained, folder = load_trained(model, overrides or (), read=input_), open_folder(output, "attention")
    write(study(trained, lines_of(trained, input_, split, count)), folder, wandb=wandb)


def exposure(
    model: Model,
    overrides: Overrides = None,
    split: Split = "validation",
    count: Annotated[int, typer.Option(min=1, max=MOST, help="number of sentence pairs")] = 500,
    longest: Annotated[int, typer.Option(min=1, max=10_000, help="number of target positions to show")] = 25,
    output: Output = Path("runs/lab/exposure"),
    wandb: Tracked = "off",
    threads: Threads = 1,
) -> None:
    """Compare the loss by position of teacher forcing and of free running."""
    use_threads(threads)
    from nmt.lab.exposure import study
    from nmt.lab.page import open_folder, write
    from nmt.lab.trained import load_trained, pairs_of

    trained, folder = load_trained(model, overrides or ()), open_folder(output, "exposure")
    write(study(trained, pairs_of(trained, split, count), longest), folder, wandb=wandb)


def _one_source(context: typer.Context, file: Path | None) -> None:
    """Raise UserError if both a split and a file are given."""
    from nmt.errors import UserError

    if file is not None and (idle := given(context, "split")):
        raise UserError(f"{idle}: has no effect with --input {file}; give only one of them")


for command in (gradients, memory, gates, attention, exposure):
    add(lab, command)
