"""A run → a folder, or a repository of the hub, with the exported model and its card."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nmt.builders.corpus import corpus_of
from nmt.errors import UserError
from nmt.evaluation.card import CONFIGURATION, UNKNOWN, Card
from nmt.evaluation.report import results_of_run
from nmt.files import replace_text
from nmt.hub import FILES, HubName, hub_errors
from nmt.run import Run
from nmt.runtime.bundle import read_model
from nmt.runtime.manifest import GraphPrecision, Manifest
from nmt.server.names import name_of
from nmt.workflows.export import export_run

CARD = "README.md"


@dataclass(frozen=True, kw_only=True)
class Publication:
    """What is published of a run: under which licence, in which precision, with the run's own weights."""

    run: Path
    licence: str = UNKNOWN
    precision: GraphPrecision = "int8"
    weights: bool = False


def publish_folder(publication: Publication, to: Path, log: Callable[[str], None]) -> None:
    """Write a new folder; raises UserError, and leaves none, where the run cannot be exported."""
    Run(publication.run).experiment()
    with tempfile.TemporaryDirectory(prefix=f".{to.name}.", dir=to.parent) as place:
        _write(publication, Path(place) / to.name, to.name, log)
        (Path(place) / to.name).rename(to)


def publish_to_hub(
    publication: Publication, to: HubName, log: Callable[[str], None], *, private: bool = False
) -> str:
    """Make one commit in a repository of the hub, which is created if it is not there; return the commit.

    private: of a new repository. What an earlier commit had of a model and this one has not is deleted.
    Raises UserError where the hub does not let it happen; it is asked before anything is computed.
    """
    Run(publication.run).experiment()
    with hub_errors(to):
        from huggingface_hub import HfApi

        HfApi().create_repo(to.repo, private=private or None, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        _write(publication, Path(place) / "model", str(to), log)
        with hub_errors(to):
            return _upload(Path(place) / "model", to.repo)


def _upload(folder: Path, repo: str) -> str:
    """Replace the files of a model in a repository by those of a folder; return the commit."""
    from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi

    api = HfApi()
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    there = {file.rfilename for file in api.model_info(repo).siblings or []}
    gone = (there & {*FILES, CONFIGURATION}) - files.keys()
    changes: list[CommitOperationAdd | CommitOperationCopy | CommitOperationDelete] = [
        *(CommitOperationAdd(file, str(path)) for file, path in sorted(files.items())),
        *(CommitOperationDelete(file) for file in sorted(gone)),
    ]
    return api.create_commit(repo, changes, commit_message="Publish by nmt").oid


def _write(publication: Publication, folder: Path, address: str, log: Callable[[str], None]) -> None:
    """Write the folder of a model; address: how it will be called."""
    run, checked = Run(publication.run), list[str]()
    experiment, results = run.experiment(), results_of_run(publication.run)

    def both(line: str) -> None:
        checked.append(line)
        log(line)

    try:
        folder.mkdir()
        export_run(publication.run, folder, publication.precision, both)
        if publication.weights:
            for path in (run.config, run.model):
                shutil.copyfile(path, folder / path.name)
        else:
            shutil.copyfile(run.config, folder / CONFIGURATION)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror or error})") from None
    manifest, _ = read_model(folder, "seq2seq", "classifier", "tagger", "language_model")
    card = Card(
        address=address,
        title=_title(manifest),
        manifest=manifest,
        licence=publication.licence,
        corpus=corpus_of(experiment).name,
        results=results,
        checked=checked,
        weights=publication.weights,
    )
    replace_text(folder / CARD, card.text())


def _title(manifest: Manifest) -> str:
    pairs = [each[:2] for each in manifest.directions] or [(manifest.src, manifest.trg)]
    known = [f"{name_of(src)} to {name_of(trg)}" for src, trg in dict.fromkeys(pairs) if src and trg]
    return " and ".join(known) if manifest.kind == "seq2seq" else ""
