"""Tokenizers: text to words or characters, and back to text that reads well."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

# Abbreviations that keep their full stop.
_ABBREVIATIONS = frozenset(
    str.split(
        "mr mrs ms dr prof st jr sr vs cf etc viz al inc corp co ltd approx dept est fig eq sec vol pp ed "
        "eds gen gov sen rep jan feb mar apr jun jul aug sep sept oct nov dec"
    )
)
# Those that a sentence may end with: it does where a capital follows.
_MAY_END = frozenset(["etc", "jr", "sr", "inc", "corp", "co", "ltd", "p.m", "a.m", "u.s"])
# Ordinary words, yet abbreviations where a number follows.
_BEFORE_NUMBERS = frozenset(["no", "nos", "ch", "p"])

# The order matters: the first alternative that fits wins.
_TOKEN = re.compile(
    r"""
      <\w+>                                         # <unk>, <eos>: symbols of a tokenised corpus
    | (?:https?|ftp)://[^\s<>"'`]*[\w/]             # an address
    | n['’]t\b | ['’](?:s|re|ve|ll|d|m)\b           # do n't, it 's: the second halves of contractions
    | (?:[a-z]\.){2,}                               # e.g., U.S.
    | (?:ABBREVIATIONS)\.(?!\w)                     # Mr., etc.
    | \d+(?:[.,:]\d+)*(?:e[+-]?\d+)?(?!\w|-\w)      # 3, 1,024.5, 12:30, 1e-5
    | \w+?(?=n['’]t\b)                              # the first half of don't
    | \w+(?:[-.&’'](?!(?<=['’])(?:s|re|ve|ll|d|m|t)\b)\w+)*  # word, built-in, os.path, o'clock, AT&T, 3rd
    | \.{2,} | -{2,} | `` | ''                      # ellipsis, dash, typed quotation marks
    | \S                                            # any other sign by itself
    """.replace("ABBREVIATIONS", "|".join(sorted(_ABBREVIATIONS))),
    re.VERBOSE | re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*(?:[eE][+-]?\d+)?")


class Tokenizer(Protocol):
    """Text to tokens and back."""

    def tokenize(self, text: str) -> list[str]:
        """The tokens of ``text`` in order."""
        ...

    def detokenize(self, tokens: Iterable[str]) -> str:
        """A text that reads well and has these tokens."""
        ...


@dataclass(frozen=True)
class WordTokenizer:
    """Splits English prose and documentation into words, numbers and punctuation.

    Contractions come apart as in the Penn Treebank (``do n't``, ``it 's``); abbreviations, hyphenated
    words, dotted names and addresses stay whole.  ``lower`` folds case; ``number`` is the symbol that
    replaces every number, or ``None`` to keep them.  Text that is already tokenised stays as it is.

    >>> words = WordTokenizer(lower=True, number="N")
    >>> words.tokenize("It doesn't cost $3.50 (e.g. see os.path).")
    ['it', 'does', "n't", 'cost', '$', 'N', '(', 'e.g.', 'see', 'os.path', ')', '.']
    >>> words.detokenize(_)
    "it doesn't cost $N (e.g. see os.path)."
    """

    lower: bool = False
    number: str | None = None

    def tokenize(self, text: str) -> list[str]:
        """The words, numbers and punctuation of ``text`` in order; white space separates and is dropped."""
        tokens = _TOKEN.findall(text.lower() if self.lower else text)
        if self.number is None:
            return tokens
        number, is_number = self.number, _NUMBER.fullmatch
        return [number if t[0].isdigit() and is_number(t) else t for t in tokens]

    def detokenize(self, tokens: Iterable[str]) -> str:
        """The tokens as a text that reads well: punctuation closed up, quotation marks paired."""
        parts: list[str] = []
        open_quotes: set[str] = set()
        glued = True  # nothing has to stand between the last token and the next
        for token in tokens:
            if token in _PAIRED:
                closing = token in open_quotes
                open_quotes ^= {token}
                parts.append(token if glued or closing else " " + token)
                glued = not closing
                continue
            closes = token in _CLOSING or _SECOND_HALF.fullmatch(token) is not None
            parts.append(token if glued or closes else " " + token)
            glued = token in _OPENING
        return "".join(parts).replace(" ()", "()")  # a call, as in os.getcwd()


_OPENING = frozenset(["(", "[", "{", "$", "£", "€", "#", "¿", "¡", "“", "‘", "``", "«", "@", "/"])
_CLOSING = frozenset([".", ",", ";", ":", "!", "?", ")", "]", "}", "%", "…", "”", "’", "''", "»", "...", "/"])
_PAIRED = frozenset(['"', "`", "'"])
_SECOND_HALF = re.compile(r"n['’]t|['’](?:s|re|ve|ll|d|m)", re.IGNORECASE)


@dataclass(frozen=True)
class CharacterTokenizer:
    """Every character (Unicode code point) is a token; ``lower`` folds case.

    >>> characters = CharacterTokenizer()
    >>> characters.tokenize("a b")
    ['a', ' ', 'b']
    >>> characters.detokenize(_)
    'a b'
    """

    lower: bool = False

    def tokenize(self, text: str) -> list[str]:
        """The characters of ``text`` in order, white space included."""
        return list(text.lower() if self.lower else text)

    def detokenize(self, tokens: Iterable[str]) -> str:
        """The characters joined: without ``lower`` exactly the text they came from."""
        return "".join(tokens)


_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")
_SENTENCE_END = re.compile(r"""(?<![.!?…])([.!?…]+)(["'”’)\]]*)\s+(?=["'“‘(\[`*]*([^\W_]))""")
_LAST_WORD = re.compile(r"(?<![\w.])(?:[^\W\d_]\.)*\w+$")


def split_sentences(text: str) -> list[str]:
    """The sentences of ``text``, one string each, line breaks inside them turned into spaces.

    A blank line always ends a sentence.  Otherwise ``. ! ? …``, with closing quotes or brackets, end
    one where a capital letter or a digit follows, except after an initial, a title (``Dr.``) or an
    abbreviation (``e.g.``).

    >>> split_sentences("Dr. Smith\\nleft at 3.15 p.m. today. Why? See e.g. Ch. 2.")
    ['Dr. Smith left at 3.15 p.m. today.', 'Why?', 'See e.g. Ch. 2.']
    """
    sentences: list[str] = []
    for paragraph in _PARAGRAPH.split(text):
        line = " ".join(paragraph.split())
        start = 0
        for match in _SENTENCE_END.finditer(line):
            if _ends_sentence(line, match):
                sentences.append(line[start : match.end(2)])
                start = match.end()
        if start < len(line):
            sentences.append(line[start:])
    return sentences


def _ends_sentence(line: str, match: re.Match[str]) -> bool:
    follows = match[3]
    if not (follows.isupper() or follows.isdigit()):
        return False
    if match[1] != ".":
        return True
    last = _LAST_WORD.search(line, max(0, match.start() - 24), match.start())
    if last is None:
        return True
    word = last[0].lower()
    if word in _MAY_END:
        return follows.isupper()
    if word in _BEFORE_NUMBERS:
        return not follows.isdigit()
    if len(word) == 1 and word.isalpha():
        return last[0] == "I" and follows.isupper()  # any other letter is an initial
    return "." not in word and word not in _ABBREVIATIONS
