"""Real servers for tests marked slow, in the environments that `scripts/*server.sh install` make: vLLM for CPU, and
`transformers serve`."""

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
HOME_2 = Path(os.environ.get("CEQ_SERVER_2", ROOT / ".venv-server-2"))
START_S = 600


def interpreter() -> Path:
    """vLLM's Python; skips where there is none."""
    _installed(HOME, "server.sh", "CEQ_SERVER")
    return HOME / "bin" / "python"


def _installed(home: Path, script: str, variable: str) -> None:
    if not (home / ".filled").exists():
        pytest.skip(f"no server: scripts/{script} install makes one ({variable} names where)")


@contextmanager
def vllm(directory: Path, log: Path, *options: str) -> Iterator[str]:
    """The base URL of a server of a model's directory, under the name `served`."""
    interpreter()
    command = [str(ROOT / "scripts" / "server.sh"), str(directory), "--served-model-name", "served", *options]
    with _running(command, log, CEQ_SERVER=str(HOME)) as url:
        yield url


@contextmanager
def transformers_serve(directory: Path, log: Path) -> Iterator[str]:
    """The base URL of a server of a model's directory, under the directory's name."""
    _installed(HOME_2, "transformers-server.sh", "CEQ_SERVER_2")
    command = [str(ROOT / "scripts" / "transformers-server.sh"), str(directory)]
    with _running(command, log, CEQ_SERVER_2=str(HOME_2)) as url:
        yield url


@contextmanager
def _running(command: list[str], log: Path, **variables: str) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, **variables, "PORT": str(port)}
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
