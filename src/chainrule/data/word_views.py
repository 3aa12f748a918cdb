"""Views of a word: what a channel sees of it, and the ways to write it that a table of vectors may have."""

from __future__ import annotations

import html
import re
import string
from collections.abc import Iterator, Sequence

_DIGIT = re.compile(r"\d")
_THREE_OR_MORE, _TWO_OR_MORE = re.compile(r"(.)\1{2,}"), re.compile(r"(.)\1+")
_ADDRESS = re.compile(r"(https?:|www\.)", re.IGNORECASE)


def normalised(form: str, lower: bool = True, digits: bool = True) -> str:
    """A word in lower case and with every digit as 0, so that 1984 and 2001 are one word.

    >>> normalised("May"), normalised("31st"), normalised("USA", lower=False)
    ('may', '00st', 'USA')
    """
    word = form.lower() if lower else form
    return _DIGIT.sub("0", word) if digits else word


def shape(form: str) -> str:
    """The kinds of a word's characters, of a run of one kind the first three.

    >>> shape("Obama"), shape("2,000"), shape("e-mail"), shape("ABCDE")
    ('Xxxx', 'd,ddd', 'x-xxx', 'XXX')
    """
    found: list[str] = []
    for character in form:
        kind = character
        if character.isalpha():
            kind = "X" if character.isupper() or character.istitle() else "x"
        elif character.isdigit():
            kind = "d"
        if found[-3:] != [kind] * 3:
            found.append(kind)
    return "".join(found)


def capitals(form: str) -> str:
    """Where the capitals of a word are.

    >>> [capitals(form) for form in ("the", "The", "THE", "iPod", "I", "3.5")]
    ['none', 'first', 'all', 'mixed', 'first', 'no letter']
    """
    letters = [character for character in form if character.isalpha()]
    if not letters:
        return "no letter"
    upper = [not character.islower() and character != character.lower() for character in letters]
    if not any(upper):
        return "none"
    if all(upper) and len(upper) > 1:
        return "all"
    return "first" if upper[0] and not any(upper[1:]) else "mixed"


def sentence_capitals(words: Sequence[str]) -> str:
    """How many of a sentence's words begin with a capital, those without a letter in front aside.

    Texts that people type have sentences without any, headlines and shouting; what a capital says of one
    word depends on the others.

    >>> [sentence_capitals(text.split()) for text in ("i saw ann", "I saw Ann Lee", "I SAW ANN")]
    ['none', 'most', 'shouted']
    >>> sentence_capitals([":-)"])
    'none'
    """
    lettered = [word for word in words if word[:1].isalpha()]
    if 2 * sum(len(word) > 1 and word.isupper() for word in lettered) > len(lettered):
        return "shouted"
    share = sum(word[0].isupper() for word in lettered) / max(len(lettered), 1)
    return next(name for name, least in _SHARES if share >= least)


_SHARES = (("all", 0.8), ("most", 0.5), ("many", 0.3), ("some", 0.15), ("few", 0.001), ("none", 0.0))


def spellings(form: str) -> Iterator[str]:
    """Ways to write a word, as people type it and as dictionaries have it: the likelier first.

    As it stands; in lower case; with HTML's ``&amp;`` and the like read; without the signs at its ends, of
    which # and @ are two; with lengthened letters twice, then once; with digits as 0; an address of the web
    as ``http``.

    >>> list(dict.fromkeys(spellings("#Cooool")))
    ['#Cooool', '#cooool', 'cooool', 'cool', 'col']
    >>> "i'm" in spellings("*I'm"), "http" in spellings("http://a.b/c"), "<" in spellings("&lt;")
    (True, True, True)
    """
    yield form
    yield (word := form.lower())
    yield (word := html.unescape(word))
    if _ADDRESS.match(word):
        yield "http"
        return
    yield (bare := word.strip(string.punctuation) or word)
    yield _THREE_OR_MORE.sub(r"\1\1", bare)
    yield _TWO_OR_MORE.sub(r"\1", bare)
    yield _DIGIT.sub("0", bare)
