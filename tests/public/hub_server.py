"""A local server that answers as the hub does: listing, files with ranges, refusals, and connections that break."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Repository:
    """refuse: (status, X-Error-Code) for everything. cut: how many downloads break off in the middle."""

    files: dict[str, bytes] = field(default_factory=dict)
    refuse: tuple[int, str] | None = None
    cut: int = 0


def of_folder(folder: Path) -> Repository:
    """A repository with the files of a folder."""
    return Repository({p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()})


@contextmanager
def served(repositories: dict[str, Repository]) -> Iterator[str]:
    """The address of a hub with these data sets."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            listing = re.match(r"/api/datasets/([^/]+/[^/?]+)(?:/revision/([^?/]+))?", self.path)
            file = re.match(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/([^?]+)", self.path)
            found = listing or file
            repository = repositories.get(found.group(1)) if found else None
            if repository is None:
                return self.send(404, b"{}", {"X-Error-Code": "RepoNotFound"}, body)
            if repository.refuse:
                return self.send(repository.refuse[0], b"{}", {"X-Error-Code": repository.refuse[1]}, body)
            if listing:
                siblings = [{"rfilename": name, "size": len(data)} for name, data in repository.files.items()]
                info = {"id": listing.group(1), "sha": COMMIT, "siblings": siblings, "private": False}
                return self.send(200, json.dumps(info).encode(), {"Content-Type": "application/json"}, body)
            assert file
            data = repository.files.get(file.group(3))
            if data is None:
                return self.send(404, b"", {"X-Error-Code": "EntryNotFound"}, body)
            headers = {
                "ETag": f'"{hashlib.sha256(data).hexdigest()}"',
                "X-Repo-Commit": COMMIT,
                "Accept-Ranges": "bytes",
            }
            start, status = 0, 200
            if body and (wanted := self.headers.get("Range")):
                start, status = int(wanted.removeprefix("bytes=").partition("-")[0]), 206
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            if body and repository.cut:
                repository.cut -= 1
                self.send_response(status)
                for key, value in {**headers, "Content-Length": str(len(data) - start)}.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(data[start : start + (len(data) - start) // 2])
                self.wfile.flush()
                self.connection.close()
                return None
            return self.send(status, data[start:], headers, body)

        def send(self, status: int, data: bytes, headers: dict[str, str], body: bool) -> None:
            self.send_response(status)
            for key, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if body:
                self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
