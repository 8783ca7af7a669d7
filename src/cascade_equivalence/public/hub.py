"""Parquet files of a data set from the Hugging Face hub: which there are, fetched into the hub's own cache."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cascade_equivalence.errors import CeqError, UsageError
from cascade_equivalence.public.sets import Hub

Say = Callable[[str], None]


class DataError(CeqError):
    """A data set cannot be fetched, or what is there cannot be read. Exit status 1."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """Parquet files of a split on this machine, in order; the commit they are of, and path → size in bytes."""

    files: tuple[Path, ...]
    commit: str
    sizes: dict[str, int]


def fetch(hub: Hub, say: Say) -> Fetched:
    """The split's Parquet files, from the hub's cache or fetched into it; an interrupted download goes on where it was.

    Raises `DataError` if the hub or the data set cannot be had, `UsageError` if it has no Parquet of that split.
    """
    try:
        from huggingface_hub import HfApi, hf_hub_download
        from huggingface_hub.utils.tqdm import disable_progress_bars
    except ImportError:
        raise DataError(
            f"{hub.id}: data sets come through huggingface_hub, which is not installed: "
            "pip install 'cascade-equivalence[data]'"
        ) from None
    disable_progress_bars()
    with _told(hub):
        info = HfApi().dataset_info(hub.id, revision=hub.revision, files_metadata=True)
    sizes = {one.rfilename: one.size or 0 for one in info.siblings or ()}
    commit = info.sha or hub.revision or "main"
    wanted = split_files(hub, list(sizes))
    paths = []
    for at, name in enumerate(wanted, 1):
        say(f"{hub.id}@{commit[:12]}: {name}, {sizes[name] / 1e6:.1f} MB ({at} of {len(wanted)})")
        with _told(hub):
            paths.append(Path(hf_hub_download(hub.id, name, repo_type="dataset", revision=commit)))
    return Fetched(tuple(paths), commit, {name: sizes[name] for name in wanted})


def split_files(hub: Hub, names: list[str]) -> tuple[str, ...]:
    """Those of a repository's files that are Parquet of the split (and configuration). Raises `UsageError`.

    A file is of a split that its name starts with, or that its folder is named after.
    """
    parquet = sorted(name for name in names if name.endswith(".parquet"))
    if not parquet:
        if any(re.fullmatch(r"[^/]+\.py", name) for name in names):
            raise UsageError(
                f"{hub.id}: there is a loading script and no Parquet at revision {hub.revision or 'main'}; no code of "
                "a data set is run: give revision: refs/convert/parquet, where the hub keeps its own conversion"
            )
        raise UsageError(
            f"{hub.id}: no Parquet file at revision {hub.revision or 'main'}; give another revision, or a local folder "
            "(path: …)"
        )
    inside = [name for name in parquet if hub.config is None or hub.config in name.split("/")[:-1]]
    found = tuple(name for name in inside if _splits(name) & {hub.split})
    if not found:
        configs = sorted({part for name in parquet for part in name.split("/")[:-1]} - {"data"})
        splits = sorted(set().union(*(_splits(name) for name in inside or parquet)))
        where = f"config '{hub.config}'" if hub.config and not inside else f"split '{hub.split}'"
        raise UsageError(
            f"{hub.id}: no Parquet of {where} at revision {hub.revision or 'main'}; "
            f"splits: {', '.join(splits) or 'none'}; folders: {', '.join(configs) or 'none'}"
        )
    return found


_SPLITS = ("train", "validation", "dev", "test")


def _splits(name: str) -> set[str]:
    """The splits that a file may be of: its folder's name, and what stands before the first number or at its end."""
    *folders, last = name.split("/")
    stem = last.removesuffix(".parquet")
    found = {re.sub(r"[-_.]\d.*$", "", stem), *(part for part in re.split(r"[-_.]", stem) if part in _SPLITS)}
    return (found | set(folders[-1:])) - {"data", "default", ""} - {s for s in found if s.isdigit()}


@contextmanager
def _told(hub: Hub) -> Iterator[None]:
    """The hub's failures as one sentence each, with the way out."""
    from huggingface_hub import errors

    ways = "; a folder with its files does as well (path: …)"
    try:
        yield
    except errors.GatedRepoError:
        raise DataError(
            f"{hub.id}: its owner asks for consent first: accept on its page, then log in (`hf auth login`, or "
            f"HF_TOKEN){ways}"
        ) from None
    except errors.RevisionNotFoundError:
        raise DataError(
            f"{hub.id}: the hub has no revision {hub.revision or 'main'} of it (any more); name another (revision: …)"
            + ways
        ) from None
    except errors.RepositoryNotFoundError:
        raise DataError(
            f"{hub.id}: the hub has no such data set, or it is private and needs a login (`hf auth login`, or HF_TOKEN)"
            + ways
        ) from None
    except errors.EntryNotFoundError as error:
        raise DataError(f"{hub.id}: a file that the hub lists is not there ({_first(error)})" + ways) from None
    except errors.OfflineModeIsEnabled:
        raise DataError(
            f"{hub.id}: HF_HUB_OFFLINE is set and the data set is not in the cache; unset it{ways}"
        ) from None
    except Exception as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if isinstance(error, MemoryError | KeyboardInterrupt) or not _is_network(error):
            raise
        what = f"answered {status}" if status else "cannot be reached, or the connection broke"
        raise DataError(
            f"{hub.id}: the hub {what} ({_first(error)}); try again, what was fetched is kept{ways}"
        ) from None


def _is_network(error: Exception) -> bool:
    from huggingface_hub import errors

    kinds: tuple[type[BaseException], ...] = (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, OSError)
    # The client's own HTTP library changed its name more than once.
    return isinstance(error, kinds) or type(error).__module__.startswith(("httpx", "httpcore", "requests"))


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
