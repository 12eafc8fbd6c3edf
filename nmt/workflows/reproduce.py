"""Run the training and the score of a result again, with the source of its commit, and compare."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import nmt
from nmt.config.loading import flat, is_of_one_run, read_tree
from nmt.errors import UserError
from nmt.evaluation.reproduction import Verdict, first_difference, judge
from nmt.files import MB, read_regular, replace_text
from nmt.machine import source_commit
from nmt.results import Result, read_result
from nmt.training.launch import forwarding, start

EXPERIMENTS: Final = Path("experiments")
_PACKAGE: Final = Path(nmt.__file__).parent


class Recorded(NamedTuple):
    """A result, its file, the words of the command that made it, and the configuration of its training."""

    path: Path
    result: Result
    command: tuple[str, ...]
    configuration: Mapping[str, object]

    @property
    def commits(self) -> tuple[str | None, str | None]:
        """The commit of the training, and that of the score."""
        training = self.result.training
        return (training and training.commit) or self.result.commit, self.result.commit


class _Stopped(Exception):
    """A signal asked to stop."""


def read_recorded(given: Path) -> Recorded:
    """Return the result in a file, in a run folder or of an experiment.

    Raises UserError where it does not say enough to be run again.
    """
    places = (given, given / "result.json", EXPERIMENTS / given / "result.json")
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise UserError(
            f"{given}: expected a result.json, a run folder or the name of a folder in {EXPERIMENTS}, "
            "found none with a result"
        )
    result = read_result(path)
    configuration = _configuration(path, result)
    if configuration is None:
        raise UserError(
            f"{path}: says no configuration, as of several models or of a file of translations, and no "
            "config.yaml is beside it; give the result of one run"
        )
    return Recorded(path, result, _command(path, result), configuration)


def reproduce(
    recorded: Recorded,
    overrides: Sequence[str],
    *,
    here: bool,
    run: Path | None,
    log: Callable[[str], None],
) -> tuple[Result | None, Verdict] | None:
    """Train and score again in subprocesses; return the new result, if it came to one, and the verdict.

    here: with the present source. run: where the run is kept; None: it is removed. None if a signal stopped
    it. Raises UserError if the commit cannot be had, or a command fails. Nothing else is left behind.
    """
    started: list[subprocess.Popen[bytes]] = []
    with forwarding(started) as received, TemporaryDirectory(prefix="nmt-") as name, ExitStack() as held:
        place = Path(name)
        sources: dict[str | None, Path] = {}
        for commit in dict.fromkeys(recorded.commits):
            sources[commit] = _PACKAGE.parent if here else held.enter_context(_worktree(commit, place))

        def nmt(commit: str | None, *words: str, quiet: bool = False) -> None:
            if received:
                raise _Stopped
            log(f"nmt {words[0]}, {'the present source' if here else f'commit {commit}'}")
            code = _run(started, sources[commit], words, quiet=quiet)
            if received:
                raise _Stopped
            if code == 2:
                raise UserError  # it has printed its line
            if code:
                raise UserError(
                    f"nmt {words[0]} failed with exit code {code}, see above; the result was made with "
                    f"{_versions(recorded.result)}"
                )

        try:
            return _repeat(recorded, overrides, place, run or place / "run", nmt)
        except _Stopped:
            return None


def _repeat(
    recorded: Recorded, overrides: Sequence[str], place: Path, run: Path, nmt: Callable[..., None]
) -> tuple[Result | None, Verdict]:
    result, config, prepared = recorded.result, place / "config.yaml", place / "prepared"
    of_training, of_score = recorded.commits
    replace_text(config, json.dumps(recorded.configuration))
    sets = [*_settings(recorded), f"data.prepared={json.dumps(str(prepared))}", *overrides]
    options = [word for each in sets for word in ("--set", each)]
    nmt(of_training, "prepare", *options, "--", str(config), quiet=True)
    found = _prepared_hashes(prepared)
    # A score may have been of another text than the run's.
    another = result.split if any(word.startswith("data.") for word in recorded.command) else None
    expected = {key: value for key, value in result.data_hashes.items() if key in found.keys() - {another}}
    if difference := first_difference("data hash", expected, found):
        return None, Verdict(False, f"different: {difference}; nothing was trained")
    count = (result.training and result.training.processes) or 1
    processes = ["--processes", str(count)] if count > 1 else []
    nmt(of_training, "train", *options, *processes, "--run", str(run), "--", str(config))
    again = run / "result.json"
    if recorded.command != ("train",):
        again = place / "result.json"
        threads = result.machine and result.machine.threads
        given = "--threads" in recorded.command or not threads
        words = [*recorded.command, *([] if given else ["--threads", str(threads)])]
        nmt(of_score, *words, "--model", str(run), "--output", str(again))
    made = read_result(again)
    return made, judge(result, made, _other_seeds(recorded))


def _settings(recorded: Recorded) -> Iterator[str]:
    """Yield what must be set so that the training is the recorded one, wherever it runs."""
    result, training = recorded.result, recorded.result.training
    yield "tracking={}"
    if result.seed is not None:
        yield f"seed={result.seed}"
    if training is None:
        return
    if training.precision is not None:
        yield f"training.precision={training.precision}"
    machine = training.machine or (result.machine if recorded.command == ("train",) else None)
    if machine is not None and machine.threads is not None:
        yield f"training.threads={machine.threads // (training.processes or 1)}"
    section = recorded.configuration.get("training")
    if isinstance(section, dict) and section.get("max_minutes") is not None:
        # The clock ended it; this machine has another.
        yield f"training.max_updates={training.updates}"
        yield "training.max_minutes=null"


def _configuration(path: Path, result: Result) -> Mapping[str, object] | None:
    """Return the configuration that a result holds, or that lies beside it; None without one."""
    beside = path.with_name("config.yaml")
    if result.configuration is not None:
        return result.configuration
    return read_tree(beside, within=path.parent) if beside.is_file() else None


def _command(path: Path, result: Result) -> tuple[str, ...]:
    """Return the words of the command that made a result; those of earlier versions are inferred."""
    if result.command:
        name, *options = result.command
        written = [word for word in options if word.partition("=")[0] in ("--model", "--output", "--save")]
        if name not in ("train", "score") or written or (name == "train" and options):
            raise UserError(
                f"{path}: command: expected that of a training or a score, found {result.command}"
            )
        return result.command
    if result.split is None:
        raise UserError(
            f"{path}: scores files, and was written by an nmt that did not keep their names; score the run "
            "again to get a result that does"
        )
    beam = result.decoding and result.decoding.settings.get("beam")
    measured = result.decoding is not None and result.decoding.sentences_per_second is not None
    if result.split == "validation" and not measured:
        return ("train",)
    split = () if result.split == "test" else ("--split", result.split)
    return ("score", *split, *(("--beam", str(beam)) if beam else ()))


def _run(started: list[subprocess.Popen[bytes]], source: Path, words: Sequence[str], *, quiet: bool) -> int:
    """Run nmt from a folder of source; return its exit code. Its paths start where this process is."""
    command = [sys.executable, "-P", "-m", "nmt", *words]
    process = start(command, os.environ | {"PYTHONPATH": str(source)}, quiet=quiet)
    started.append(process)
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.terminate()  # which nmt train passes on to its own processes
            process.wait()


@contextmanager
def _worktree(commit: str | None, place: Path) -> Iterator[Path]:
    """Give a folder with the source of a commit; raises UserError if it cannot be had."""
    if commit is None:
        raise UserError("the result names no commit; --here runs it with the present source")
    if not re.fullmatch("[0-9a-f]{40}(-dirty)?", commit):
        raise UserError(
            f"commit {commit!r}: expected 40 hexadecimal digits; give a result.json written by nmt"
        )
    if commit.endswith("-dirty"):
        raise UserError(
            f"commit {commit}: the source had changes that were not committed; --here runs the result with "
            "the present source"
        )
    if source_commit() is None:
        raise UserError(
            f"commit {commit}: this nmt is not in a git repository, so it has no other source; --here runs "
            "the result with the present one"
        )
    if _git("cat-file", "-e", f"{commit}^{{commit}}").returncode:
        raise UserError(
            f"commit {commit} is not in the repository of {_PACKAGE.parent}; fetch it, or --here runs the "
            "result with the present source"
        )
    folder = place / f"source-{commit}"
    try:
        made = _git("worktree", "add", "--detach", str(folder), commit)
        if made.returncode:
            raise UserError(f"git worktree add: {' '.join(made.stderr.split())}")
        yield folder
    finally:
        _git("worktree", "remove", "--force", str(folder))


def _git(*words: str) -> "subprocess.CompletedProcess[str]":
    # In a session of its own, or Ctrl-C would end it before it has cleaned up.
    command = ["git", "-C", str(_PACKAGE), "-c", f"core.hooksPath={os.devnull}", *words]
    return subprocess.run(command, capture_output=True, text=True, start_new_session=True, check=False)


def _prepared_hashes(folder: Path) -> dict[str, str]:
    """Return the checksum of each split of the corpus prepared in a folder, by whatever version of nmt."""
    for path in folder.glob("*/meta.json"):
        splits = json.loads(read_regular(path, MB))["splits"]
        return {name: split["sha256"] for name, split in splits.items()}
    return {}


def _other_seeds(recorded: Recorded) -> list[Result]:
    """Return the results beside this one that differ from it by their seeds only."""
    own = recorded.result
    kept = _without_seed(recorded.configuration)
    found = []
    for path in sorted(recorded.path.absolute().parent.parent.glob(f"*/{recorded.path.name}")):
        with suppress(UserError):  # what cannot be read tells nothing
            other = read_result(path)
            configuration = _configuration(path, other)
            same = (other.dataset, other.split, other.command) == (own.dataset, own.split, own.command)
            if other.seed != own.seed and same and configuration and _without_seed(configuration) == kept:
                found.append(other)
    return found


def _without_seed(configuration: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in flat(configuration).items() if not is_of_one_run(key)}


def _versions(result: Result) -> str:
    """Return the versions of a result's packages, for a message."""
    known = result.versions.model_dump(exclude={"nmt"}, exclude_none=True)
    return ", ".join(f"{name} {version}" for name, version in known.items())
