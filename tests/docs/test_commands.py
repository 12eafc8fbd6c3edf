"""README and docs/: every command that a page tells a person to type is run, page by page, top to bottom.

A fenced block of kind `bash` is run, one of kind `python` too; a block with a file's name, such as
```yaml mine.yaml, is that file. A comment <!-- not run: reason --> before a block leaves it out; then only
its options are looked up. Trainings are cut to a few updates.
"""

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from typing import NamedTuple

import pytest
import typer

from nmt.cli import make_app
from nmt.data import builtin

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^>]+) -->\n)?^```(?P<kind>\w+)(?: (?P<file>\S+))?\n(?P<text>.*?)^```$",
    re.M | re.S,
)
SHORT = """
run() { "$PYTHON" -S "$SERVER" "$SOCKET" "$@"; }
nmt() {
  case "$1 ${2-}" in
    train*) set -- "$@" --set training.max_updates=6 --set training.validate_every=3
      run "$@" --set training.save_every=6;;
    "lab gradients"|"lab memory") run "$@" --updates 5;;
    *) run "$@";;
  esac
}
"""


class Block(NamedTuple):
    kind: str
    file: str | None
    text: str
    reason: str | None


def blocks(page: Path) -> Iterator[Block]:
    for found in BLOCK.finditer(page.read_text(encoding="utf-8")):
        yield Block(found["kind"], found["file"], found["text"], found["reason"])


@pytest.fixture
def place(tmp_path: Path, tiny_run: Path) -> Path:
    """A folder as a person has it who has cloned the repository, made the demo, and has some text."""
    for name in ("examples", "scripts", "experiments"):
        copytree(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    demo = copytree(tiny_run, tmp_path / "runs/demo")
    (demo / "metrics.jsonl").write_text('{"step": 1, "train/loss": 3.0}\n', encoding="utf-8")
    texts = list(builtin.pairs("train", 900, seed=1))
    for name, part in (
        ("train", texts[:800]),
        ("dev", texts[800:820]),
        ("test", texts[820:850]),
        ("letter", texts[850:856]),
        ("big", texts[:12] * 50),
    ):
        for side, language in enumerate(("de", "en") if name in ("train", "dev", "test") else ("de",)):
            (tmp_path / f"{name}.{language}").write_text(
                "".join(f"{pair[side]}\n" for pair in part), encoding="utf-8"
            )
    for name, copied in (("output.en", "test.en"), ("other.en", "test.en"), ("mono.en", "dev.en")):
        (tmp_path / name).write_text((tmp_path / copied).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "table.md").write_text("<!-- results:begin -->\n<!-- results:end -->\n", encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What the environment of a shell must hold for its `nmt` to be quick."""
    address = tmp_path_factory.mktemp("server") / "socket"
    program = str(Path(__file__).with_name("command_server.py"))
    environment = {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen([sys.executable, program, address], env=os.environ | environment)
    while not address.exists():
        assert process.poll() is None
        time.sleep(0.1)
    yield environment | {"PYTHON": sys.executable, "SERVER": program, "SOCKET": str(address)}
    process.kill()
    process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_the_page_does_what_it_should(
    page: Path, place: Path, server: dict[str, str]
) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | server | {"PATH": path}
    for block in blocks(page):
        if block.reason:
            continue
        if block.file:
            (place / block.file).write_text(block.text, encoding="utf-8")
        elif block.kind in ("bash", "python"):
            command = ["bash", "-euo", "pipefail", "-c", SHORT + block.text]
            if block.kind == "python":
                command = [sys.executable, "-c", block.text]
            done = subprocess.run(
                command, cwd=place, env=environment, capture_output=True, text=True, timeout=600
            )
            assert done.returncode == 0, f"{block.text}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def commands(text: str) -> Iterator[list[str]]:
    """The nmt commands of a block, each as its words."""
    for line in text.splitlines():
        for part in re.split(r"[|;]|&&| do ", line):
            if part.split()[:1] == ["nmt"]:
                yield [word for word in shlex.split(part, comments=True) if word not in ("<", ">")][1:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_not_run_has_options_that_exist(page: Path) -> None:
    group = typer.main.get_command(make_app())
    for block in blocks(page):
        for name, *words in commands(block.text) if block.kind == "bash" else ():
            command = group.commands[name]  # type: ignore[attr-defined]
            command = command.commands[words[0]] if name == "lab" else command
            known = {option for parameter in command.params for option in parameter.opts}
            assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known, block.text


def test_every_link_between_pages_leads_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
