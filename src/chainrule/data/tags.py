"""Spans as a tag a word: the schemes IOB1, IOB2, BIOES and BILOU, their faults and their transitions."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.data.columns import Sentences
from chainrule.errors import ArgumentError, DataError

TagScheme = Literal["IOB1", "IOB2", "BIOES", "BILOU"]

OUTSIDE = "O"
"""The tag of a word in no span."""


class Span(NamedTuple):
    """The words from ``start`` up to, not including, ``end``, and what they are."""

    start: int
    end: int
    type: str


class Transitions(NamedTuple):
    """Which tags may begin a sentence (K,), follow each other (K, K: row before column) and end it (K,)."""

    start: NDArray[np.bool_]
    between: NDArray[np.bool_]
    end: NDArray[np.bool_]


@dataclass(frozen=True)
class _Scheme:
    """The letters of a span's words, and which of them need a neighbour of the same type."""

    first: str
    inside: str
    last: str
    single: str
    again: str | None = None  # the first letter right after a span of the same type, if another
    after: Mapping[str, str] = field(default_factory=dict)  # a letter and those it must come after
    before: Mapping[str, str] = field(default_factory=dict)  # a letter and those it must come before

    @property
    def letters(self) -> str:
        found = (self.first, self.inside, self.last, self.single, self.again or "")
        return "".join(sorted(set(found)))


_SCHEMES: dict[str, _Scheme] = {
    "IOB1": _Scheme("I", "I", "I", "I", again="B", after={"B": "BI"}),
    "IOB2": _Scheme("B", "I", "I", "B", after={"I": "BI"}),
    "BIOES": _Scheme("B", "I", "E", "S", after={"I": "BI", "E": "BI"}, before={"B": "EI", "I": "EI"}),
    "BILOU": _Scheme("B", "I", "L", "U", after={"I": "BI", "L": "BI"}, before={"B": "IL", "I": "IL"}),
}
TAG_SCHEMES: tuple[TagScheme, ...] = ("IOB1", "IOB2", "BIOES", "BILOU")


def spans_of(tags: Sequence[str], scheme: TagScheme = "IOB2") -> list[Span]:
    """The spans that a sentence's tags mark, in order, by the definition of the CoNLL evaluations.

    A word goes on with the span of the word before it if both have the same type, its own letter is
    I (or E, L) and that of the word before B or I; otherwise a word tagged other than O begins a span.
    So a malformed sequence, such as I-PER after O, means what ``conlleval`` and seqeval take it for.
    A tag is O, or a letter of the scheme, a hyphen and a type; the type may be missing, hyphen and all.

    Errors: DataError for a tag that is none of the scheme; ArgumentError for an unknown scheme.
    Source: E. F. Tjong Kim Sang and S. Buchholz, Introduction to the CoNLL-2000 shared task, 2000.

    >>> spans_of(["B-PER", "I-PER", "O", "I-LOC", "B-LOC"])
    [Span(start=0, end=2, type='PER'), Span(start=3, end=4, type='LOC'), Span(start=4, end=5, type='LOC')]
    """
    found: list[Span] = []
    start, before, kind = 0, OUTSIDE, ""
    parsed = _parsed(tags, _known(scheme))
    for place, (letter, own) in enumerate([*parsed, (OUTSIDE, "")]):
        if before in "BI" and letter in "IEL" and own == kind:
            before = letter
            continue
        if before != OUTSIDE:
            found.append(Span(start, place, kind))
        start, before, kind = place, letter, own
    return found


def tags_of(spans: Iterable[tuple[int, int, str]], length: int, scheme: TagScheme = "IOB2") -> list[str]:
    """The tags of a sentence of ``length`` words with these spans (start, end, type), in any order.

    Errors: ArgumentError for spans that are empty, overlap or leave the sentence.

    >>> tags_of([(0, 2, "PER"), (3, 4, "LOC")], 5, "BIOES")
    ['B-PER', 'E-PER', 'O', 'S-LOC', 'O']
    >>> tags_of([(0, 2, "LOC"), (2, 3, "LOC")], 3, "IOB1")
    ['I-LOC', 'I-LOC', 'B-LOC']
    """
    rules = _known(scheme)
    tags = [OUTSIDE] * length
    before = Span(0, 0, "")
    for start, end, kind in sorted(spans):
        if not before.end <= start < end <= length:
            raise ArgumentError(
                f"the span {start} … {end} ({kind}) is empty, or not within the {length} words after "
                f"{before.end}",
                mend="give spans as start, end (not included) and type, apart from each other",
            )
        letters = [rules.inside] * (end - start)
        letters[0], letters[-1] = rules.first, rules.last
        if end == start + 1:
            letters[0] = rules.single
        if rules.again and 0 < start == before.end and kind == before.type:
            letters[0] = rules.again
        tags[start:end] = [_tag(letter, kind) for letter in letters]
        before = Span(start, end, kind)
    return tags


def convert(tags: Sequence[str], source: TagScheme, target: TagScheme) -> list[str]:
    """The same spans in another scheme; malformed sequences are read as :func:`spans_of` reads them.

    >>> convert(["I-PER", "I-PER", "O", "I-LOC"], "IOB1", "BILOU")
    ['B-PER', 'L-PER', 'O', 'U-LOC']
    """
    return tags_of(spans_of(tags, source), len(tags), target)


def repaired(tags: Sequence[str], scheme: TagScheme = "IOB2") -> list[str]:
    """The well-formed tags with the same spans; those that are well formed stay as they are.

    >>> repaired(["O", "I-PER", "I-LOC", "I-LOC"])
    ['O', 'B-PER', 'B-LOC', 'I-LOC']
    """
    return convert(tags, scheme, scheme)


def faults(tags: Sequence[str], scheme: TagScheme = "IOB2") -> list[tuple[int, str]]:
    """The words whose tags may not stand where they do, and why; of a well-formed sequence, none.

    They are those that :func:`repaired` changes.

    Errors: as :func:`spans_of`.

    >>> faults(["O", "I-PER", "B-LOC", "I-X"])
    [(1, 'I-PER after O, where B-PER or I-PER must be'), (3, 'I-X after B-LOC, where B-X or I-X must be')]
    """
    rules = _known(scheme)
    parsed = _parsed(tags, rules)
    found: list[tuple[int, str]] = []
    for place, (tag, own) in enumerate(zip(tags, parsed, strict=True)):
        said: list[str] = []
        before = parsed[place - 1] if place else None
        after = parsed[place + 1] if place + 1 < len(parsed) else None
        if not _fits(rules.after, own, before):
            there = f"after {tags[place - 1]}" if place else "at the beginning"
            said.append(f"{tag} {there}, where {_wanted(rules.after, own)} must be")
        if not _fits(rules.before, own, after):
            there = f"before {tags[place + 1]}" if after else "at the end"
            said.append(f"{tag} {there}, where {_wanted(rules.before, own)} must be")
        if said:
            found.append((place, "; ".join(said)))
    return found


def allowed_transitions(tags: Sequence[str], scheme: TagScheme = "IOB2") -> Transitions:
    """Which of ``tags`` may begin a sentence, follow one another and end a sentence, for decoding.

    A sequence is well formed (:func:`faults` finds none) just if each of its steps is allowed.  With
    O among the tags there is always an allowed sequence.

    Returns: boolean arrays ``start`` (K,), ``between`` (K, K) with row before column, and ``end`` (K,).

    >>> allowed = allowed_transitions(["O", "B-X", "I-X", "I-Y"])
    >>> allowed.start.tolist()
    [True, True, False, False]
    >>> allowed.between.astype(int)
    array([[1, 1, 0, 0],
           [1, 1, 1, 0],
           [1, 1, 1, 0],
           [1, 1, 0, 1]])
    """
    rules = _known(scheme)
    parsed = _parsed(tags, rules)
    between = [[_fits(rules.before, a, b) and _fits(rules.after, b, a) for b in parsed] for a in parsed]
    return Transitions(
        np.array([_fits(rules.after, tag, None) for tag in parsed], bool),
        np.array(between, bool).reshape(len(parsed), len(parsed)),
        np.array([_fits(rules.before, tag, None) for tag in parsed], bool),
    )


def check_tags(
    sentences: Sentences,
    column: str,
    scheme: TagScheme = "IOB2",
    malformed: Literal["refuse", "repair", "keep"] = "refuse",
) -> tuple[Sentences, list[str]]:
    """The sentences with a column of well-formed tags, and a line for each fault that was found in it.

    ``malformed`` says what is done about faults: an error, the tags that :func:`repaired` gives, or
    nothing.

    Errors: DataError with file and line for a tag that is none of the scheme, and, if they are refused,
    for faults; it names the schemes that the column does follow.

    >>> found = Sentences({"form": [["In", "Oslo"]], "ner": [["O", "I-LOC"]]}, [7], "a.txt")
    >>> mended, said = check_tags(found, "ner", malformed="repair")
    >>> mended["ner"]
    [['O', 'B-LOC']]
    >>> said
    ["a.txt, sentence of line 7, word 2 'Oslo': I-LOC after O, where B-LOC or I-LOC must be"]
    """
    words = next(iter(sentences.columns.values()))
    places: list[tuple[int, str]] = []
    for index, tags in enumerate(sentences[column]):
        try:
            found = faults(tags, scheme)
        except DataError as error:
            raise DataError(
                f"{error.what}, in the sentence that begins here",
                path=sentences.path,
                line=sentences.lines[index],
                mend=_other_scheme(sentences[column]) or error.mend,
            ) from None
        places += [(index, f"word {at + 1} {words[index][at]!r}: {text}") for at, text in found]
    if places and malformed == "refuse":
        index, text = places[0]
        more = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
        raise DataError(
            f"no {scheme} in column {column!r}, {text}{more}",
            path=sentences.path,
            line=sentences.lines[index],
            mend=_other_scheme(sentences[column]) or "mend the file, or have such tags repaired",
        )
    said = [f"{sentences.path}, sentence of line {sentences.lines[index]}, {text}" for index, text in places]
    if not places or malformed == "keep":
        return sentences, said
    mended = [repaired(tags, scheme) for tags in sentences[column]]
    return Sentences({**sentences.columns, column: mended}, sentences.lines, sentences.path), said


# -- one tag ---------------------------------------------------------------------------------------


def _known(scheme: str) -> _Scheme:
    try:
        return _SCHEMES[scheme]
    except KeyError:
        near = difflib.get_close_matches(str(scheme).upper(), _SCHEMES, n=1)
        raise ArgumentError(
            f"no tag scheme is called {scheme!r}",
            mend=f"did you mean {near[0]!r}?" if near else f"there are {', '.join(_SCHEMES)}",
        ) from None


def _parsed(tags: Sequence[str], rules: _Scheme) -> list[tuple[str, str]]:
    """Each tag's letter and type."""
    found: list[tuple[str, str]] = []
    for place, tag in enumerate(tags):
        letter, hyphen, kind = tag.partition("-")
        if tag != OUTSIDE and not (
            len(letter) == 1 and letter in rules.letters and bool(kind) == bool(hyphen)
        ):
            names = [name for name, other in _SCHEMES.items() if other is rules]
            raise DataError(
                f"tag {place + 1}, {tag!r}, is none of {names[0]}",
                mend=f"{', '.join(rules.letters)} with a hyphen and a type, or O, were expected",
            )
        found.append((letter, kind))
    return found


def _tag(letter: str, kind: str) -> str:
    return f"{letter}-{kind}" if kind else letter


def _fits(needs: Mapping[str, str], own: tuple[str, str], neighbour: tuple[str, str] | None) -> bool:
    """Whether a tag's neighbour (``None``: the sentence's edge) is one that the tag needs, if any."""
    letters = needs.get(own[0])
    return letters is None or (neighbour is not None and neighbour[0] in letters and neighbour[1] == own[1])


def _wanted(needs: Mapping[str, str], own: tuple[str, str]) -> str:
    return " or ".join(_tag(letter, own[1]) for letter in needs[own[0]])


def _other_scheme(column: Sequence[Sequence[str]]) -> str | None:
    """Advice to name the scheme that all tags of a column follow, if there is one."""
    following: list[str] = []
    for scheme in TAG_SCHEMES:
        try:
            if not any(faults(tags, scheme) for tags in column):
                following.append(scheme)
        except DataError:
            continue
    return f"the tags follow {' and '.join(following)}: name that scheme" if following else None
