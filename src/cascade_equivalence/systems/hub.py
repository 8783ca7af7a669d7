"""Models from the Hugging Face hub: what their index names and no more, with progress, and errors that say the cure."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from cascade_equivalence.errors import ModelError
from cascade_equivalence.pocket import shipped
from cascade_equivalence.pocket.registry import EMBEDDED
from cascade_equivalence.systems.loading import Check, read_config
from cascade_equivalence.systems.tensors import ADAPTER, INDEX, SINGLE, indexed

Say = Callable[[str], None]

CONFIG = "config.json"
_SMALL = ("*.json", "*.txt", "*.model", "*.jinja")
"""What a model may need besides its weights."""
_EVERY_S = 15.0
"""Seconds between two lines on a download."""
_AGAIN = "run again, files that are whole are kept"
_WHOLE = "it has no {what} in safetensors; other formats are not loaded. Use a revision or a copy that has them"


def fetch_snapshot(model_id: str, revision: str | None, say: Say, check: Check | None) -> Path:
    """The hub's copy of a model in its local cache, fetched where it is not there. Raises `ModelError`.

    config.json comes first and `check` looks at it, then the small files and the index, then the weights that they
    name. Without the hub (HF_HUB_OFFLINE, no connection) the cache alone is asked.
    """
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    name = model_id if revision is None else f"{model_id}, revision {revision}"
    with _explained(name):
        listed = _listed(HfApi(), model_id, revision)
    if listed is None:
        return _from_cache(model_id, revision, name, say, check)
    sizes = listed
    if CONFIG not in sizes:
        raise ModelError(f"model '{name}': the repository has no {CONFIG}; it is not a model that can be loaded")
    with _explained(name):
        # By the revision's name, which the cache then knows without the hub.
        directory = Path(hf_hub_download(model_id, CONFIG, revision=revision)).parent
    commit = directory.name

    def get(file: str, **how: Any) -> None:
        with _explained(name):
            hf_hub_download(model_id, file, revision=commit, **how)

    extra = () if check is None else check(read_config(directory / CONFIG), f"{name}: {CONFIG}")
    small = [file for file in sizes if "/" not in file and any(fnmatch(file, pattern) for pattern in _SMALL)]
    for file in small:
        get(file)
    weights = _weights(name, directory, sizes)
    weights += [file for file in sizes if any(fnmatch(file, pattern) for pattern in extra)]
    missing = [file for file in weights if not (directory / file).exists()]
    if not missing:
        return directory
    _announce(name, directory, [sizes[file] for file in missing], say)
    progress = _progress(name, sum(sizes[file] for file in missing), say)
    for file in missing:
        get(file, tqdm_class=progress)
    return directory


def _listed(api: Any, model_id: str, revision: str | None) -> dict[str, int] | None:
    """Size by file; None where the hub cannot be reached."""
    import huggingface_hub.errors as errors

    try:
        info = api.model_info(model_id, revision=revision, files_metadata=True)
    except errors.HfHubHTTPError:
        raise
    except (errors.OfflineModeIsEnabled, OSError):
        return None
    except Exception as error:  # the HTTP library's own, which changes from version to version
        if type(error).__module__.partition(".")[0].startswith(("httpx", "httpcore", "requests", "urllib3")):
            return None
        raise
    return {entry.rfilename: int(entry.size or 0) for entry in info.siblings or ()}


def _from_cache(model_id: str, revision: str | None, name: str, say: Say, check: Check | None) -> Path:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model_id, CONFIG, revision=revision)
    if not isinstance(found, str):
        why = "HF_HUB_OFFLINE is set" if os.environ.get("HF_HUB_OFFLINE") else "the hub cannot be reached"
        raise ModelError(
            f"model '{name}' is neither embedded ({', '.join([*EMBEDDED, *shipped.SHIPPED])}), nor a directory, nor in "
            f"the hub's local cache, and {why}; connect, or give a directory"
        )
    directory = Path(found).parent
    say(f"{name}: from the hub's local cache (the hub was not asked)")
    if check is not None:
        check(read_config(directory / CONFIG), f"{name}: {CONFIG}")
    return directory


def _weights(name: str, directory: Path, sizes: dict[str, int]) -> list[str]:
    """The files of a repository's weights, and of a LoRA beside them."""
    if SINGLE in sizes:
        found = [SINGLE]
    elif INDEX in sizes:
        found = indexed(directory / INDEX)
        if absent := [file for file in found if file not in sizes]:
            raise ModelError(
                f"model '{name}': {INDEX} names {absent[0]}, which the repository does not hold; nothing was fetched. "
                "Its upload may not be finished: use another revision or copy"
            )
    else:
        found = [file for file in sizes if "/" not in file and file.endswith(".safetensors")]
        if not found:
            raise ModelError(f"model '{name}': {_WHOLE.format(what='weights')}")
    return found + [file for file in (ADAPTER,) if file in sizes and file not in found]


def _announce(name: str, directory: Path, sizes: Sequence[int], say: Say) -> None:
    total = sum(sizes)
    free = shutil.disk_usage(directory).free
    if total > free:
        raise ModelError(
            f"model '{name}': {_size(total)} to fetch into {directory}, but only {_size(free)} free there; make room, "
            "or set HF_HOME to another disk"
        )
    say(f"{name}: {_size(total)} to fetch from the hub in {len(sizes)} files, once, into {directory}")


def _progress(name: str, total: int, say: Say) -> Any:
    """A bar for huggingface_hub that says a line now and then."""
    from huggingface_hub.utils.tqdm import tqdm

    state = {"bytes": 0, "said": time.monotonic()}

    class Lines(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs["disable"] = True
            kwargs.pop("name", None)
            super().__init__(*args, **kwargs)

        def update(self, n: float | None = 1) -> bool | None:
            state["bytes"] += int(n or 0)
            if (now := time.monotonic()) - state["said"] > _EVERY_S:
                state["said"] = now
                say(f"{name}: {_size(state['bytes'])} of {_size(total)}")
            shown: bool | None = super().update(n)
            return shown

    return Lines


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """What went wrong with the hub, and the cure."""
    import huggingface_hub.errors as errors

    try:
        yield
    except ModelError:
        raise
    except errors.GatedRepoError as error:
        page = _page(name)
        raise ModelError(
            f"model '{name}' is gated: its licence has to be accepted once, at {page}, and the hub must know who asks. "
            "Accept it there, then run `hf auth login` (or set HF_TOKEN), or give a copy that is not gated "
            f"(id:, and of a speech LLM llm: or encoder:). The hub said: {_status(error)}"
        ) from None
    except errors.RevisionNotFoundError:
        raise ModelError(f"model '{name}': the repository has no such revision; see {_page(name)}/commits") from None
    except errors.RepositoryNotFoundError as error:
        raise ModelError(
            f"model '{name}' is neither embedded ({', '.join([*EMBEDDED, *shipped.SHIPPED])}), nor a directory, nor on "
            "the hub under that name; if it is private, run `hf auth login` or set HF_TOKEN. The hub said: "
            f"{_status(error)}"
        ) from None
    except errors.LocalEntryNotFoundError as error:
        raise ModelError(f"model '{name}': the hub cannot be reached any more ({_first(error)}); {_AGAIN}") from None
    except errors.EntryNotFoundError as error:
        raise ModelError(
            f"model '{name}': a file is not there ({_first(error)}); use another revision or copy"
        ) from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else None
        cure = "try again later; what was fetched is kept"
        if status in (401, 403):
            cure = f"run `hf auth login` or set HF_TOKEN, and see {_page(name)} for a licence to accept"
        raise ModelError(f"model '{name}': the hub refused ({_status(error)}); {cure}") from None
    except errors.HFValidationError as error:
        raise ModelError(
            f"model '{name}' is neither embedded ({', '.join([*EMBEDDED, *shipped.SHIPPED])}), nor a directory, nor a "
            f"hub id (owner/name): {_first(error)}"
        ) from None
    except Exception as error:  # the network in all its forms
        raise ModelError(f"model '{name}': the download broke off ({_first(error)}); {_AGAIN}") from None


def _page(name: str) -> str:
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    return f"{endpoint}/{name.partition(',')[0]}"


def _status(error: Any) -> str:
    response = getattr(error, "response", None)
    return f"{response.status_code}, {_first(error)}" if response is not None else _first(error)


def _first(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].removesuffix(".") if lines else type(error).__name__
