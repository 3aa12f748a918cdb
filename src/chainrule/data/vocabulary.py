"""Vocabularies: which tokens a model knows, and the number of each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.files import Pathish, read_bytes, write_atomically
from chainrule.errors import ArgumentError, DataError, DTypeError, IndexRangeError, ShapeError

_FORMAT = "chainrule vocabulary"
_VERSION = 1


class Vocabulary:
    """Tokens and their indices, both ways.

    The special symbols come first: ``padding`` (index 0), ``unknown``, then ``specials`` as given.
    Each may be spelled as you like; ``None`` leaves padding or unknown out.  The tokens follow in the
    order given; ``Vocabulary.build`` counts a text and orders them.

    Errors: ArgumentError for a token given twice or not valid Unicode.

    >>> words = Vocabulary.build("the cat saw the dog and the cat ran".split(), min_count=2)
    >>> words.tokens
    ('<pad>', '<unk>', 'the', 'cat')
    >>> words.encode(["the", "bird"]).tolist()
    [2, 1]
    >>> words.decode([2, 1])
    ['the', '<unk>']
    """

    __slots__ = ("_index", "padding", "specials", "tokens", "unknown")

    tokens: tuple[str, ...]
    padding: str | None
    unknown: str | None
    specials: tuple[str, ...]

    def __init__(
        self,
        tokens: Iterable[str],
        *,
        padding: str | None = "<pad>",
        unknown: str | None = "<unk>",
        specials: Sequence[str] = (),
    ) -> None:
        if isinstance(specials, str):
            raise ArgumentError("specials is one string", mend="give a list of symbols")
        self.padding, self.unknown, self.specials = padding, unknown, tuple(specials)
        self.tokens = (*_leading(padding, unknown, self.specials), *tokens)
        for fault in filter(None, map(_fault, self.tokens)):
            raise ArgumentError(fault)
        self._index = _Index(zip(self.tokens, range(len(self.tokens)), strict=True))
        if len(self._index) < len(self.tokens):
            twice = next(t for t, n in Counter(self.tokens).items() if n > 1)
            raise ArgumentError(f"token {twice!r} is given twice", mend="give each token and special once")
        if unknown is not None:
            self._index.unknown = self._index[unknown]

    @classmethod
    def build(
        cls,
        tokens: Iterable[str] | Mapping[str, int],
        *,
        min_count: int = 1,
        max_size: int | None = None,
        padding: str | None = "<pad>",
        unknown: str | None = "<unk>",
        specials: Sequence[str] = (),
    ) -> Vocabulary:
        """Count ``tokens`` (or take their counts) and keep the frequent ones.

        Kept are tokens seen at least ``min_count`` times, by falling frequency and then by code point,
        until the whole vocabulary, specials included, has ``max_size`` entries.  A special symbol that
        also stands in the text stays at its place.
        """
        counts = tokens if isinstance(tokens, Mapping) else Counter(tokens)
        leading = set(_leading(padding, unknown, tuple(specials)))
        if max_size is not None and max_size < len(leading):
            raise ArgumentError(
                f"max_size={max_size} leaves no room for {len(leading)} special symbols",
                mend=f"give at least {len(leading)}",
            )
        kept = sorted(
            (t for t, n in counts.items() if n >= min_count and t not in leading),
            key=lambda t: (-counts[t], t),
        )
        room = None if max_size is None else max_size - len(leading)
        return cls(kept[:room], padding=padding, unknown=unknown, specials=specials)

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: object) -> bool:
        return token in self._index

    def __iter__(self) -> Iterator[str]:
        return iter(self.tokens)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return self._header() == other._header() and self.tokens == other.tokens

    def __hash__(self) -> int:
        return hash(self.tokens)

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self.tokens[:6])) + (", …" if len(self) > 6 else "")
        return f"Vocabulary({len(self):,} tokens: {shown})"

    def index(self, token: str) -> int:
        """The index of ``token``, or that of the unknown symbol.

        Raises: ArgumentError if the token is not there and the vocabulary has no unknown symbol.
        """
        try:
            return self._index[token]
        except KeyError:
            raise self._not_there(token) from None

    def token(self, index: int) -> str:
        """The token at ``index``.  Raises: IndexRangeError outside 0 … len - 1 (negative too)."""
        if not 0 <= index < len(self.tokens):
            raise IndexRangeError(f"index {index} in a vocabulary of {len(self):,} tokens")
        return self.tokens[index]

    def encode(self, tokens: Iterable[str], dtype: type[np.integer[Any]] = np.int32) -> NDArray[Any]:
        """The indices of ``tokens``, shape (N,); tokens not in the vocabulary become the unknown symbol.

        Raises: ArgumentError for such a token if there is no unknown symbol, or if given one string.
        """
        if isinstance(tokens, str):
            raise ArgumentError("encode takes a list of tokens, not one string", mend="tokenize it first")
        try:
            return np.array(list(map(self._index.__getitem__, tokens)), dtype=dtype)
        except KeyError as missing:
            raise self._not_there(missing.args[0]) from None

    def decode(self, indices: ArrayLike) -> list[str]:
        """The tokens at ``indices``, shape (N,).  Raises: IndexRangeError for one outside 0 … len - 1."""
        array = np.asarray(indices)
        if array.ndim != 1:
            raise ShapeError(f"indices of shape {array.shape}; decode takes one axis")
        if array.size == 0:
            return []
        if array.dtype.kind not in "iu":
            raise DTypeError(f"indices must be integers, not {array.dtype}")
        if array.min() < 0 or array.max() >= len(self):
            wrong = array[(array < 0) | (array >= len(self))][0]
            raise IndexRangeError(f"index {wrong} in a vocabulary of {len(self):,} tokens")
        return [self.tokens[i] for i in array.tolist()]

    def save(self, path: Pathish) -> None:
        """Write the vocabulary, whole or not at all: a header line of JSON, then one JSON string a line."""
        # What does not print (line separators among them) is escaped: a line is a token in any editor.
        lines = [json.dumps(t, ensure_ascii=not t.isprintable()) for t in self.tokens]
        header = json.dumps({"format": _FORMAT, "version": _VERSION, **self._header()}, ensure_ascii=True)
        write_atomically(path, "\n".join([header, *lines, ""]))

    @classmethod
    def load(cls, path: Pathish) -> Vocabulary:
        """Read what ``save`` wrote.  Raises: DataError with file and line for anything else."""
        lines = _text_lines(path)
        header = _parse(lines[0], path, 1)
        if not isinstance(header, dict) or header.get("format") != _FORMAT:
            raise DataError("not a saved vocabulary: the first line is no header", path=path, line=1)
        if header.get("version") != _VERSION:
            raise DataError(
                f"version {header.get('version')!r} of the format; this release reads version {_VERSION}",
                path=path,
                line=1,
            )
        if header.get("size") != len(lines) - 1:
            raise DataError(
                f"{len(lines) - 1:,} tokens where the header says {header.get('size')}",
                path=path,
                line=len(lines),
                mend="the file was cut or edited: save it again",
            )
        padding, unknown, specials = _special_symbols(header, path)
        leading = _leading(padding, unknown, specials)
        tokens = [_parse(line, path, number) for number, line in enumerate(lines[1:], start=2)]
        seen: dict[Any, int] = {}
        for number, (token, special) in enumerate(zip_longest(tokens, leading), start=2):
            fault = _fault(token)
            if fault is None and special not in (None, token):
                fault = f"{token!r} where the header puts the special symbol {special!r}"
            if fault is None and seen.setdefault(token, number) != number:
                fault = f"token {token!r} was already on line {seen[token]}"
            if fault is not None:
                raise DataError(fault, path=path, line=number)
        return cls(tokens[len(leading) :], padding=padding, unknown=unknown, specials=specials)

    def _header(self) -> dict[str, Any]:
        return {
            "size": len(self),
            "padding": self.padding,
            "unknown": self.unknown,
            "specials": list(self.specials),
        }

    def _not_there(self, token: object) -> ArgumentError:
        return ArgumentError(
            f"token {token!r} is not in the vocabulary, which has no unknown symbol",
            mend="build it with unknown='<unk>', or from a text that has the token",
        )


class _Index(dict[str, int]):
    """Token → index; with an unknown symbol, every other token maps to that."""

    unknown: int | None = None

    def __missing__(self, token: str) -> int:
        if self.unknown is None:
            raise KeyError(token)
        return self.unknown


def _leading(padding: str | None, unknown: str | None, specials: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(s for s in (padding, unknown) if s is not None) + specials


def _fault(token: object) -> str | None:
    """Why ``token`` cannot be one: no string, or half a surrogate pair, which no file could give back."""
    if not isinstance(token, str):
        return f"a token must be a string, not {token!r}"
    try:
        token.encode("utf-8")
    except UnicodeEncodeError:
        return f"token {token!r} holds half a surrogate pair: read the text in its right encoding"
    return None


def _text_lines(path: Pathish) -> list[str]:
    content = read_bytes(path)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError("not UTF-8", path=path, line=line, offset=error.start) from None
    # A checkout on Windows may have turned the ends of lines; a saved token never holds a raw one.
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n")


def _parse(line: str, path: Pathish, number: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON: {error}", path=path, line=number) from None


def _special_symbols(header: dict[str, Any], path: Pathish) -> tuple[str | None, str | None, tuple[str, ...]]:
    padding, unknown, specials = (header.get(k) for k in ("padding", "unknown", "specials"))
    if not isinstance(specials, list) or not all(isinstance(s, str) for s in specials):
        raise DataError("the header's specials are no list of strings", path=path, line=1)
    if not all(s is None or isinstance(s, str) for s in (padding, unknown)):
        raise DataError("the header's padding and unknown are neither strings nor null", path=path, line=1)
    return padding, unknown, tuple(specials)
