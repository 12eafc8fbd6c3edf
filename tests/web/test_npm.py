"""onnxruntime-web is fetched once, checked, and refused where it is another file."""

import hashlib
import io
import os
import tarfile
from base64 import b64encode
from pathlib import Path

import pytest

from hosting import hosting
from nmt.errors import UserError
from nmt.web import npm

CONTENT = {name: f"the content of {name}".encode() for name in npm.FILES}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small package in the place of the real one, in a folder as a registry has it. The cache is empty."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, path in npm.FILES.items():
            member = tarfile.TarInfo(path)
            member.size = len(CONTENT[name])
            archive.addfile(member, io.BytesIO(CONTENT[name]))
    path = tmp_path / "registry" / npm.NAME / "-" / npm.FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(packed.getvalue())
    digest = b64encode(hashlib.sha512(packed.getvalue()).digest()).decode()
    monkeypatch.setattr(npm, "INTEGRITY", f"sha512-{digest}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    for name in [name for name in os.environ if name.lower() == "npm_config_registry"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")  # where nothing answers
    return path


@pytest.mark.parametrize("variable", ["npm_config_registry", "NPM_CONFIG_REGISTRY"])
def test_it_is_fetched_once(package: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    with hosting(package.parents[2]) as address, monkeypatch.context() as context:
        context.delenv("npm_config_registry")
        context.setenv(variable, address)
        assert npm.read_runtime() == CONTENT
    assert npm.read_runtime() == CONTENT  # nobody answers any more
    (kept,) = (package.parents[3] / "cache" / "nmt").iterdir()
    kept.write_bytes(b"damaged")
    with pytest.raises(UserError, match="cannot be fetched from http://127"):
        npm.read_runtime()


def test_npm_says_which_registry_is_meant(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("npm_config_registry")
    program = package.parents[3] / "npm"
    with hosting(package.parents[2]) as address:
        program.write_text(
            f'#!/bin/sh\n[ "$*" = "config get registry" ] && echo {address}/\n', encoding="utf-8"
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent))
        assert npm.read_runtime() == CONTENT


@pytest.mark.parametrize("npm_fails", [True, False])
def test_without_npm_and_its_variable_it_says_so(
    package: Path, monkeypatch: pytest.MonkeyPatch, npm_fails: bool
) -> None:
    monkeypatch.delenv("npm_config_registry")
    monkeypatch.setenv("PATH", str(package.parent))
    if npm_fails:
        (package.parent / "npm").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        (package.parent / "npm").chmod(0o755)
    with pytest.raises(
        UserError,
        match=r"is not installed or does not answer; name it in npm_config_registry, or give the file",
    ):
        npm.read_runtime()


def test_a_cache_that_cannot_be_written_is_done_without(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (package.parents[3] / "cache").write_text("a file", encoding="utf-8")
    with hosting(package.parents[2]) as address:
        monkeypatch.setenv("npm_config_registry", f"{address}/")
        assert npm.read_runtime() == CONTENT


def test_another_file_is_refused(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package.write_bytes(b"another")
    with pytest.raises(
        UserError, match=r"^--runtime .*: expected onnxruntime-web 1\.30\.0, found another file"
    ):
        npm.read_runtime(package)
    with hosting(package.parents[2]) as address:
        monkeypatch.setenv("npm_config_registry", address)
        with pytest.raises(UserError, match="its checksum is another; give the file that `npm pack"):
            npm.read_runtime()
    with pytest.raises(UserError, match=r"gone\.tgz: cannot be read \(No such file"):
        npm.read_runtime(package.with_name("gone.tgz"))


def test_without_network_a_file_will_do(package: Path) -> None:
    assert npm.read_runtime(package) == CONTENT
    with pytest.raises(UserError, match=r"cannot be fetched .* give the file .* with --runtime$"):
        npm.read_runtime()


@pytest.mark.parametrize("registry", ["nowhere", "http://", "gopher://a"])
def test_an_address_that_is_none_is_one_line(
    package: Path, monkeypatch: pytest.MonkeyPatch, registry: str
) -> None:
    monkeypatch.setenv("npm_config_registry", registry)
    with pytest.raises(UserError, match="cannot be fetched from"):
        npm.read_runtime()
