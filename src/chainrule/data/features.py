"""What a tagger sees of a word: the word itself, its shape, its beginning and end, its characters.

A *channel* is one view of every token, with a vocabulary of its own:

=================== ====================================================================================
``word``            the form, in lower case and with every digit as 0 unless told otherwise
``prefix3``         the first three characters of that; any number
``suffix3``         the last three
``shape``           letters as X and x, digits as d, of a run the first three: ``McDonald's`` is XxXxxx'x
``capitals``        where the capitals are: none, first, all, mixed, or no letter at all
``length``          the number of characters, up to 20
``characters16``    the characters one by one, at most 16: the beginning and the end of a longer word
``ngrams3``         all pieces of three characters, the word's ends marked
``vector``          the word among those that vectors were given for, in its own case or in lower case
``sentence``        how many words of the whole sentence begin with a capital: where all do, one tells nothing
any other name      the column of the data that is called so, as it stands
=================== ====================================================================================
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.files import Pathish, read_bytes, write_atomically
from chainrule.data.vocabulary import Vocabulary
from chainrule.data.word_views import capitals, normalised, sentence_capitals, shape, spellings
from chainrule.errors import ArgumentError, DataError

Columns = Mapping[str, Sequence[Sequence[str]]]
"""Column name → sentence → token values, as ``Sentences.columns``."""
Ids = NDArray[np.int32]

FORM = "form"
"""The column that holds the words themselves."""
VECTOR = "vector"
SENTENCE = "sentence"
"""The channel that is the same for all words of a sentence."""
_NAMES = "word, shape, capitals, sentence, length, prefix1 …, suffix1 …, characters1 …, ngrams1 …"
_FORMAT, _VERSION = "chainrule channels", 1
_LONGEST = 20
_MOST_NGRAMS = 16
_NUMBERED = re.compile(r"(prefix|suffix|characters|ngrams)([1-9]\d?)")


@dataclass(frozen=True)
class Channel:
    """One view of every token, and the symbols of it that are known.

    ``size`` is the number of ids a token has: 1, or more for ``characters`` and ``ngrams``.  ``counts``
    says how often each symbol was seen in training, shape (vocabulary,); it is 0 for padding and unknown,
    and where the vocabulary was given.  Id 0 is the padding, beyond the ends of a sentence, and 1 unknown.
    ``given`` is how many numbers the vectors have that came with the vocabulary, 0 where none did.
    """

    name: str
    vocabulary: Vocabulary
    counts: tuple[int, ...]
    size: int = 1
    given: int = 0

    def __len__(self) -> int:
        return len(self.vocabulary)


@dataclass(frozen=True)
class Encoded:
    """Sentences as ids: ``ids[channel]`` of shape (tokens,), or (tokens, size), the sentences end to end."""

    lengths: NDArray[np.int64]
    ids: Mapping[str, Ids]

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def tokens(self) -> int:
        """Tokens of all sentences."""
        return int(self.lengths.sum())


class Channels:
    """The channels of a tagger: fitted on training sentences, applied to any.

    >>> columns = {"form": [["The", "cat", "sat"], ["the", "mat"]]}
    >>> channels = Channels.fit(columns, ["word", "suffix2", "capitals"], min_count=2)
    >>> [channel.vocabulary.tokens for channel in channels]
    [('<pad>', '<unk>', 'the'), ('<pad>', '<unk>', 'at', 'he'), ('<pad>', '<unk>', 'none', 'first')]
    >>> encoded = channels.encode({"form": [["The", "dog"], []]})
    >>> encoded.ids["word"].tolist(), encoded.lengths.tolist()
    ([2, 1], [2, 0])
    """

    def __init__(
        self, channels: Sequence[Channel], *, lower: bool = True, digits: bool = True, respell: bool = False
    ) -> None:
        self.channels, self.lower, self.digits, self.respell = tuple(channels), lower, digits, respell

    def __iter__(self) -> Any:
        return iter(self.channels)

    def __len__(self) -> int:
        return len(self.channels)

    def __getitem__(self, name: str) -> Channel:
        for channel in self.channels:
            if channel.name == name:
                return channel
        raise ArgumentError(
            f"there is no channel {name!r}", mend=f"the channels are: {', '.join(self.names)}"
        )

    @property
    def names(self) -> list[str]:
        """The channels' names, in their order."""
        return [channel.name for channel in self.channels]

    @property
    def columns(self) -> list[str]:
        """The columns of the data that are read: that of the words, and those that are channels."""
        return [FORM, *(name for name in self.names if not _of_form(name) and name not in (FORM, SENTENCE))]

    @classmethod
    def fit(
        cls,
        columns: Columns,
        names: Sequence[str],
        *,
        lower: bool = True,
        digits: bool = True,
        respell: bool = False,
        min_count: int = 1,
        vectors: tuple[Iterable[str], int] | None = None,
    ) -> Channels:
        """The channels called ``names``, with the symbols that training sentences show.

        A symbol seen less than ``min_count`` times is unknown, so that there is something to learn about
        unknown ones; characters and shapes are all kept.  ``vectors`` are the words of the channel
        ``vector``, and how many numbers each of their vectors has; with ``respell`` a word that is none of
        them is taken for the first of its other spellings that is.

        Raises ``ArgumentError`` for a channel named twice, a column that is not there, none at all.
        """
        if not names or len(set(names)) < len(names):
            raise ArgumentError(f"the channels {list(names)}", mend="name at least one, and none twice")
        given = cls([], lower=lower, digits=digits, respell=respell)
        channels = []
        for name in names:
            if name == VECTOR:
                if vectors is None:
                    raise ArgumentError("the channel 'vector' has no vectors", mend="give their words")
                vocabulary = Vocabulary.build(dict.fromkeys(vectors[0], 1))
                channels.append(Channel(name, vocabulary, (0,) * len(vocabulary), given=vectors[1]))
                continue
            counts = given._counted(name, columns)
            least = min_count if _is_open(name) else 1
            vocabulary = Vocabulary.build(counts, min_count=least)
            known = (0, 0, *(counts[token] for token in vocabulary.tokens[2:]))
            channels.append(Channel(name, vocabulary, known, _size(name)))
        return cls(channels, lower=lower, digits=digits, respell=respell)

    def encode(self, columns: Columns) -> Encoded:
        """The ids of every token in every channel.

        Raises ``ArgumentError`` where the data lacks a column that a channel reads.
        """
        lengths = np.array([len(sentence) for sentence in _column(columns, FORM)], np.int64)
        forms = _Distinct(_column(columns, FORM))
        found: dict[str, Ids] = {}
        for channel in self.channels:
            values = forms if _of_form(channel.name) else _Distinct(_values(columns, channel.name))
            rows = self._rows(channel, values.values)
            found[channel.name] = rows[values.places]
        return Encoded(lengths, found)

    def _rows(self, channel: Channel, values: Sequence[str]) -> Ids:
        """The ids of distinct values, (values,) or (values, size)."""
        if channel.name == VECTOR:
            return channel.vocabulary.encode([self._with_vector(channel, value) for value in values])
        view = self._view(channel.name)
        if channel.size == 1:
            return channel.vocabulary.encode([view(value)[0] for value in values])
        rows = np.zeros((len(values), channel.size), np.int32)
        for row, value in zip(rows, values, strict=True):
            ids = channel.vocabulary.encode(view(value)[: channel.size])
            row[: len(ids)] = ids
        return rows

    def _with_vector(self, channel: Channel, form: str) -> str:
        """The first way to write a word that has a vector; the word where none has."""
        ways = spellings(form) if self.respell else (form, form.lower())
        return next((way for way in ways if way in channel.vocabulary), form)

    def _counted(self, name: str, columns: Columns) -> Counter[str]:
        """How often each symbol of a channel occurs."""
        values = Counter(chain.from_iterable(_values(columns, FORM if _of_form(name) else name)))
        view = self._view(name)
        counts: Counter[str] = Counter()
        for value, count in values.items():
            for symbol in view(value):
                counts[symbol] += count
        return counts

    def _view(self, name: str) -> Callable[[str], list[str]]:
        """From a value of the column to the symbols of the channel: one, or several."""
        if name in _VIEWS:
            view = _VIEWS[name]
            return lambda form: [view(form)]
        if name == "word":
            return lambda form: [self._word(form)]
        kind, number = _numbered(name)
        if not number:
            return lambda value: [value]
        return lambda form: _PIECES[kind](self._word(form), number)

    def _word(self, form: str) -> str:
        return normalised(form, self.lower, self.digits)

    # -- on disk -----------------------------------------------------------------------------------

    def save(self, path: Pathish) -> None:
        """Write the channels as JSON, whole or not at all."""
        channels = [
            {
                "name": c.name,
                "size": c.size,
                "given": c.given,
                "tokens": c.vocabulary.tokens[2:],
                "counts": c.counts[2:],
            }
            for c in self.channels
        ]
        read = {"lower": self.lower, "digits": self.digits, "respell": self.respell}
        header = {"format": _FORMAT, "version": _VERSION, **read}
        write_atomically(path, json.dumps({**header, "channels": channels}) + "\n")

    @classmethod
    def load(cls, path: Pathish) -> Channels:
        """Read what :meth:`save` wrote.  Raises ``DataError`` for anything else."""
        try:
            found = json.loads(read_bytes(path))
            if (found["format"], found["version"]) != (_FORMAT, _VERSION):
                raise ValueError(f"version {found['version']} of {found['format']!r}")
            channels = [
                Channel(c["name"], Vocabulary(c["tokens"]), (0, 0, *c["counts"]), c["size"], c["given"])
                for c in found["channels"]
            ]
            if any(len(channel.counts) != len(channel) for channel in channels):
                raise ValueError("counts and tokens differ in number")
            return cls(
                channels, lower=found["lower"], digits=found["digits"], respell=found.get("respell", False)
            )
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, DataError):  # the file itself could not be read
                raise
            raise DataError(
                f"these are no saved channels: {error}", path=path, mend="restore the file, or train again"
            ) from None


class _Distinct:
    """The distinct values of a column, and which of them each token has: few words make many tokens."""

    def __init__(self, sentences: Sequence[Sequence[str]]) -> None:
        found: dict[str, int] = {}
        places = [found.setdefault(value, len(found)) for value in chain.from_iterable(sentences)]
        self.values, self.places = list(found), np.array(places, np.int64)


def _column(columns: Columns, name: str) -> Sequence[Sequence[str]]:
    if name not in columns:
        raise ArgumentError(
            f"there is no channel or column {name!r}",
            mend=f"channels are {_NAMES}, and the data's columns: {', '.join(columns)}",
        )
    return columns[name]


def _values(columns: Columns, name: str) -> Sequence[Sequence[str]]:
    """What a channel sees of each token, where that is not the form."""
    if name == SENTENCE:
        return [[sentence_capitals(words)] * len(words) for words in _column(columns, FORM)]
    return _column(columns, name)


def _numbered(name: str) -> tuple[str, int]:
    """``("suffix", 3)`` of suffix3; 0 for what has no number."""
    match = _NUMBERED.fullmatch(name)
    return (match[1], int(match[2])) if match else (name, 0)


def _of_form(name: str) -> bool:
    """Whether the channel is a view of the word, and not a column of its own."""
    return name in _VIEWS or name in ("word", VECTOR) or bool(_numbered(name)[1])


def _is_open(name: str) -> bool:
    """Whether texts to come will have symbols that were never seen; of the others all are kept."""
    return name not in _VIEWS and name != SENTENCE and _numbered(name)[0] != "characters"


def _size(name: str) -> int:
    kind, number = _numbered(name)
    return {"characters": number, "ngrams": _MOST_NGRAMS}.get(kind, 1)


def _ends(word: str, most: int) -> list[str]:
    """The characters of a word; of one longer than ``most`` those at its two ends."""
    if len(word) <= most:
        return list(word)
    return [*word[: most // 2], *word[len(word) - (most - most // 2) :]]


def _ngrams(word: str, size: int) -> list[str]:
    marked = f"\x02{word}\x03"
    return [marked[i : i + size] for i in range(max(len(marked) - size + 1, 1))]


_VIEWS: dict[str, Callable[[str], str]] = {
    "shape": shape,
    "capitals": capitals,
    "length": lambda form: str(min(len(form), _LONGEST)),
}
_PIECES: dict[str, Callable[[str, int], list[str]]] = {
    "prefix": lambda word, size: [word[:size]],
    "suffix": lambda word, size: [word[-size:]],
    "characters": _ends,
    "ngrams": _ngrams,
}
