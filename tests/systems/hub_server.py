"""A hub on this machine: repositories as dictionaries of bytes, served as the Hugging Face hub serves them."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMITS = {"main": "a" * 40, "refs/pr/70": "b" * 40}


@dataclass
class Hub:
    """files: repository → revision → path → bytes. refused: repository → (status, error code) to any question. gated:
    repository → status where a file is asked for; its list may be seen by all. cut: path → bytes after
    which a connection breaks off, as often as `cuts` says. seen: requests for files, with the range they asked for."""

    files: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    refused: dict[str, tuple[int, str]] = field(default_factory=dict)
    gated: dict[str, int] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    cuts: dict[str, int] = field(default_factory=dict)
    seen: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""

    def fetched(self) -> list[str]:
        return [path for path, _ in self.seen]


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(False)

        def do_GET(self) -> None:
            self.answer(True)

        def refuse(self, status: int, code: str) -> None:
            body = json.dumps({"error": f"Access to it is restricted ({code})."}).encode()
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", f"Access to it is restricted ({code}).")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def answer(self, body: bool) -> None:
            path = self.path.partition("?")[0].lstrip("/").replace("%2F", "/")
            if path.startswith("api/models/"):
                return self.listing(path.removeprefix("api/models/"))
            if path.count("/") < 3:
                return self.refuse(404, "")
            owner, name, _, rest = path.split("/", 3)
            repository = f"{owner}/{name}"
            if repository in hub.gated:
                return self.refuse(hub.gated[repository], "GatedRepo")
            revision = next(r for r, c in COMMITS.items() if rest.startswith((f"{r}/", f"{c}/")))
            commit = COMMITS[revision]
            file = rest.removeprefix(f"{revision}/").removeprefix(f"{commit}/")
            content = hub.files.get(repository, {}).get(revision, {}).get(file)
            if content is None:
                return self.refuse(404, "EntryNotFound")
            return self.send(file, commit, content, body)

        def listing(self, rest: str) -> None:
            repository, _, revision = rest.partition("/revision/")
            if repository in hub.refused:
                return self.refuse(*hub.refused[repository])
            if repository not in hub.files:
                return self.refuse(404, "RepoNotFound")
            files = hub.files[repository].get(revision or "main")
            if files is None:
                return self.refuse(404, "RevisionNotFound")
            siblings = [{"rfilename": name, "size": len(content)} for name, content in files.items()]
            answer = {"id": repository, "sha": COMMITS[revision or "main"], "siblings": siblings}
            text = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            return None

        def send(self, file: str, commit: str, content: bytes, body: bool) -> None:
            asked = self.headers.get("Range", "")
            start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked and body else 0
            if body:
                hub.seen.append((file, asked))
            self.send_response(206 if start else 200)
            self.send_header("X-Repo-Commit", commit)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("Accept-Ranges", "bytes")
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            if not body:
                return
            if hub.cuts.get(file, 0) > 0:
                hub.cuts[file] -= 1
                self.wfile.write(content[start : start + hub.cut[file]])
                self.wfile.flush()
                self.connection.close()
                return
            self.wfile.write(content[start:])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
