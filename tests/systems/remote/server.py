"""A local server that answers as an OpenAI-compatible one does, with the faults that a test asks for."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[["Seen"], "Sent"]


@dataclass(frozen=True)
class Seen:
    """A request: its path, body, the authorization it came with, and how often the same body had come before."""

    path: str
    body: Any
    raw: bytes
    authorization: str | None
    before: int

    def text(self) -> str:
        """All that is said in it."""
        if "prompt" in self.body:
            return str(self.body["prompt"])
        content = self.body["messages"][0]["content"]
        return content if isinstance(content, str) else " ".join(part.get("text", "<audio>") for part in content)


@dataclass(frozen=True)
class Sent:
    """What goes back. raw: instead of JSON. cut: the connection is closed in the middle. drip_s: between bytes."""

    value: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    cut: bool = False
    wait_s: float = 0.0
    drip_s: float = 0.0


def completion(text: str, finish: str = "stop", model: str = "served-model", **message: Any) -> dict[str, Any]:
    """A chat completion, and a completion, in one."""
    choice = {"index": 0, "text": text, "message": {"role": "assistant", "content": text, **message}}
    usage = {"prompt_tokens": 20, "completion_tokens": 2, "total_tokens": 22}
    return {"id": "x", "model": model, "choices": [{**choice, "finish_reason": finish}], "usage": usage}


class Server:
    """See `serving`. requests: all that came, in order (kept unless `forget`); answered: item number → good answers."""

    def __init__(self, answer: Answer, forget: bool) -> None:
        self.seen: list[Seen] = []
        self.count = 0
        self.at_once = self.most_at_once = 0
        self._before: Counter[bytes] = Counter()
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                body = json.loads(raw) if "json" in self.headers.get("Content-Type", "") else None
                with outer._lock:
                    outer.count += 1
                    before = 0
                    if not forget:
                        before = outer._before[raw]
                        outer._before[raw] += 1
                    seen = Seen(self.path, body, raw, self.headers.get("Authorization"), before)
                    if not forget:
                        outer.seen.append(seen)
                    outer.at_once += 1
                    outer.most_at_once = max(outer.most_at_once, outer.at_once)
                try:
                    self._send(answer(seen))
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True
                finally:
                    with outer._lock:
                        outer.at_once -= 1

            def _send(self, sent: Sent) -> None:
                time.sleep(sent.wait_s)
                out = json.dumps(sent.value).encode() if sent.raw is None else sent.raw
                self.send_response(sent.status)
                for name, value in {"Content-Type": "application/json", **sent.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(out)))
                self.end_headers()
                if sent.cut:
                    self.wfile.write(out[: len(out) // 2])
                    self.wfile.flush()
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                if not sent.drip_s:
                    self.wfile.write(out)
                    return
                for byte in out:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(sent.drip_s)

            def log_message(self, *_: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def serving(answer: Answer, forget: bool = False) -> Iterator[Server]:
    """A server on a free port of this machine. forget: keep no requests."""
    server = Server(answer, forget)
    try:
        yield server
    finally:
        server.close()


def number(seen: Seen) -> int:
    """The number of the item that a request asks about (texts of these tests say `item 12.`)."""
    found = re.search(r"item (\d+)\.", seen.text())
    assert found, seen.text()
    return int(found[1])
