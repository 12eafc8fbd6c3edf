"""A small model hub on this machine: the part of the hub's interface that fetching and uploading need."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub import constants


@dataclass
class Repository:
    """The commits of a repository in order, each with all its files."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def commit(self, files: Mapping[str, bytes]) -> str:
        """Add a commit with these files; return its hash."""
        parts = [str(len(self.commits)), *(f"{name} {_oid(data)}" for name, data in sorted(files.items()))]
        sha = hashlib.sha1(" ".join(parts).encode()).hexdigest()
        self.commits[sha] = dict(files)
        return sha

    def sha(self, revision: str) -> str | None:
        """Return the commit of a revision: main, or a commit itself."""
        if revision == "main":
            return next(reversed(self.commits), None)
        return revision if revision in self.commits else None


class ModelHub:
    """The repositories by name. asked: the paths of all requests. closed: answers 401 to writing."""

    def __init__(self) -> None:
        self.address = ""
        self.repositories: dict[str, Repository] = {}
        self.asked: list[str] = []
        self.closed = False

    def put(self, repo: str, folder: Path) -> str:
        """Add a commit with the files of a folder; return its hash."""
        files = {
            str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()
        }
        return self.repositories.setdefault(repo, Repository()).commit(files)


def _oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Handler(BaseHTTPRequestHandler):
    hub: ModelHub

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def do_HEAD(self) -> None:
        self._read()

    def do_GET(self) -> None:
        self._read()

    def do_POST(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.hub.closed:
            self._send(401, b"{}")
        elif path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            if name in self.hub.repositories:
                self._json({"error": "You already created this model repo", "url": name}, status=409)
            else:
                self.hub.repositories[name] = Repository()
                self.hub.repositories[name].commit({".gitattributes": b""})
                self._json({"url": f"{self.hub.address}/{name}"})
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif found := re.fullmatch("/api/models/([^/]+/[^/]+)/preupload/main", path):
            files = [each["path"] for each in json.loads(body)["files"]]
            kinds = [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in files]
            self._json({"files": kinds})
        elif found := re.fullmatch("/api/models/([^/]+/[^/]+)/commit/main", path):
            self._commit(found[1], body)
        else:
            self._send(404, b"{}")

    def _commit(self, name: str, body: bytes) -> None:
        repository = self.hub.repositories[name]
        files = dict(repository.commits[str(repository.sha("main"))])
        for line in map(json.loads, body.splitlines()):
            match line["key"]:
                case "file":
                    files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                case "deletedFile":
                    del files[line["value"]["path"]]
        sha = repository.commit(files)
        self._json({"commitUrl": f"{self.hub.address}/{name}/commit/{sha}", "commitOid": sha})

    def _read(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(path)
        if found := re.fullmatch("/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            self._describe(found[1], found[2] or "main")
        elif found := re.fullmatch("/api/models/([^/]+/[^/]+)/tree/(.+)", path):
            self._list(found[1], found[2])
        elif found := re.fullmatch("/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._fetch(found[1], found[2], found[3])
        else:
            self._send(404, b"{}")

    def _files(self, name: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """Return a commit and its files; answers itself where there is none."""
        repository = self.hub.repositories.get(name)
        sha = repository and repository.sha(revision)
        if repository is None or sha is None:
            code = "RepoNotFound" if repository is None else "RevisionNotFound"
            self._send(404, b"{}", {"X-Error-Code": code})
            return None
        return sha, repository.commits[sha]

    def _describe(self, name: str, revision: str) -> None:
        if found := self._files(name, revision):
            sha, files = found
            siblings = [{"rfilename": path, "size": len(data)} for path, data in files.items()]
            self._json({"id": name, "sha": sha, "private": False, "tags": [], "siblings": siblings})

    def _list(self, name: str, revision: str) -> None:
        if found := self._files(name, revision):
            self._json(
                [
                    {"type": "file", "path": path, "size": len(data), "oid": _oid(data)}
                    for path, data in found[1].items()
                ]
            )

    def _fetch(self, name: str, revision: str, path: str) -> None:
        if found := self._files(name, revision):
            sha, files = found
            if path not in files:
                self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            else:
                self._send(200, files[path], {"X-Repo-Commit": sha, "ETag": f'"{_oid(files[path])}"'})

    def _json(self, answer: object, *, status: int = 200) -> None:
        self._send(status, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def model_hub() -> Iterator[ModelHub]:
    """Serve an empty hub at a free port."""
    hub = ModelHub()
    handler = type("HandlerOfHub", (Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        hub.address = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def asked_hub(cache: Path, patch: pytest.MonkeyPatch) -> Iterator[ModelHub]:
    """Serve an empty hub, which the library in this process asks, with an empty cache of its own."""
    with model_hub() as hub:
        patch.setattr(constants, "ENDPOINT", hub.address)
        patch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.address + "/{repo_id}/resolve/{revision}/{filename}"
        )
        patch.setattr(constants, "HF_HUB_CACHE", str(cache))
        patch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield hub
