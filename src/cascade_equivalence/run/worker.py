"""What runs in a worker process: receives work, does it, sends rows back. Imports nothing that computes before the
number of threads is set."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

from cascade_equivalence.errors import CeqError, RunError

LIBRARIES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def serve(connection: Connection, threads: int, parcel: bytes, clips: Path) -> None:
    """Do what comes until the main process is gone. parcel: pickled, what does a piece of work
    (`work.do`) and the plan, placed on this worker's device."""
    # An interrupt reaches the whole group of processes; the main one decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit_threads(threads)
    try:
        _serve(connection, parcel, clips)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def limit_threads(threads: int) -> None:
    """Let numerical libraries that are loaded from now on, and torch even if it is there, use so many threads."""
    os.environ.update(dict.fromkeys(LIBRARIES, str(threads)))
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def _serve(connection: Connection, parcel: bytes, clips: Path) -> None:
    from cascade_equivalence.audio.store import ClipStore
    from cascade_equivalence.run.models import Models

    # Of the main process, over its own pipe.
    do, plan = pickle.loads(parcel)  # noqa: S301
    models, store = Models(plan, lambda line: connection.send(line)), ClipStore(clips)
    while True:
        piece = connection.recv()
        try:
            connection.send([row for rows in do(piece, plan, models, store) for row in rows])
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise
        except Exception as error:
            connection.send(portable(error))


def portable(error: Exception) -> Exception:
    """The error as another process can read it: our own as they are, others as a `RunError` with the traceback."""
    if isinstance(error, CeqError):
        return error
    said = RunError(f"a worker failed: {type(error).__name__}: {error}")
    said.add_note(traceback.format_exc())
    return said
