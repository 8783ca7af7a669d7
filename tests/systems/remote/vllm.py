"""A real server for tests marked slow: vLLM for CPU in the environment that `scripts/server.sh install` makes."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HOME = Path(os.environ.get("CEQ_SERVER", ROOT / ".venv-server"))
START_S = 600


def interpreter() -> Path:
    """The server's Python; skips where there is none."""
    if not (HOME / ".filled").exists():
        pytest.skip("no server: scripts/server.sh install makes one (CEQ_SERVER names where)")
    return HOME / "bin" / "python"


@contextmanager
def vllm(directory: Path, log: Path, *options: str) -> Iterator[str]:
    """The base URL of a server of a model's directory, under the name `served`."""
    interpreter()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(ROOT / "scripts" / "server.sh"), str(directory), "--served-model-name", "served", *options]
    environment = {**os.environ, "CEQ_SERVER": str(HOME), "PORT": str(port)}
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out, env=environment) as server:
        try:
            _wait(server, port, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()
            server.wait(60)


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except OSError:
            time.sleep(2)
    pytest.fail(f"the server did not start:\n{log.read_text()[-3000:]}")
