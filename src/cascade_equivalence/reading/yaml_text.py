"""Study files: YAML of which nothing is read as another thing than it looks.

YAML 1.1 takes `no` for false, `010` for 8 and `1:30` for 90, and the last of two equal keys. All of these are
errors here that say what to write; `1e4` is the number it looks, a date the text it looks.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Any

import yaml

from ..errors import UsageError
from .terminal import plain, short
from .text import decoded

MOST_BYTES = 1 << 20
MOST_DEPTH = 20
MOST_VALUES = 20_000

_WORDS = re.compile(r"(?i:yes|no|on|off)")
_OCTAL = re.compile(r"[-+]?0[0-9_]+")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_EXPONENT = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+")
_DIGITS = 40
_BIDIRECTIONAL = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class _Loader(yaml.SafeLoader):
    """The safe loader with the traps of YAML 1.1 closed."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        first: dict[tuple[str, str], int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _wrong(key, "", "a key is a list or a mapping; a key is a word")
            _look(key, "")
            if isinstance(value, yaml.ScalarNode):
                _look(value, f"{short(key.value)}: ")
            name = key.tag, key.value
            if name in first:
                raise _wrong(key, "", f"the key '{short(key.value)}' is there twice (first on line {first[name]})")
            first[name] = key.start_mark.line + 1
        return node

    def compose_sequence_node(self, anchor: Any) -> yaml.SequenceNode:
        node: yaml.SequenceNode = super().compose_sequence_node(anchor)
        for value in node.value:
            if isinstance(value, yaml.ScalarNode):
                _look(value, "")
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        if len(node.value) > MOST_VALUES:
            raise _wrong(node, "", f"merged keys make more than {MOST_VALUES} entries")


def _look(node: yaml.ScalarNode, key: str) -> None:
    """Raises where a scalar is read as another thing than it looks."""
    text, kind = node.value, node.tag.rpartition(":")[2]
    for character in text:
        hidden = unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t"
        if hidden or character in _BIDIRECTIONAL:
            raise _wrong(node, key, f"a control character (U+{ord(character):04X}) in '{short(text)}'; take it out")
    if kind in ("int", "float"):
        if len(text) > _DIGITS:
            raise _wrong(node, key, f"a number of {len(text)} digits")
        if _SEXAGESIMAL.fullmatch(text):
            raise _wrong(node, key, f"{text} is a number to base 60 in YAML; write '{text}', or the number in digits")
        if text.lower().lstrip("+-") in (".inf", ".nan"):
            raise _wrong(node, key, f"{text} is no number that a study can use")
    if node.style is None and kind in ("bool", "str") and _WORDS.fullmatch(text):
        other = "true" if text.lower() in ("yes", "on") else "false"
        raise _wrong(node, key, f"{text} is text to some readers and {other} to others; write '{text}' or {other}")
    if node.style is None and kind in ("int", "str") and _OCTAL.fullmatch(text) and (digits := text.lstrip("+-0_")):
        raise _wrong(node, key, f"{text} is a number to base 8 in YAML; write {digits} or '{text}'")


class _Trap(ValueError):
    pass


def _wrong(node: yaml.Node, key: str, words: str) -> _Trap:
    return _Trap(f"line {node.start_mark.line + 1}: {key}{words}")


# A copy of the resolvers of its own: without timestamps, and with 1e4 as the number it is in YAML 1.2.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in pairs if tag != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(f"^(?:{_EXPONENT.pattern})$"), list("-+0123456789"))


def load_yaml(path: Path) -> Any:
    """The value in a YAML file. Raises UsageError that names line and cure, and OSError."""
    with path.open("rb") as stream:
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise UsageError(f"{path}: more than {MOST_BYTES >> 20} MB; a study file is short")
    return parse_yaml(decoded(data, str(path)), str(path))


def parse_yaml(text: str, name: str) -> Any:
    """The value of a YAML text with plain keys, at most 20 levels deep. Raises UsageError that names line and cure."""
    try:
        value = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
        _bounded(value)
    except RecursionError:
        raise UsageError(f"{name}: nested too deeply; a study has at most {MOST_DEPTH} levels") from None
    except _Trap as error:
        raise UsageError(f"{name}, {error}") from None
    except (yaml.YAMLError, ValueError, TypeError, LookupError, OverflowError, AttributeError) as error:
        raise UsageError(f"{name}: not YAML: {plain(' '.join(str(error).split()))}") from None
    return value


def _bounded(value: Any) -> None:
    """Bounds depth and size (aliases repeat what they stand for) and refuses keys that are no text."""
    count, level = 0, [value]
    for _ in range(MOST_DEPTH + 1):
        inside: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                for key in one:
                    if not isinstance(key, str):
                        raise _Trap(f"the key {short(key)} is no text; write '{short(key)}' in quotes")
                inside += one.values()
            elif isinstance(one, list | tuple | set):
                inside += one
            if count + len(inside) > MOST_VALUES:
                raise _Trap(f"more than {MOST_VALUES} values (aliases count for what they repeat)")
        if not inside:
            return
        count, level = count + len(inside), inside
    raise _Trap(f"nested too deeply (an alias within itself?); a study has at most {MOST_DEPTH} levels")


def cure(kind: str, given: Any) -> str:
    """What to write instead of a value of the wrong kind, to stand behind the validator's message; "" if unknown.

    kind: pydantic's error type ("string_type", "list_type", …).
    """
    if kind == "string_type" and isinstance(given, bool | int | float):
        return f"; write it in quotes: '{str(given).lower() if isinstance(given, bool) else given}'"
    if kind == "string_type" and isinstance(given, dict) and len(given) == 1:
        ((key, value),) = given.items()
        if isinstance(value, str):
            return f"; a colon and a space make a mapping: write {short(key)}:{short(value)}"
    if kind == "list_type" and isinstance(given, str):
        return f"; write [{short(given)}]"
    return ""


def file_name(text: str) -> str:
    """A title that also names a folder. Raises ValueError where it cannot be one."""
    if not text.strip(". ") or len(text.encode(errors="replace")) > 120:
        raise ValueError("a name is 1 to 120 letters, and not dots alone")
    if any(c in "/\\" or not c.isprintable() for c in text):
        raise ValueError(f"'{short(text)}' has a separator or a control character; a name is a title, not a path")
    return text
