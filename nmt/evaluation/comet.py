"""COMET (Rei et al. 2020), by its own program, whose requirements exclude those of this package."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from nmt.errors import UserError
from nmt.files import sha256
from nmt.results import Score

PROGRAM = "comet-score"


def check_comet(folder: Path) -> tuple[str, Path]:
    """Return the program and the checkpoint of a COMET model; raises UserError where either is missing."""
    checkpoint = folder / "checkpoints" / "model.ckpt"
    for part in (folder / "hparams.yaml", checkpoint):
        if not part.is_file():
            raise UserError(f"--comet {folder}: expected the folder of a COMET model, found no {part}")
    program = shutil.which(PROGRAM)
    if program is None:
        raise UserError(
            f"--comet: the program {PROGRAM} is not on PATH; install unbabel-comet, see docs/comparing.md"
        )
    return program, checkpoint


def comet_score(
    folder: Path, sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str], *, gpu: bool
) -> Score:
    """Return the mean of a COMET model's scores of some translations, times 100.

    folder: hparams.yaml and checkpoints/model.ckpt, as the hub has them. The program computes in float16.
    Raises UserError if the folder is none, or the program is missing, fails, or scores other lines.
    """
    program, checkpoint = check_comet(folder)
    texts = {"-s": sources, "-t": hypotheses, "-r": references}
    with TemporaryDirectory() as name:
        files = {option: Path(name) / option[1:] for option in texts}
        for option, path in files.items():
            path.write_text("".join(f"{_one_line(line)}\n" for line in texts[option]), encoding="utf-8")
        given = [part for option, path in files.items() for part in (option, str(path))]
        output = Path(name) / "scores.json"
        flags = ["--gpus", "1" if gpu else "0", "--quiet", "--only_system", "--to_json", str(output)]
        try:
            ended = _run([program, *given, "--model", str(checkpoint), *flags])
        except OSError as error:  # an environment that was moved has lost its Python
            raise UserError(
                f"--comet: {program} cannot be started ({error.strerror}); install unbabel-comet again, "
                "see docs/comparing.md"
            ) from None
        if ended.returncode or not output.is_file():
            why = (ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"])[-1]
            raise UserError(f"--comet {folder}: {PROGRAM} failed: {why}")
        found = _scores_in(output, len(hypotheses))
    signature = (
        f"{_version(Path(program))}|model:{folder.resolve().name}|sha256:{sha256(checkpoint)[:12]}|float16"
    )
    return Score(metric="COMET", form="times 100", score=100 * sum(found) / len(found), signature=signature)


def _run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Return how a program ended and what it wrote, in whatever encoding."""
    return subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)


def _one_line(text: str) -> str:
    """Return a line that the program reads as one."""
    return " ".join(text.splitlines())


def _scores_in(path: Path, count: int) -> list[float]:
    """Return the scores of so many lines."""
    try:
        (lines,) = json.loads(path.read_text(encoding="utf-8")).values()
        found = [float(line["COMET"]) for line in lines]
    except (ValueError, AttributeError, TypeError, KeyError):
        found = []
    if len(found) != count:
        raise UserError(f"--comet: expected {count} scores of {PROGRAM}, found {len(found)}")
    return found


def _version(program: Path) -> str:
    """Return the version of the package that a program belongs to, asked of the program's own Python."""
    first = program.read_bytes().partition(b"\n")[0]
    ask = "from importlib.metadata import version; print(version('unbabel-comet'))"
    if not first.startswith(b"#!"):
        return "version:unknown"
    python = first[2:].decode(errors="replace").split()
    ended = _run([*python, "-c", ask])
    return f"version:{ended.stdout.strip() or 'unknown'}"
