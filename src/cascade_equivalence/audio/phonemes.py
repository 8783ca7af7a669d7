"""English text → the phoneme alphabet that Kokoro was trained on.

espeak-ng does the pronunciation; its IPA is rewritten into the alphabet of misaki, Kokoro's own front end
(one letter per diphthong and affricate; table after `misaki/espeak.py`, Apache-2.0). Punctuation marks stay
in the string because they are tokens of the model and shape its prosody.

espeak-ng is loaded as a shared library at run time, from the `espeakng-loader` package of the `[speech]`
extra; nothing of it is part of this package.
"""

from __future__ import annotations

import ctypes
import re
import unicodedata
from functools import lru_cache
from typing import Any

from cascade_equivalence.errors import ModelError

MARKS = ";:,.!?…—"
"""Punctuation that is handed to the model as it stands."""

_TIE = "^"
_UTF8 = 1
_RETRIEVAL = 1
"""espeak's AUDIO_OUTPUT_RETRIEVAL: no sound device is opened."""
_DONT_EXIT = 0x8000
"""A missing data directory is reported, instead of ending the process."""
_BRITISH_VOICE = "gmw/en"
_AMERICAN_VOICE = "gmw/en-US"
"""espeak's voice files; its British English carries the plain name."""
_IPA_WITH_TIE = 0x02 | 0x80 | (ord(_TIE) << 8)

# Longest pattern first: "ʔˌn" has to be seen before "ʔ".
_TO_MISAKI = sorted(
    {
        "\u0303": "",
        "a^ɪ": "I",
        "a^ʊ": "W",
        "d^ʒ": "ʤ",
        "e^ɪ": "A",
        "e": "A",
        "t^ʃ": "ʧ",
        "ɔ^ɪ": "Y",
        "ə^l": "ᵊl",
        "ɚ": "əɹ",
        "r": "ɹ",
        "x": "k",
        "ç": "k",
        "ɬ": "l",
        "ʔˌn\u0329": "tᵊn",
        "ʔn\u0329": "tᵊn",
        "ʔn": "tᵊn",
        "ʔ": "t",
        "ʲO": "jO",
        "ʲQ": "jQ",
        "ʲ": "",
    }.items(),
    key=lambda pair: -len(pair[0]),
)
_ARTICLE = "\0"
_VOWELS = "AIOQWYaiuæɑɐɒɔəɛɜɪʊʌᵻ"
# Before the table, which turns every e into A.
_BRITISH = (("e^ə", "ɛː"), ("i^ə", "ɪə"), ("iə", "ɪə"), ("ə^ʊ", "Q"))
_AMERICAN = (("o^ʊ", "O"), ("ɹɹ", "ɹ"), ("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("ɪə", "iə"), ("ː", ""), ("ɾ", "T"))

_ABBREVIATIONS = {
    "Mr.": "Mister",
    "Mrs.": "Missus",
    "Ms.": "Miz",
    "Dr.": "Doctor",
    "St.": "Saint",
    "etc.": "et cetera",
}
_LOOK_ALIKES = str.maketrans({"’": "'", "‘": "'", "“": " ", "”": " ", '"': " ", "–": "—", "(": ",", ")": ","})
# A mark counts only at the end of a word: "3.5" and "10,000" are left to espeak.
_MARK = re.compile(rf"\s*([{re.escape(MARKS)}]+)(?=\s|$)\s*|\s*(—)\s*")


@lru_cache(maxsize=1)
def _library() -> Any:
    """The espeak-ng library, initialised once per process (it keeps global state)."""
    try:
        import espeakng_loader
    except ImportError as error:
        raise ModelError(
            "speaking text needs espeakng-loader, which is not installed: pip install 'cascade-equivalence[speech]'"
        ) from error
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
    data = str(espeakng_loader.get_data_path()).encode()
    if library.espeak_Initialize(_RETRIEVAL, 0, data, _DONT_EXIT) <= 0:
        raise ModelError("espeak-ng could not be initialised: reinstall espeakng-loader")
    return library


def _espeak(text: str, language: str) -> str:
    """IPA of one stretch of text without punctuation, diphthongs and affricates tied by `^`."""
    library = _library()
    if library.espeak_SetVoiceByName(language.encode()) != 0:
        raise ModelError(f"espeak-ng has no voice named {language!r}")
    rest = ctypes.c_char_p(text.encode())
    parts: list[str] = []
    while rest.value:  # one call reads one clause and moves the pointer behind it
        part = library.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, _IPA_WITH_TIE)
        parts.append((part or b"").decode())
    return " ".join(filter(None, (part.strip() for part in parts)))


def _to_misaki(ipa: str, british: bool) -> str:
    for old, new in _BRITISH if british else ():
        ipa = ipa.replace(old, new)
    for old, new in _TO_MISAKI:
        ipa = ipa.replace(old, new)
    ipa = re.sub("(\\S)\u0329", "ᵊ\\1", ipa).replace("\u0329", "")
    for old, new in () if british else _AMERICAN:
        ipa = ipa.replace(old, new)
    ipa = re.sub(r"(?<!\S)ɐ(?=[nm]?(?!\S))", _ARTICLE, ipa).replace("ɐ", "ə").replace(_ARTICLE, "ɐ")
    ipa = re.sub(r"(?<!\S)I(?!\S)", "ˌI", ipa)
    return ipa.replace(_TIE, "").replace("_", "").replace("-", "")


def _stress_first(phonemes: str) -> str:
    """Secondary stress on an unstressed first word, as misaki gives to capitalised words.

    Without it Kokoro swallows short words at the start: "I had no idea" came out as "had no idea".
    """
    first, space, rest = phonemes.partition(" ")
    if not set(first) & set("ˈˌ"):
        first = re.sub(f"([{_VOWELS}])", "ˌ\\1", first, count=1)
    return first + space + rest


def phonemize(text: str, *, british: bool = False) -> str:
    """Text to phonemes, e.g. `"Hello, world!"` → `"həlˈO, wˈɜɹld!"`.

    The punctuation marks in `MARKS` are kept where they stand; other signs (quotes, brackets) become pauses
    or nothing.
    """
    text = unicodedata.normalize("NFKC", text.replace("…", "\0")).replace("\0", "…").translate(_LOOK_ALIKES)
    for short, long in _ABBREVIATIONS.items():
        text = re.sub(rf"(?<!\w){re.escape(short)}", long, text)
    language = _BRITISH_VOICE if british else _AMERICAN_VOICE
    phonemes = ""
    start = 0
    for found in [*_MARK.finditer(text), None]:
        words = text[start : found.start() if found else len(text)].strip()
        if words:
            spoken = _to_misaki(_espeak(words, language), british)
            separator = " " if phonemes else ""
            phonemes += separator + (_stress_first(spoken) if words[0].isupper() else spoken)
        if found:
            phonemes += found.group(1) or found.group(2)
            start = found.end()
    return phonemes.strip()
