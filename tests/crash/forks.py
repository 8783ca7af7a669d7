"""Commands in forked processes, so that each begins with what is imported already; some of them are killed."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path


def start(does: Callable[[], int], said: Path, most_bytes: int | None = None) -> int:
    """Fork a process that does something and ends with its status; returns its id.

    said: where its output goes. most_bytes: of any file it writes, as on a disk that fills up.
    """
    process = os.fork()
    if process:
        return process
    status = 99
    try:
        output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        if most_bytes is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
        status = does()
    except SystemExit as leaving:
        status = int(leaving.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(status)


def ended(process: int) -> int:
    """Wait for a process; its exit status, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def killed(process: int, after: float) -> float | None:
    """Kill -9 a process after some seconds; where it ended before, the seconds that it took."""
    began = time.monotonic()
    end = began + after
    while time.monotonic() < end:
        found, _ = os.waitpid(process, os.WNOHANG)
        if found:
            return time.monotonic() - began
        time.sleep(min(0.005, max(0.0, end - time.monotonic())))
    os.kill(process, signal.SIGKILL)
    ended(process)
    return None
