"""Chat templates: where a model's lies, and what it may not say."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

from cascade_equivalence.errors import ModelError

TODAY = date(2024, 7, 26)
"""What templates that write today's date are told: the date that Llama 3.1's own template has. Another one each day
would make another prompt each day."""
_CHATTY = re.compile(r"instruct|chat|[-_]it(?:[-_.@]|$)|assistant", re.IGNORECASE)


def template_of(directory: Path) -> str | None:
    """A model's default chat template, from wherever transformers has kept it; None without one.

    `chat_template.jinja`, `additional_chat_templates/default.jinja`, then the key `chat_template` of
    tokenizer_config.json, chat_template.json and processor_config.json. Raises `ModelError` for a file that is no JSON.
    """
    for name in ("chat_template.jinja", "additional_chat_templates/default.jinja"):
        if (path := directory / name).is_file():
            return path.read_text(encoding="utf-8")
    for name in ("tokenizer_config.json", "chat_template.json", "processor_config.json"):
        if (path := directory / name).is_file() and (found := _default(path)):
            return found
    return None


def _default(path: Path) -> str | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path}: not JSON ({error}); fetch the model again") from None
    found = kept.get("chat_template") if isinstance(kept, dict) else None
    if isinstance(found, list):
        # Several by name, as tokenizers with a template for tools have them.
        found = {str(one.get("name")): one.get("template") for one in found if isinstance(one, dict)}
    if isinstance(found, dict):
        found = found.get("default")
    return found if isinstance(found, str) and found else None


def adopt_template(tokenizer: Any, directory: Path) -> Any:
    """The tokenizer, with the model's template also where transformers looks for it in a processor alone."""
    if isinstance(tokenizer.chat_template, dict) or not tokenizer.chat_template:
        tokenizer.chat_template = template_of(directory)
    return tokenizer


def looks_chatty(name: str) -> bool:
    """Whether a model's name says that it was tuned to a chat template."""
    return _CHATTY.search(name) is not None


def chat(tokenizer: Any, content: str) -> str:
    """A user's message as the model's template writes it, up to where the model answers, on a fixed day.

    Raises `ModelError` for a template that cannot be used for that.
    """
    try:
        text: str = tokenizer.apply_chat_template(
            [{"role": "user", "content": content}],
            tokenize=False,
            add_generation_prompt=True,
            date_string=TODAY.strftime("%d %b %Y"),
            strftime_now=TODAY.strftime,
        )
    except Exception as error:  # a template is a program of its own, with errors of its own
        raise ModelError(f"the model's chat template cannot be used ({error}); write prompt: plain") from None
    return text
