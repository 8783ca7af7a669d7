"""Cleaning: from a data set's own way of writing to words that can be spoken. Pure functions on strings."""

from __future__ import annotations

import contextlib
import html
import re

_ENTITY = re.compile(r"(?:&|(?:^| |(?<=[^\w&]))(?=#|[a-z]))(#\d+|quot|amp|lt|gt|apos|nbsp);")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|</?[A-Za-z][^<>]*=[^<>]*$")
_LINK = re.compile(r"<a\s[^<>]*>\s*[\w.^=-]{1,12}\s*</a>", re.IGNORECASE)
_SOURCE = re.compile(r"<font\b[^<>]*>\s*(?:<\w+>\s*)*-?[\w .]*(?:</\w+>\s*)*</font>", re.IGNORECASE)
_OFFERS = "Quotes?|Chart|Profile|Research|Estimates|News"
_QUOTE_LINKS = re.compile(rf"\((?:[\w.^=-]+:\s*)?(?:{_OFFERS})(?:,\s*(?:{_OFFERS}))+\)|\([\w.^=-]+:\s*(?:{_OFFERS})\)")
_LISTED = re.compile(r"\(\s*(?:nyse|nasdaq|amex|otc)\b[^()]*\)", re.IGNORECASE)
_REVISION = re.compile(r"(?:^|(?<=\s))UPDATE \d+\s*-\s*")
_TICKER = re.compile(r"\(\s*[A-Z0-9]{1,6}\.[A-Z]{1,3}\s*\)")
_UPDATE = re.compile(r"\(\s*Update\s*\d+\s*\)", re.IGNORECASE)
_BYLINE = re.compile(r"\bBy [A-Z]{2,}(?: [A-Z][A-Z.]*)*\s{2,}")
_URL = re.compile(r"https?://\S+")
_NAMES = (
    "Reuters|AP|AFP|CP|UPI|KRT|Canadian Press|CBS\\.MW|Sports Network|Dow Jones|Bloomberg|NewsFactor|"
    "washingtonpost\\.com|"
    "SPACE\\.com|PC World|SiliconValley\\.com|USATODAY\\.com|InfoWorld|Forbes\\.com|FT\\.com|Ziff Davis|MacCentral|"
    "TheDeal\\.com|CNN/Money|CNN|Xinhua|TechWeb|The Motley Fool|Getty Images|Associated Press|IDG News Service|"
    "Ticker|AP Online|Rtr|PA|BBC|Investor's Business Daily|OfficialWire"
)
_SAID_TWICE = re.compile(r"\s*\(([^()]{2,30})\)\s+\1\s*-{1,2}\s*")
_DATELINE = re.compile(rf"\s*\((?:{_NAMES})\)\s*[-:]{{1,2}}\s*")
_CAPITAL_DATELINE = re.compile(r"(?<=[A-Z]{2})\s*\([A-Z][\w./& ]{1,24}\)\s*-{1,2}\s*")
_TAGGED = re.compile(rf"\s*\((?:{_NAMES})\)")
_LEADING = re.compile(rf"(^|[.!?]\s+)(?:{_NAMES})\s+-{{1,2}}\s+")

_BARE = re.compile(r"\s+(?:AP|AFP|Reuters)\s+-{1,2}\s+")


def spaced(text: str) -> str:
    """Single spaces, none before punctuation, no doubled stops."""
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r" +(?=[,;:!?](?:\s|$)|\.(?:\s|$))", "", text)
    text = re.sub(r"(?<=[(\[]) +| +(?=[)\]])", "", text)
    text = re.sub(r"([!?])\s*\.(?=\s|$)", r"\1", text)
    text = re.sub(r"(?<!\.)\.\s+\.(?=\s|$)", ".", text)
    return text.strip()


_MISREAD = re.compile(r"[Ââã-ï][\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]{1,3}|Ã[\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]")


def _reread(found: re.Match[str]) -> str:
    with contextlib.suppress(UnicodeError):
        return found.group().encode("cp1252").decode("utf-8")
    return found.group()


def straight(text: str) -> str:
    """Quotation marks, apostrophes and dashes as they are typed; UTF-8 that was read as Windows-1252 is repaired."""
    text = _MISREAD.sub(_reread, text)
    # Bytes of Windows-1252 that were read as Latin-1 are control characters, never meant.
    text = "".join(bytes([ord(c)]).decode("cp1252", "ignore") if 0x80 <= ord(c) < 0xA0 else c for c in text)
    for old, new in (("‘", "'"), ("’", "'"), ("´", "'"), ("`", "'"), ("“", '"'), ("”", '"'), ("…", "...")):
        text = text.replace(old, new)
    text = re.sub(r"(?<=[a-z])Õ(?=[a-z])", "'", text)  # Mac OS Roman
    return re.sub(r"\s*(?:[—–]|(?<!-)--+(?!-))\s*", " - ", text).replace("\u00a0", " ")


def news(text: str) -> str:
    """A story of AG News: its title and body, joined by a space in the data set.

    Undone: characters escaped twice over (` #39;`, `quot;`, `&lt;`), backslashes for line ends, markup. Removed: agency
    tags, stock tickers and what links them, bylines. Where an agency tag stands between title and body, a full stop
    stands there instead; elsewhere the place where they meet is not known.
    """
    text = re.sub(r"\\+(?=[$\"#&])", "", text).replace("\\", " ")
    for _ in range(2):  # `&amp;lt;` is there too
        text = _ENTITY.sub(lambda found: html.unescape(f"&{found.group(1)};"), text)
    text = _TAG.sub(" ", _SOURCE.sub(" ", _LINK.sub(" ", text)))
    for pattern in (_QUOTE_LINKS, _LISTED, _TICKER, _UPDATE, _REVISION, _URL):
        text = pattern.sub(" ", text)
    text = _BYLINE.sub(". ", text)
    text = _SAID_TWICE.sub(". ", text)
    text = _DATELINE.sub(". ", text)
    text = _CAPITAL_DATELINE.sub(". ", text)
    text = _TAGGED.sub("", text)
    text = _LEADING.sub(r"\1", text)
    text = _BARE.sub(". ", text)
    text = re.sub(r"\s*[<>]+\s*", ", ", re.sub(r"[*=]{2,}", " ", text))
    return spaced(straight(text)).lstrip(".,:- ")


_JOINED = re.compile(r"^(?:n't|'(?:s|re|ve|ll|d|m))$", re.IGNORECASE)
_AFTER = frozenset({",", ".", ";", ":", "!", "?", "%", ")", "]", "}", "...", "..", "!!", "?!", "!?"})
_BEFORE = frozenset({"(", "[", "{", "$", "#", "£"})
_WORDS = {"-lrb-": "(", "-rrb-": ")", "-lsb-": "[", "-rsb-": "]", "-lcb-": "{", "-rcb-": "}"}
_SPLIT_WORDS = re.compile(r"\b(gon|wan|got|gim|lem|can) (na|na|ta|me|me|not)\b", re.IGNORECASE)


def detokenised(text: str) -> str:
    """A sentence of SST-2 with its Penn Treebank tokens joined as they are written."""
    out: list[str] = []
    glue = True  # whether the next token joins the one before
    double, single = False, False

    def add(token: str, joined: bool) -> None:
        if out and joined:
            out[-1] += token
        else:
            out.append(token)

    words = [_WORDS.get(word.lower(), word) for word in re.sub(r"\\([/*])", r"\1", text).split()]
    for at, word in enumerate(words):
        following = words[at + 1] if at + 1 < len(words) else ""
        if word in ("``", '"', "''"):
            opens = word == "``" or (word == '"' and not double)
            double = opens
            add('"', glue or not opens)
            glue = opens
        elif word == "`":
            single = True
            add("'", glue)
            glue = True
        elif word == "'":
            possessive = bool(out) and out[-1][-1:].lower() == "s" and not single
            closes = single or possessive or not following
            single = single and not closes
            add("'", glue or closes)
            glue = not closes
        else:
            add(word, glue or word in _AFTER or bool(_JOINED.match(word)))
            glue = word in _BEFORE or word == "/"
            if word == "/" and len(out) > 1 and out[-1] == "/":
                out[-2:] = [out[-2] + "/"]
    return spaced(straight(re.sub(_SPLIT_WORDS, r"\1\2", " ".join(out))))


def question(text: str) -> str:
    """A question as it is asked: doubled and stray outer quotation marks undone."""
    text = straight(text).strip()
    if re.fullmatch(r'".*"".*"', text):  # left over from a CSV file
        text = text[1:-1]
    text = text.replace('""', '"')
    if text.count('"') % 2:
        text = text.strip('"') if text.strip('"').count('"') % 2 == 0 else text
    return spaced(text)


_STAGE = re.compile(r"\s*[(\[][^()\[\]]*[)\]]\s*")
_UNCLOSED = re.compile(r"(?<=[.!?])\s*[(\[][^()\[\]]*$")


def line(text: str) -> str:
    """A line of a script: stage directions in brackets removed, dashes and quotation marks as they are typed."""
    text = straight(text)
    bare = _UNCLOSED.sub("", _STAGE.sub(" ", text))
    text = bare if re.search(r"\w", bare) else text  # a line that is one stage direction stays
    return spaced(text.replace("|", " "))
