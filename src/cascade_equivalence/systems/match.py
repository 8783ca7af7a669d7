"""How two sets of weights relate: computed from the tensors, never declared."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Literal

import numpy as np

from cascade_equivalence.errors import ModelError
from cascade_equivalence.hashing import digest_of
from cascade_equivalence.systems.digests import known_digests, recall, remember
from cascade_equivalence.systems.precision import NAMES, blocks, lower
from cascade_equivalence.systems.tensors import EMBEDDING, HEAD, Tensor, read_directory, read_header, roots, select

Grade = Literal["identical", "LoRA-shifted", "fine-tuned", "different", "opaque"]

RECIPE = 1
"""Raised when the code changes what a match of the same tensors says."""
LONG = 1 << 28
"""Parameters from which on a comparison takes long enough to say how far it is."""
_NAMED = 3
_VOCABULARY = (EMBEDDING, HEAD, "wte.weight", "lm_head.bias")
_SCALING = ("r", "lora_alpha", "use_rslora", "rank_pattern", "alpha_pattern", "speech_lora", "vision_lora")


@dataclass(frozen=True, slots=True)
class Weights:
    """A view on a directory of safetensors: the tensors of one submodule, and what lies on top of them.

    prefix: of its tensor names ("" is all). without: prefixes beneath it that are other submodules. adapter: the
    LoRA in effect where the directory holds several (Phi-4 names them "speech" and "vision"); None: all.
    on_top: a PEFT adapter, or the part of a checkpoint that overlays this LLM; it may be empty. file: of all files this
    one alone (a LoRA that lies beside the weights it is added to).
    """

    directory: Path
    prefix: str = ""
    without: tuple[str, ...] = ()
    adapter: str | None = None
    on_top: Weights | None = None
    file: str | None = None

    def stored(self) -> dict[str, Tensor]:
        """The tensors of its files."""
        return read_directory(self.directory) if self.file is None else read_header(self.directory / self.file)


@dataclass(frozen=True, slots=True)
class Match:
    """How two sets of weights relate.

    equal_share: share of the parameters that lie in bit-equal tensors, in [0, 1]. distance: ‖L − R‖ / √((‖L‖² +
    ‖R‖²) / 2), Frobenius, over the floating-point tensors of equal shape: symmetric, 0 for equal ones, √2 for
    unrelated ones of zero mean, at most 2. precision: the lowest that any two tensors were compared at. All three
    without LoRA deltas, and None where there is nothing to compare. note: what the grade alone does not say.
    """

    grade: Grade
    equal_share: float | None
    distance: float | None
    precision: str | None
    note: str


@dataclass(frozen=True, slots=True)
class _View:
    base: dict[str, Tensor]
    lora: dict[str, Tensor]
    scaling: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two tensors held against each other: equal bits, sums of squares, entries that are no numbers."""

    equal: bool
    difference: float = 0.0
    left: float = 0.0
    right: float = 0.0
    not_finite: int = 0


def match(left: Weights | None, right: Weights | None, say: Callable[[str], None] = lambda _: None) -> Match:
    """Grade two sets of weights, tensor by tensor, as a stream; None is a model whose weights cannot be read.

    identical: the same names, shapes and values at the lower precision, nothing on top. LoRA-shifted: the same
    values, and a LoRA on one side or unlike ones on both. fine-tuned: the same names and shapes, some values differ.
    different: other names or shapes. A vocabulary that is longer on one side is compared on the common rows. What was
    found is kept in the cache under the tensors' digests, where these are known. say: is told how far a long comparison
    is. Raises `ModelError` if a file is broken or a prefix has no tensors.
    """
    if left is None or right is None:
        return Match("opaque", None, None, None, "the weights of one model cannot be read")
    a, b = _view(left), _view(right)
    digests = _known([*a.base.values(), *a.lora.values(), *b.base.values(), *b.lora.values()])
    key = None if digests is None else digest_of([RECIPE, _facts(a, digests), _facts(b, digests)])
    if key is not None and (kept := recall("matches", key)) is not None:
        with suppress(TypeError):
            return Match(**kept)
    found = _compared(a, b, digests or {}, say)
    if key is not None:
        remember("matches", key, asdict(found))
    return found


def _known(tensors: Sequence[Tensor]) -> dict[Tensor, str] | None:
    """The digests of tensors, None unless all are known."""
    found: dict[Tensor, str] = {}
    for path in {tensor.path for tensor in tensors}:
        if (known := known_digests(path)) is None:
            return None
        found |= {tensor: known[name] for name, tensor in read_header(path).items()}
    return found


def _facts(view: _View, digests: Mapping[Tensor, str]) -> list[object]:
    """What a match depends on, of one side."""
    sides = [{name: digests[tensor] for name, tensor in tensors.items()} for tensors in (view.base, view.lora)]
    return [*sides, view.scaling]


def _compared(a: _View, b: _View, digests: Mapping[Tensor, str], say: Callable[[str], None]) -> Match:
    notes: list[str] = []
    shifted = _shifted(a, b, notes)
    lefts, rights = _with_heads(a.base, b.base, notes)
    pairs, unlike = _pairs(lefts, rights, notes)
    compared = _compare(pairs, digests, say)
    differing = [name for name, found in compared.items() if not found.equal]
    grade: Grade
    if unlike:
        grade = "different"
        notes.insert(0, f"names or shapes differ: {_some(unlike)}")
    elif differing:
        grade = "fine-tuned"
        notes.insert(0, f"{len(differing)} of {len(pairs)} tensors differ: {_some(differing)}")
    else:
        grade = "LoRA-shifted" if shifted else "identical"
    if strange := sum(found.not_finite for found in compared.values()):
        notes.append(f"{strange} entries are infinite or no number and are left out of the distance")
    if odd := [name for name in differing if not _have_values(*pairs[name])]:
        notes.append(f"compared by their bytes and left out of the distance: {_some(odd)}")
    alone = sum(max(t[name].size for t in (lefts, rights) if name in t) for name in unlike)
    equal = sum(pairs[name][0].size for name, found in compared.items() if found.equal)
    total = alone + sum(tensor.size for tensor, _ in pairs.values())
    precisions = [lower(a.dtype, b.dtype) for a, b in pairs.values() if _have_values(a, b)]
    return Match(
        grade=grade,
        equal_share=equal / total if total else None,
        distance=_distance([compared[name] for name, pair in pairs.items() if _have_values(*pair)]),
        precision=NAMES[reduce(lower, precisions)] if precisions else None,
        note="; ".join(notes),
    )


def _view(weights: Weights) -> _View:
    stored = weights.stored()
    tensors = select(stored, weights.prefix, weights.without)
    if not tensors:
        raise ModelError(f"{weights.directory}: no tensors under '{weights.prefix}'; there are {roots(stored)}")
    view = _split(weights, tensors)
    if weights.on_top is not None:
        over = select(weights.on_top.stored(), weights.on_top.prefix, weights.on_top.without)
        top = _split(weights.on_top, over)
        view = _View(view.base | top.base, view.lora | top.lora, view.scaling + top.scaling)
    modules = {name[:end] for name in view.base for end in range(len(name)) if name[end] == "."}
    for name in view.lora:
        module = name.rpartition(":")[2].partition(".lora_")[0]
        if module not in modules:
            where = (weights.on_top or weights).directory
            raise ModelError(f"{where}: a LoRA lies on '{module}', which the model lacks; is the prefix right?")
    return view


def _split(weights: Weights, tensors: Mapping[str, Tensor]) -> _View:
    """Base and LoRA tensors apart; of the latter those of the adapter in effect, without its name."""
    base: dict[str, Tensor] = {}
    adapters: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        module, mark, rest = name.partition(".lora_")
        if not mark:
            base[name] = tensor
            continue
        kind, _, tail = rest.partition(".")
        adapter = tail.removesuffix("weight").rstrip(".")
        adapters.setdefault(adapter, {})[f"{module}.lora_{kind}"] = tensor
    if weights.adapter is not None:
        if weights.adapter not in adapters:
            there = ", ".join(sorted(adapters)) or "none"
            raise ModelError(f"{weights.directory}: no LoRA named '{weights.adapter}'; there are {there}")
        adapters = {weights.adapter: adapters[weights.adapter]}
    lora = {
        f"{adapter}:{name}" if len(adapters) > 1 else name: tensor
        for adapter, found in adapters.items()
        for name, tensor in found.items()
    }
    return _View(base, lora, _scaling(weights.directory) if lora else ())


def _scaling(directory: Path) -> tuple[object, ...]:
    """What the configuration says about the strength of a LoRA, to tell equal tensors at unlike strength apart."""
    found: list[object] = []
    for name in ("adapter_config.json", "config.json"):
        try:
            config = json.loads((directory / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except ValueError as error:
            raise ModelError(f"{directory / name}: not JSON ({error}); fetch the model again") from None
        found.append({key: config[key] for key in _SCALING if config.get(key)})
    return tuple(entry for entry in found if entry)


def _shifted(left: _View, right: _View, notes: list[str]) -> bool:
    """Whether LoRA deltas make a difference."""
    a, b = _live(left), _live(right)
    for side, view, live in (("left", left, a), ("right", right, b)):
        if live:
            notes.append(f"{side} has a LoRA of {len(live)} tensors on top")
        elif view.lora:
            notes.append(f"{side} has a LoRA on top whose product is zero")
    if {name: tensor.shape for name, tensor in a.items()} != {name: tensor.shape for name, tensor in b.items()}:
        return True
    return bool(a) and (left.scaling != right.scaling or not all(_held(a[name], b[name]).equal for name in a))


def _live(view: _View) -> dict[str, Tensor]:
    """LoRA tensors but those of modules whose B is zero: they shift nothing. DoRA's magnitudes always may."""
    modules: dict[str, dict[str, Tensor]] = {}
    for name, tensor in view.lora.items():
        module, _, kind = name.rpartition(".")
        modules.setdefault(module, {})[kind] = tensor
    live: dict[str, Tensor] = {}
    for module, kinds in modules.items():
        second = kinds.get("lora_B") or kinds.get("lora_embedding_B")
        if second is None or any("magnitude" in kind for kind in kinds) or not _is_zero(second):
            live |= {f"{module}.{kind}": tensor for kind, tensor in kinds.items()}
    return live


def _is_zero(tensor: Tensor) -> bool:
    if tensor.dtype not in NAMES:
        return not any(any(block) for block in tensor.blocks())
    return not any(values.any() for _, values in blocks(tensor, tensor.dtype, tensor.size))


def _with_heads(
    left: Mapping[str, Tensor], right: Mapping[str, Tensor], notes: list[str]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A tied head is the embedding: dropped where both are tied, put in its place where one side alone is."""
    sides = [dict(left), dict(right)]
    tied = []
    for side in sides:
        if HEAD in side and EMBEDDING not in side:
            side[EMBEDDING] = side.pop(HEAD)
        tied.append(EMBEDDING in side and (HEAD not in side or _same_bytes(side[HEAD], side[EMBEDDING])))
    for name, side, is_tied in zip(("left", "right"), sides, tied, strict=True):
        if all(tied):
            side.pop(HEAD, None)
        elif is_tied:
            if HEAD not in side:
                notes.append(f"{name} has no {HEAD}, so its embedding is taken for its head")
            side[HEAD] = side[EMBEDDING]
    return sides[0], sides[1]


def _same_bytes(left: Tensor, right: Tensor) -> bool:
    if (left.dtype, left.shape) != (right.dtype, right.shape):
        return False
    return all(a == b for a, b in zip(left.blocks(), right.blocks(), strict=True))


def _pairs(
    left: Mapping[str, Tensor], right: Mapping[str, Tensor], notes: list[str]
) -> tuple[dict[str, tuple[Tensor, Tensor]], list[str]]:
    """Tensors to compare by name, vocabularies cut to their common rows; and the names that have no counterpart."""
    pairs: dict[str, tuple[Tensor, Tensor]] = {}
    unlike = sorted(left.keys() ^ right.keys())
    for name in sorted(left.keys() & right.keys()):
        a, b = left[name], right[name]
        if a.shape == b.shape:
            pairs[name] = (a, b)
        elif name.endswith(_VOCABULARY) and a.shape[1:] == b.shape[1:] and a.shape and b.shape:
            rows = min(a.shape[0], b.shape[0])
            pairs[name] = (_first(a, rows), _first(b, rows))
            notes.append(f"{name}: {a.shape[0]} rows against {b.shape[0]}, the common {rows} compared")
        else:
            unlike.append(name)
    return pairs, unlike


def _first(tensor: Tensor, rows: int) -> Tensor:
    stored = tensor.end - tensor.begin
    return replace(
        tensor, shape=(rows, *tensor.shape[1:]), end=tensor.begin + (stored // tensor.shape[0] * rows if rows else 0)
    )


def _compare(
    pairs: Mapping[str, tuple[Tensor, Tensor]], digests: Mapping[Tensor, str], say: Callable[[str], None]
) -> dict[str, _Pair]:
    # Where hashes or places tell that all is equal, nothing is read: the common case of a frozen backbone.
    if all(a == b or (a in digests and digests[a] == digests.get(b)) for a, b in pairs.values()):
        return {name: _Pair(True) for name in pairs}
    total, done, said = sum(a.size for a, _ in pairs.values()), 0, 0
    found = {}
    for name, (a, b) in pairs.items():
        found[name] = _held(a, b)
        done += a.size
        if total >= LONG and (steps := 10 * done // total) > said:
            said = steps
            say(f"comparing weights: {done / total:.0%} of {total / 1e9:.1f} billion")
    return found


def _held(left: Tensor, right: Tensor) -> _Pair:
    """Two tensors of one shape against each other, block by block."""
    if not _have_values(left, right):
        return _Pair(_same_bytes(left, right))
    dtype, equal, not_finite = lower(left.dtype, right.dtype), True, 0
    sums = np.zeros(3)
    size = left.size
    for (bits, a), (other, b) in zip(blocks(left, dtype, size), blocks(right, dtype, size), strict=True):
        equal = equal and np.array_equal(bits, other)
        there = np.isfinite(a) & np.isfinite(b)
        if not there.all():
            not_finite += int((~there).sum())
            a, b = a[there], b[there]
        difference = a - b
        sums += difference @ difference, a @ a, b @ b
    return _Pair(equal, float(sums[0]), float(sums[1]), float(sums[2]), not_finite)


def _have_values(left: Tensor, right: Tensor) -> bool:
    return left.dtype in NAMES and right.dtype in NAMES


def _distance(found: Sequence[_Pair]) -> float | None:
    if not found:
        return None
    difference = math.fsum(pair.difference for pair in found)
    norms = math.fsum(pair.left + pair.right for pair in found) / 2
    return math.sqrt(difference / norms) if difference else 0.0


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
