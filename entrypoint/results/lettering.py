"""Class names in letters that the drawing library has: what it would show as `?` is spelled in Latin letters."""

import re
import unicodedata
from functools import cache, lru_cache

import cv2
import numpy as np

_FONT, _SCALE, _SIDE = cv2.FONT_HERSHEY_SIMPLEX, 0.6, 64
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn")
# What the name of a letter says beside its sound.
_WORDS = {"LETTER", "CHARACTER", "SYLLABLE", "SMALL", "CAPITAL", "VOWEL", "SIGN", "INDEPENDENT", "SARA", "MAI", "DIGIT"}
_SILENT = re.compile("VIRAMA|NUKTA|THANTHAKHAT|MAI (EK|THO|TRI|CHATTAWA)|MAITAIKHU|TONE|SELECTOR")
_NAMED_BY_CONSONANT = ("THAI", "LAO")
_NAMED_BY_WORD = ("GEORGIAN", "ARMENIAN")


@lru_cache(4096)
def drawable(text: str, otherwise: str) -> str:
    """The text with every letter drawable: emoji by their names, scripts without glyphs by the sounds of their letters.

    `otherwise`, which is plain, where nothing of it is left.
    """
    if text.isascii() and text.isprintable():
        return text
    spelled = ""
    for letter in unicodedata.normalize("NFC", text):
        if letter.isspace():
            spelled += " "
        elif _has_glyph(letter):
            spelled += letter
        else:
            if re.search("VIRAMA|VOWEL SIGN", unicodedata.name(letter, "")):
                spelled = spelled.removesuffix("a")  # the vowel that a consonant has by itself
            spelled += _spelled(letter)
    words = spelled.split()
    return " ".join(word for word, before in zip(words, ["", *words], strict=False) if word != before) or otherwise


@cache
def _has_glyph(letter: str) -> bool:
    if unicodedata.category(letter) in _UNSEEN:
        return False
    return letter == "?" or letter.isspace() or not np.array_equal(_drawn(letter), _drawn("?"))


def _drawn(letter: str) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    canvas = np.zeros((_SIDE, _SIDE), np.uint8)
    cv2.putText(canvas, letter, (8, 48), _FONT, _SCALE, 255, 1)
    return canvas


def _spelled(letter: str) -> str:
    """A letter without a glyph, by its name in Unicode: DEVANAGARI LETTER KA is ka, THAI CHARACTER KHO KHAI kh."""
    if unicodedata.category(letter) in _UNSEEN:
        return ""
    name = unicodedata.name(letter, "")
    if unicodedata.category(letter).startswith("S"):
        return f" {name.lower()} "
    script, *words = name.split() or [""]
    if _SILENT.search(name):
        return ""
    sound = next((word.lower() for word in words if word not in _WORDS), "").replace("han-akat", "a")
    if script in _NAMED_BY_WORD:
        return sound[:1]
    return sound.removesuffix("o") if script in _NAMED_BY_CONSONANT and "SARA" not in words else sound
