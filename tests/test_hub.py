"""nmt.hub: models by hf:// names, fetched from a small hub on this machine."""

import errno
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from huggingface_hub import constants

import nmt
import nmt.runtime
from nmt.errors import UserError
from nmt.hub import HubName, local, name_of_copy
from nmt.results import read_result
from tests.support.model_hub import ModelHub, asked_hub

Command: TypeAlias = Callable[..., tuple[object, str, str]]
LINES = ["der Hund läuft schnell.", "", "über die Straße"]
NAME = Path("hf://some/model")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelHub]:
    with asked_hub(tmp_path / "cache", monkeypatch) as found:
        yield found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf://some/model", ("some/model", None)),
        (Path("hf://some/model@v1.0"), ("some/model", "v1.0")),
        ("hf://a.b/c_d-e@refs/pr/1", ("a.b/c_d-e", "refs/pr/1")),
        ("runs/demo", None),
        ("hf", None),
    ],
)
def test_a_name_is_told_from_a_folder(text: str | Path, expected: tuple[str, str | None] | None) -> None:
    assert HubName.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["hf://", "hf://a", "hf://a/b/c", "hf://a/b@", "hf://../b", "hf://a/b@../c", "hf:///a/b"]
)
def test_what_begins_as_a_name_and_is_none_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="expected hf://USER/REPOSITORY"):
        HubName.parse(text)


def test_a_folder_stays_as_it_is() -> None:
    assert local(Path("runs/demo")) == Path("runs/demo")


def test_a_model_is_fetched_once_and_is_whole_without_links(
    hub: ModelHub, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commit = hub.put("some/model", exported)
    folder = local(NAME)
    assert folder.name == commit
    assert (name_of_copy(folder), name_of_copy(exported)) == (f"hf://some/model@{commit}", None)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(exported) for path in exported.rglob("*") if path.is_file())
    assert not any(path.is_symlink() for path in folder.rglob("*"))
    assert capsys.readouterr() == (
        "",
        f"nmt: hf://some/model is now commit {commit}; hf://some/model@{commit} always means it\n",
    )
    expected = nmt.runtime.load(exported).translate(LINES)
    assert nmt.runtime.load("hf://some/model").translate(LINES) == expected
    del hub.asked[:]
    assert nmt.load(f"hf://some/model@{commit}").translate(LINES) == expected
    assert hub.asked == []
    assert capsys.readouterr() == ("", "")


def test_where_files_cannot_have_two_names_they_are_copied(
    hub: ModelHub, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr("nmt.hub.os.link", refuse)
    hub.put("some/model", exported)
    assert (local(NAME) / "model.onnx").read_bytes() == (exported / "model.onnx").read_bytes()
    assert (local(NAME) / "model.onnx").stat().st_nlink == 1


def test_a_later_commit_is_fetched_and_the_earlier_one_stays(
    hub: ModelHub, exported: Path, tmp_path: Path
) -> None:
    first = hub.put("some/model", exported)
    folder = local(NAME)
    other = Path(shutil.copytree(exported, tmp_path / "other"))
    manifest = json.loads((other / "manifest.json").read_text())
    (other / "manifest.json").write_text(json.dumps(manifest | {"beam": 1}))
    second = hub.put("some/model", other)
    assert local(NAME).name == second
    assert nmt.runtime.load(NAME).engine.beam == 1
    assert local(Path(f"hf://some/model@{first}")) == folder


def test_without_a_network_the_last_copy_is_taken(
    hub: ModelHub, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = hub.put("some/model", exported)
    folder = local(NAME)
    for way in ("HF_HUB_OFFLINE", "ENDPOINT"):
        with monkeypatch.context() as patch:
            patch.setattr(constants, way, True if way == "HF_HUB_OFFLINE" else "http://127.0.0.1:9")
            assert local(NAME) == local(Path(f"hf://some/model@{commit}")) == folder
            with pytest.raises(
                UserError,
                match=r"hf://some/other: http://127.* cannot be reached, and .*cache has no whole copy",
            ):
                local(Path("hf://some/other"))


def test_only_files_of_a_model_are_fetched(hub: ModelHub, exported: Path, tmp_path: Path) -> None:
    more = Path(shutil.copytree(exported, tmp_path / "more"))
    (more / "evil.py").write_text("raise SystemExit")
    (more / "tokenizer/other.json").write_text("{}")
    hub.put("some/model", more)
    names = {path.name for path in local(NAME).rglob("*")}
    assert "manifest.json" in names
    assert not names & {"evil.py", "other.json"}
    assert not any(path.endswith(("evil.py", "other.json")) for path in hub.asked)


def test_what_is_fetched_is_checked_like_a_folder_of_a_stranger(
    hub: ModelHub, exported: Path, tmp_path: Path
) -> None:
    damaged = Path(shutil.copytree(exported, tmp_path / "damaged"))
    (damaged / "model.onnx").write_bytes(b"something else")
    hub.put("some/model", damaged)
    with pytest.raises(UserError, match=r"model\.onnx is damaged"):
        nmt.runtime.load(NAME)


def test_what_cannot_be_fetched_is_one_line(hub: ModelHub, exported: Path, tmp_path: Path) -> None:
    hub.put("some/model", exported)
    (tmp_path / "text").mkdir()
    (tmp_path / "text/README.md").write_text("no model")
    hub.put("some/text", tmp_path / "text")
    for name, message in [
        (
            "hf://some/nothing",
            r"is not on the hub, or not open to you \(HTTP 404\); check the name, or log in",
        ),
        ("hf://some/model@v9", "the repository has no revision v9"),
        ("hf://some/text", "found a repository without manifest.json or config.yaml"),
        ("hf://some/a--b", "the hub cannot do what is asked"),
    ]:
        with pytest.raises(UserError, match=message) as error:
            local(Path(name))
        assert "\n" not in str(error.value)


def test_too_much_is_not_fetched(hub: ModelHub, exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.put("some/model", exported)
    monkeypatch.setattr("nmt.hub._MOST_BYTES", 1000)
    with pytest.raises(UserError, match="more than the 1,000 that nmt fetches"):
        local(NAME)
    assert not any("resolve" in path for path in hub.asked)


def test_without_the_library_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", None)
    with pytest.raises(UserError, match="needs the package huggingface_hub; pip install huggingface_hub"):
        local(NAME)


def test_commands_take_such_a_name(hub: ModelHub, tiny_run: Path, tmp_path: Path, command: Command) -> None:
    hub.put("some/model", tiny_run)
    code, out, err = command("translate", "--model", "hf://some/model", stdin=f"{LINES[0]}\n")
    assert (code, out) == (0, nmt.load(tiny_run).translate(LINES[:1])[0] + "\n")
    assert len(err.splitlines()) == 1
    for name in ("src", "ref"):
        (tmp_path / name).write_text(f"{LINES[0]}\n", encoding="utf-8")
    files = ("--src", tmp_path / "src", "--ref", tmp_path / "ref", "--output", tmp_path / "scores")
    code, out, err = command("score", "--model", "hf://some/model", *files)
    assert (code, "BLEU" in out, err) == (0, True, "")
    several = ("--model", "hf://some/model", "--model", tiny_run)
    again = ("--src", tmp_path / "src", "--ref", tmp_path / "ref", "--output", tmp_path / "together")
    assert command("score", *several, *again)[0] == 0
    made = read_result(tmp_path / "together").decoding
    commit = next(iter(hub.repositories["some/model"].commits))
    assert made
    assert made.settings["models"] == [f"hf://some/model@{commit}", str(tiny_run)]
    code, out, err = command("translate", "--model", "hf://some/nothing", stdin="x\n")
    assert (code, out, len(err.splitlines())) == (2, "", 1)


@pytest.mark.slow
def test_a_name_in_the_environment_of_a_person(hub: ModelHub, exported: Path, tmp_path: Path) -> None:
    hub.put("some/model", exported)
    environment = {
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(tmp_path / "home"),
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(Path(nmt.__file__).parents[1]),
    }
    words = [sys.executable, "-m", "nmt", "translate", "--model", "hf://some/model"]
    done = subprocess.run(words, input="\n".join(LINES), env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines()) == (0, nmt.runtime.load(exported).translate(LINES))
    assert len(done.stderr.splitlines()) == 1
