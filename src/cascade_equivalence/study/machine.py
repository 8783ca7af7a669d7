"""What a machine has that a study may need: packages, keys, cached models, memory. Looks; fetches and loads nothing."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts about this machine.

    packages: import names that are installed. keys: names of the environment variables that are set. token: whether
    the hub would know who asks. hub: repositories in the hub's cache, `models--a--b` folder names. memory_gb: of the
    accelerator that a run would use, else of the machine. disk_gb: free where the hub's cache is.
    """

    packages: frozenset[str]
    keys: frozenset[str]
    token: bool
    hub: frozenset[str]
    offline: bool
    accelerator: str | None
    memory_gb: float
    disk_gb: float

    def has_repository(self, hub_id: str, kind: str = "models") -> bool:
        """Whether the hub's cache has something of a repository."""
        return f"{kind}--{hub_id.replace('/', '--')}" in self.hub


PACKAGES = (
    "torch",
    "transformers",
    "huggingface_hub",
    "pyarrow",
    "onnxruntime",
    "google.genai",
    "httpx2",
    "pyroomacoustics",
)


def look() -> Machine:
    """This machine, in well under a second: torch is not imported, the NVIDIA driver is asked for the memory."""
    cache = _hub_cache()
    there = [name for name in PACKAGES if _installed(name)]
    accelerator, memory = _accelerator()
    tokens = (os.environ.get("HF_TOKEN"), os.environ.get("HUGGING_FACE_HUB_TOKEN"))
    return Machine(
        packages=frozenset(there),
        keys=frozenset(name for name, value in os.environ.items() if value.strip()),
        token=any(tokens) or (cache.parent / "token").is_file(),
        hub=frozenset(path.name for path in cache.glob("*--*")) if cache.is_dir() else frozenset(),
        offline=os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"},
        accelerator=accelerator,
        memory_gb=memory if accelerator else memory_gb(),
        disk_gb=shutil.disk_usage(_existing(cache)).free / 1e9,
    )


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _hub_cache() -> Path:
    if named := os.environ.get("HF_HUB_CACHE"):
        return Path(named).expanduser()
    home = os.environ.get("HF_HOME") or str(Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface")
    return Path(home).expanduser() / "hub"


def _existing(path: Path) -> Path:
    return next(parent for parent in (path, *path.parents) if parent.exists())


def _accelerator() -> tuple[str | None, float]:
    """The first NVIDIA device's name and memory, as its driver tells them."""
    import subprocess

    if shutil.which("nvidia-smi") is None:
        return None, 0.0
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=5)
        name, _, memory = ran.stdout.splitlines()[0].rpartition(",")
        return name.strip(), float(memory) * 2**20 / 1e9
    except (OSError, subprocess.TimeoutExpired, IndexError, ValueError):
        return None, 0.0


def memory_gb() -> float:
    """Of this machine; 0 where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, ValueError, OSError):
        return 0.0
