"""A stand-in of the Hugging Face Hub: its HTTP interface as huggingface_hub uses it, in memory."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest


class Hub:
    """The data sets of the stand-in, and what was asked of it."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.commits: list[str] = []
        self.tokens: dict[str, str | None] = {}
        self.refuses: str | None = None
        self.ranges = True
        self.sent = 0
        self.address = ""

    def handle(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        parts = unquote(path).strip("/").split("/")
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            if self.refuses:
                return 403, {"X-Error-Message": self.refuses}, b"{}"
            if name in self.files:
                return 409, {}, answer({"url": f"{self.address}/datasets/{name}"})
            self.files[name] = {".gitattributes": b"*.parquet filter=lfs\n"}
            self.private[name] = bool(asked.get("private")) or asked.get("visibility") == "private"
            return 200, {}, answer({"url": f"{self.address}/datasets/{name}", "name": name})
        if path == "/api/validate-yaml":
            return 200, {}, answer({"errors": [], "warnings": []})
        if parts[:2] == ["api", "datasets"]:
            name = "/".join(parts[2:4])
            if name not in self.files:
                return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"
            return self.data_set(name, parts[4:], body)
        name = "/".join(parts[1:3])
        content = self.files.get(name, {}).get("/".join(parts[5:]))
        if parts[0] != "datasets" or name not in self.files:
            return 404, {"X-Error-Code": "RepoNotFound"}, b""
        if content is None:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": "c" * 40}, b""
        tag = hashlib.sha256(content).hexdigest()
        return 200, {"ETag": f'"{tag}"', "X-Repo-Commit": "c" * 40}, content

    def data_set(self, name: str, asked: list[str], body: bytes) -> tuple[int, dict, bytes]:
        files = self.files[name]
        if asked[:1] == ["preupload"]:
            known = [
                {"path": x["path"], "uploadMode": "regular", "shouldIgnore": False}
                for x in json.loads(body)["files"]
            ]
            return 200, {}, answer({"files": known})
        if asked[:1] == ["commit"]:
            lines = [json.loads(line) for line in body.splitlines()]
            for line in lines:
                value = line["value"]
                if line["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "deletedFile":
                    del files[value["path"]]
                elif line["key"] == "header":
                    self.commits.append(value["summary"])
            url = f"{self.address}/datasets/{name}/commit/{'c' * 40}"
            return 200, {}, answer({"commitUrl": url, "commitOid": "c" * 40})
        if asked[:1] == ["tree"]:
            tree = [
                {"type": "file", "path": path, "size": len(content), "oid": "0" * 40}
                for path, content in sorted(files.items())
            ]
            return 200, {}, answer(tree)
        siblings = [{"rfilename": path} for path in sorted(files)]
        facts = {"id": name, "sha": "c" * 40, "private": self.private[name], "siblings": siblings}
        return 200, {}, answer(facts)


def answer(value: object) -> bytes:
    return json.dumps(value).encode()


@contextmanager
def served(hub: Hub) -> Iterator[str]:
    """Serve it on this machine; the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            url = urlsplit(self.path)
            hub.tokens[url.path] = self.headers.get("Authorization")
            assert not parse_qs(url.query).get("create_pr")
            code, headers, body = hub.handle(self.command, url.path, self.rfile.read(length))
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
            if asked and hub.ranges and code == 200:
                code, body = 206, body[int(asked[1]) : int(asked[2]) + 1]
            hub.sent += len(body)
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_POST = do_HEAD = _answer

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub.address
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """The Hub that huggingface_hub talks to in this test, with a token and an empty cache."""
    constants = pytest.importorskip("huggingface_hub.constants")
    download = pytest.importorskip("huggingface_hub.file_download")
    own = Hub()
    with served(own) as address:
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", address)
        for module in (constants, download):  # which has a copy in older versions
            monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
        cache: Path = tmp_path_factory.mktemp("hub")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        yield own
