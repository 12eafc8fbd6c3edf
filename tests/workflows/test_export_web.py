"""nmt export --format web, as a person types it."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from nmt.runtime import load
from nmt.web import npm

Command = Callable[..., tuple[object, str, str]]


@pytest.fixture
def _no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of the package two short files."""
    monkeypatch.setattr("nmt.workflows.export_web.read_runtime", lambda _: dict.fromkeys(npm.FILES, b"short"))


@pytest.fixture
def run(gru_run: Path, tmp_path: Path) -> Path:
    """A run that knows its languages, and has not been exported."""
    folder = Path(shutil.copytree(gru_run, tmp_path / "run"))
    config = folder / "config.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("  src: null\n  trg: null\n", "  src: sv\n  trg: fi\n"), encoding="utf-8")
    return folder


@pytest.mark.usefixtures("_no_download")
def test_a_run_and_a_shipped_model_become_a_page(command: Command, run: Path, tmp_path: Path) -> None:
    code, out, err = command("export", run, "de-en", "--format", "web", "--to", tmp_path / "site")
    assert (code, err) == (0, "")
    assert "float32 unlike torch 0" in out
    assert out.splitlines()[-1].startswith(f"{tmp_path / 'site'}: 4.9 MB; to look at it: ")
    assert load(run).engine.precision == "int8"  # it was exported into its own folder
    listed = json.loads((tmp_path / "site" / "models.json").read_text(encoding="utf-8"))
    assert [(each["source"], each["target"]) for each in listed["models"]] == [("sv", "fi"), ("de", "en")]
    assert [each["name"] for each in listed["languages"]] == ["German", "English", "Finnish", "Swedish"]
    files = [
        *listed["runtime"].values(),
        *(each[key] for each in listed["models"] for key in ("graph", "settings")),
    ]
    for file in files:
        assert (tmp_path / "site" / file["path"]).stat().st_size == file["bytes"]
    page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert page.index("script-src 'self' 'wasm-unsafe-eval'") < page.index("<script")
    code, _, err = command("export", run, "--format", "web", "--to", tmp_path / "site")
    assert (code, err.count("\n")) == (2, 1)
    assert "exists" in err


@pytest.mark.usefixtures("_no_download")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("de-en", "--format", "web"),
            "--format web: expected --to FOLDER, a new folder for the page, found none",
        ),
        (("de-en", "en-de"), "expected one RUN, found 2; several are for --format web"),
        (("de-en", "--runtime", "x.tgz"), "--runtime x.tgz: no effect without --format web; leave it out"),
        (("de-en", "de-en", "--format", "web", "--to", "site"), "de-en: translates de to en, as "),
        (("de-en", "--format", "web", "--precision", "float32", "--to", "site"), "--precision float32: "),
        (("gone", "--format", "web", "--to", "site"), "gone"),
    ],
)
def test_what_cannot_be_exported_is_one_line(
    command: Command, arguments: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = command("export", *arguments)
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith(f"nmt: {said}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("_no_download")
def test_a_run_that_knows_no_languages_is_refused(command: Command, gru_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(gru_run, tmp_path / "run"))
    code, _, err = command("export", run, "--format", "web", "--to", tmp_path / "site")
    assert code == 2
    assert "expected a model that knows its languages" in err


@pytest.mark.usefixtures("_no_download")
def test_a_model_of_several_languages_is_refused(command: Command, tagged_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(tagged_run, tmp_path / "run"))
    code, _, err = command("export", run, "--format", "web", "--to", tmp_path / "site")
    assert (code, err.count("\n")) == (2, 1)
    assert "translates to several languages, chosen by tags" in err
    assert not (tmp_path / "site").exists()


def test_a_package_that_cannot_be_fetched_is_one_line(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment: Mapping[str, str] = {
        "npm_config_registry": "http://127.0.0.1:9",
        "no_proxy": "*",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    code, _, err = command("export", "de-en", "--format", "web", "--to", tmp_path / "site")
    assert (code, err.count("\n")) == (2, 1)
    assert "onnxruntime-web 1.30.0 cannot be fetched" in err
    assert not (tmp_path / "site").exists()
