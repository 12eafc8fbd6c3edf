"""nmt publish: an exported model with its card, in a folder or on the hub."""

import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from nmt.errors import UserError

RunToPublish = Annotated[Path, typer.Argument(metavar="RUN", help="run folder", show_default=False)]
To = Annotated[
    str,
    typer.Option(
        metavar="FOLDER|hf://USER/REPOSITORY",
        help="new folder, or repository of the Hugging Face hub, which is created if it is not there",
        show_default=False,
    ),
]
Licence = Annotated[
    str | None,
    typer.Option(
        metavar="ID", help="licence of the model, such as apache-2.0 or cc-by-4.0; without it: unknown"
    ),
]
WithWeights = Annotated[
    bool,
    typer.Option("--with-weights", help="the run's weights and configuration too, for torch and ensembles"),
]
Precision = Annotated[
    Literal["int8", "float32"], typer.Option(help="number format of the graph's matrix products")
]
Private = Annotated[bool, typer.Option("--private", help="a repository that is created is open to you alone")]


def publish(
    run: RunToPublish,
    to: To,
    licence: Licence = None,
    with_weights: WithWeights = False,
    precision: Precision = "int8",
    private: Private = False,
) -> None:
    """Export a run and write its card: scores with signatures, data, licence, use, limits, how to train it.

    The scores are those that training and `nmt score` left in the run. `--model hf://USER/REPOSITORY` then
    fetches the model, in any command. The configuration goes with it, with the names of your data files.
    """
    from nmt.evaluation.card import UNKNOWN
    from nmt.files import check_new, usable
    from nmt.hub import HubName
    from nmt.workflows.publish import CARD, Publication, publish_folder, publish_to_hub

    named = (licence or UNKNOWN).lower()
    if not re.fullmatch("[a-z0-9][a-z0-9.-]*", named):
        raise UserError(f"--licence {licence}: expected an identifier, such as apache-2.0 or cc-by-4.0")
    publication = Publication(run=run, licence=named, precision=precision, weights=with_weights)
    name = HubName.parse(to)
    if name is None:
        folder = Path(usable(to))
        check_new(folder, "--to")
        if private:
            raise UserError("--private: no effect with a folder; leave it out")
        publish_folder(publication, folder, print)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        print(f"{folder}: {size / 1e6:.1f} MB; read {folder / CARD} before you give it away")
        return
    if name.revision:
        raise UserError(f"--to {to}: a new commit goes to main; leave @{name.revision} out")
    commit = publish_to_hub(publication, name, print, private=private)
    print(f"{name}@{commit}: published; read its card before you tell others")
