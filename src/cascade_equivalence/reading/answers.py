"""Which of some named answers a free text states; None where that is unclear. Read, never guessed.

Thinking is left out. Then the first of these that is there decides: a boxed answer, the last one; the last statement
("the answer is B", "Answer: B"); a last line that is nothing but an answer; an answer at the start, before its reasons;
the only answer that is mentioned. A mention under "not" is none; of two answers in one place ("A or B"), or an answer
that is called wrong with no other stated, none is taken. The letters A and I are words of English: in a sentence they
count only where they stand as an option does.
"""

from __future__ import annotations

import json
import re
import string
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_THOUGHT = re.compile(r"<(think|thinking|thought|reasoning|reflection)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_THOUGHT_END = re.compile(r"^.*</(?:think|thinking|thought|reasoning|reflection)>", re.DOTALL | re.IGNORECASE)
_THOUGHT_START = re.compile(r"<(?:think|thinking|thought|reasoning|reflection)>.*$", re.DOTALL | re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\s*\{\s*(?:\\(?:text|textbf|mathrm|mathbf)\s*\{)?\s*([^{}]*?)\s*\}")
_STATES = re.compile(
    r"(?P<before>[\w'’]+\s+)?\b(?:answer|choice|option|label|conclusion)\b\**\s*(?:\([^()\n]{0,30}\)\s*)?"
    r"(?:(?:to|for|of|here|in)\b[^.:\n]{0,40}?)?"
    r"(?:\bis\b|\bwould\s+be\b|\bshould\s+be\b|\bmust\s+be\b|\bwill\s+be\b|:|=|->|→)\s*:?",
    re.IGNORECASE,
)
_FILLER = re.compile(
    r"(?:[\s\"'“”‘’`(\[{*_$#:]|\\\w+\s*\{|(?:the|option|choice|letter|answer|most|likely|therefore|thus|indeed|definitely|"
    r"clearly|probably|certainly|obviously|simply|just|really|surely|\w+ly)\b)*",
    re.IGNORECASE,
)
_NOT_THE_ANSWER = frozenset(
    "wrong incorrect false bad other another no not worst poor previous which what an".split()  # noqa: SIM905
)
_NEGATED = re.compile(
    r"(?:\b(?:not|never|neither|nor|nothing|cannot|can't|without|hardly|barely|except|unlike|anything but|far from|"
    r"lack(?:s|ed|ing)?|(?:free|devoid|absence|instead) of|no longer|(?:rather|other|more|less) than|opposed to|"
    r"(?:is|are|was|do|does|did|wo|would|could|should)n['’]?t|rule[sd]? out|exclude[sd]?|eliminate[sd]?|"
    r"reject(?:s|ed)?)\b"
    r"(?P<between>[^.,;:!?\n()]*)"
    r"|\bno\s+(?:\w+\s+)?|\b(?:non|un)[-\s])[\s\"'“‘(\[*_]*$",
    re.IGNORECASE,
)
_CALLED_WRONG = re.compile(
    r"[)\]\"'”’*_]*\s*(?:is|are|was|were|seems?|looks?|can(?:not|['’]t| not)\s+be|would be|must be)?\s*(?:\w+ly\s+)?"
    r"(?:(?:is|are|was|were|would)\s*(?:not|n['’]t)|isn['’]?t|aren['’]?t|wrong|incorrect|false|not\b|cannot|can['’]?t|"
    r"impossible|unlikely|excluded|ruled out|out\b|eliminated)",
    re.IGNORECASE,
)
_LISTED = re.compile(
    r"[)\]\"'”’*_.]*\s*(?:/|&|\||\bor\b|\band\b|\bas well as\b|,\s*(?:or\b|and\b|as well as\b)?)\s*[(\[\"'“‘*_]*",
    re.IGNORECASE,
)
# "B. No, wait: C" takes back what stands before it.
_TAKEN_BACK = re.compile(
    r"[.,;:!?\n–—-]\s*(?:oh\s+|but\s+)?(?:no\b(?=[,.!:–—-])|wait\b|actually\b|sorry\b|scratch that\b|correction\b|"
    r"i mean(?:t)?\b|or rather\b|on (?:second thoughts?|reflection)\b)",
    re.IGNORECASE,
)
_HEADED = re.compile(
    r"[\W_]*(?:\w+\s+){0,2}?(?:sentiment|emotion|feeling|topic|category|class|intent|prediction|verdict)\b[\W_]*?[:=]",
    re.IGNORECASE,
)
_ASKED = re.compile(r"[^.!?\n]{0,200}\?")
_AFTER_A = frozenset("because since as is are was or and which would seems appears so for due".split())  # noqa: SIM905
_EDGE = string.punctuation + "“”‘’„«»·•–—… \t\n"
_MOST = 20_000


def stated_name(said: str, names: Mapping[str, str]) -> str | None:
    """The label that a text states. names: how an answer may be written → its label, without case and outer marks.

    Returns None where no answer or more than one is stated.
    """
    known = _Names(names)
    text = without_thought(said)
    value = _from_json(text)
    if value is not None:
        text = value
    text = unicodedata.normalize("NFC", text)
    if len(text) > _MOST:  # an answer stands at one of its ends
        text = f"{text[: _MOST // 2]}\n{text[-_MOST // 2 :]}"
    if (whole := known.whole(text)) is not None:
        return whole
    if boxed := _BOXED.findall(text):
        return known.short(boxed[-1])
    mentions = list(known.mentions(text))
    if len({m.label for m in mentions}) > 1 and _is_a_list(text, mentions):
        return None
    found, decided = _last_statement(text, known)
    if decided:
        return found
    lines = [line for line in text.splitlines() if line.strip(_EDGE)]
    first, last = (known.line(lines[0]), known.line(lines[-1])) if lines else (None, None)
    if last is not None and len(lines) > 1:
        return last if first in (None, last) else None
    if first is not None:
        return first
    if (start := _at_start(text, mentions)) is not None:
        return start.label if not (_contradicted(text, start, known) or _taken_back(text, start, known)) else None
    sure = {m.label for m in mentions if not (m.negated or m.asked)}
    wrong = any(m.wrong for m in mentions) or _states_a_wrong_one(text)
    return sure.pop() if len(sure) == 1 and not wrong else None


def stated_letter(said: str) -> str | None:
    """The letter A … J that a free response states as its answer, or None."""
    return stated_name(said, {letter: letter for letter in "ABCDEFGHIJ"})


def without_thought(said: str) -> str:
    """A text without what stands between thinking tags, or before a closing or after an opening one left alone."""
    if "<" not in said:
        return said
    return _THOUGHT_START.sub("", _THOUGHT_END.sub("", _THOUGHT.sub("", said)))


def boxed(said: str) -> str | None:
    r"""What stands in the last \boxed{…}, if there is one."""
    found = _BOXED.findall(said)
    return found[-1] if found else None


@dataclass(frozen=True, slots=True)
class _Mention:
    label: str
    start: int
    end: int
    negated: bool
    wrong: bool
    asked: bool


class _Names:
    def __init__(self, names: Mapping[str, str]) -> None:
        found: dict[str, str | None] = {}
        for name, label in names.items():
            for written in {_folded(name), _folded(name).strip(_EDGE)} - {""}:
                # A name of two labels names neither.
                found[written] = label if found.get(written, label) == label else None
        self._labels = {name: label for name, label in found.items() if label is not None}
        longest = sorted(self._labels, key=len, reverse=True)
        words = "|".join(r"\s+".join(map(re.escape, name.split())) for name in longest)
        self._any = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE) if words else None

    def whole(self, text: str) -> str | None:
        said = _folded(text)
        if (label := self._labels.get(said)) is not None:
            return label
        return self._labels.get(said.strip(_EDGE))

    def line(self, text: str) -> str | None:
        """The answer that a line is, alone or under a heading ("Emotion: joy")."""
        if (label := self.whole(text)) is not None or (head := _HEADED.match(text)) is None:
            return label
        words = set(re.findall(r"\w+", head.group().lower()))
        return None if words & _NOT_THE_ANSWER else self.whole(text[head.end() :])

    def short(self, text: str) -> str | None:
        """The answer that a few words are: whole, or a letter with its text ("B. dog")."""
        if (label := self.whole(text)) is not None:
            return label
        start = _at_start(text, list(self.mentions(text)))
        return None if start is None or _contradicted(text, start, self) else start.label

    def mentions(self, text: str) -> Iterator[_Mention]:
        for found in self._any.finditer(text) if self._any else ():
            start, end = found.span()
            if _is_word_of_english(text, start, end):
                continue
            yield _Mention(
                label=self._labels[_folded(found.group())],
                start=start,
                end=end,
                negated=_is_negated(text[max(0, start - 60) : start]),
                wrong=_CALLED_WRONG.match(text, end) is not None,
                asked=_ASKED.match(text, end) is not None,
            )

    def at(self, text: str, start: int) -> _Mention | None:
        """The mention that starts at a place of the text."""
        found = self._any.match(text, start) if self._any else None
        if found is None or _is_word_of_english(text, *found.span(), stated=True):
            return None
        end = found.end()
        label, wrong = self._labels[_folded(found.group())], _CALLED_WRONG.match(text, end) is not None
        return _Mention(label, start, end, False, wrong, _ASKED.match(text, end) is not None)


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).lower().split())


def _is_a_list(text: str, mentions: list[_Mention]) -> bool:
    """Whether a text is nothing but answers one after the other: the options repeated."""
    ends = [0, *(m.end for m in mentions)]
    starts = [*(m.start for m in mentions), len(text)]
    between = [text[end:start] for end, start in zip(ends, starts, strict=True)]
    return not any(part.strip(_EDGE) or "\n" in part.strip(" ") for part in between)


def _is_negated(before: str) -> bool:
    found = _NEGATED.search(before)
    if found is None:
        return False
    between = (found.group("between") or "").split()
    return len(between) <= 4 and not {"but", "and", "or", "so", "sure", "only"} & {word.lower() for word in between}


def _is_word_of_english(text: str, start: int, end: int, stated: bool = False) -> bool:
    """Whether what reads like an option is a word: "a dog", "I think", "no idea", a letter in lower case."""
    word, after = text[start:end], text[end:]
    if word.lower() == "no":
        return after[:1].isspace() and after.lstrip()[:1].isalpha() and not after.startswith("\n")
    if len(word) != 1 or not word.isalpha():
        return False
    closed = after.lstrip(" \"'”’*_")[:1]
    free = closed == "" or closed in ".,;:!?)]}\n/&|$-–—>"
    before = text[max(0, start - 2) : start]
    bracketed = before[-1:] in "([{\"'“‘*_$" and before[-1:] != "" and after[:1] != " "
    if word.islower():
        return not ((stated and free) or (bracketed and free))
    if bracketed:
        return False
    if word == "I":
        return not (stated and free) and not (free and closed in ".):" and start == 0)
    if word == "A":
        following = re.match(r"\s*([A-Za-z]+)", after)
        behind = following.group(1) if following else ""
        if len(behind) == 1 and behind.isupper():  # "A B": options one after the other
            return False
        return not free and behind.lower() not in _AFTER_A
    return after[:1] in "'’" and after[1:2].isalpha()


def _last_statement(text: str, known: _Names) -> tuple[str | None, bool]:
    """The label of the last statement, and whether there was one: two options in it decide for none."""
    result: tuple[str | None, bool] = None, False
    for found in _STATES.finditer(text):
        before = (found.group("before") or "").strip().lower()
        if before in _NOT_THE_ANSWER:
            continue
        start = _FILLER.match(text, found.end()).end()  # type: ignore[union-attr]
        mention = known.at(text, start)
        if mention is None or mention.asked or mention.wrong:
            continue
        unclear = _contradicted(text, mention, known) or _taken_back(text, mention, known)
        result = (None if unclear else mention.label), True
    return result


def _states_a_wrong_one(text: str) -> bool:
    return any((found.group("before") or "").strip().lower() in _NOT_THE_ANSWER for found in _STATES.finditer(text))


def _contradicted(text: str, mention: _Mention, known: _Names) -> bool:
    """Whether another answer is listed beside a mention ("A or B"), or stands behind a letter as its text."""
    listed = _LISTED.match(text, mention.end)
    if listed is not None:
        other = known.at(text, listed.end())
        comma = "," in listed.group() and not re.search(r"\b(?:or|and|as)\b", listed.group(), re.IGNORECASE)
        if other is not None and other.label != mention.label:
            rest = text[other.end :].lstrip(")]\"'*_ ")
            return not comma or rest == "" or rest[0] in ".,;\n/&" or rest.lower().startswith(("or ", "and ", "are "))
    behind = re.match(r"[)\].:,\-–—\s]*", text[mention.end :])
    rest = text[mention.end + (behind.end() if behind else 0) :].split("\n", 1)[0]
    other_label = known.whole(re.sub(r"^(?:an?|the)\s+", "", rest, flags=re.IGNORECASE))
    return other_label is not None and other_label != mention.label


def _taken_back(text: str, mention: _Mention, known: _Names) -> bool:
    """Whether a mention is corrected right behind it, and another answer follows."""
    rest = text[mention.end :]
    found = _TAKEN_BACK.search(rest, 0, 200)
    if found is None:
        return False
    return any(m.label != mention.label and not m.negated and not m.wrong for m in known.mentions(rest[found.end() :]))


def _at_start(text: str, mentions: list[_Mention]) -> _Mention | None:
    """An answer that stands first, with its reasons behind it: "Sports, because …", "B) the dog"."""
    if not mentions or mentions[0].negated or mentions[0].wrong or mentions[0].asked:
        return None
    first = mentions[0]
    if text[: first.start].strip(_EDGE):
        return None
    after = text[first.end :]
    reason = re.match(
        r"[)\]}\"'”’*_]*(?:\s*[.,:;!)\]–—\n-]|\s+(?:because|since|as|for|due)\b|\s*\(|$)", after, re.IGNORECASE
    )
    return first if reason else None


def _from_json(answer: str) -> str | None:
    """The answer inside a JSON text, if it is one."""
    text = answer.strip().removeprefix("```json").removeprefix("```").removesuffix("```").strip()
    if not text.startswith(("{", '"', "[")) or len(text) > _MOST:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    for _ in range(10):
        if not (isinstance(value, dict | list) and len(value) == 1):
            break
        value = next(iter(value.values())) if isinstance(value, dict) else value[0]
    if isinstance(value, dict):
        keyed = [v for k, v in value.items() if k.lower() in {"answer", "label", "final_answer", "final answer"}]
        value = keyed[0] if len(keyed) == 1 else None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value)


def from_json(answer: str) -> str:
    """The answer inside a JSON text; any other text as it is."""
    found = _from_json(answer)
    return answer if found is None else found
