"""Tag schemes: spans by the CoNLL definition, round trips, faults, and the transitions that exclude them."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data import (
    TAG_SCHEMES,
    Sentences,
    Span,
    TagScheme,
    allowed_transitions,
    check_tags,
    convert,
    faults,
    repaired,
    spans_of,
    tags_of,
)
from chainrule.errors import ArgumentError, DataError

LETTERS = {"IOB1": "BI", "IOB2": "BI", "BIOES": "BIES", "BILOU": "BILU"}
SCHEMES = st.sampled_from(TAG_SCHEMES)


def inventory(scheme: str) -> list[str]:
    return ["O", *(f"{letter}-{kind}" for letter in LETTERS[scheme] for kind in ("A", "B-c"))]


TAGGED = SCHEMES.flatmap(
    lambda scheme: st.tuples(st.just(scheme), st.lists(st.sampled_from(inventory(scheme)), max_size=9))
)


@st.composite
def spanned(draw: st.DrawFn) -> tuple[int, list[Span]]:
    """A sentence's length and spans that lie apart."""
    length = draw(st.integers(0, 10))
    cuts = sorted(draw(st.sets(st.integers(0, length))))
    kinds = st.sampled_from(["A", "B-c", "", None])
    pairs = [(Span(a, b, k)) for a, b in itertools.pairwise(cuts) if (k := draw(kinds)) is not None]
    return length, pairs


def by_patterns(tags: list[str]) -> list[Span]:
    """The definition once more: in each run of one type, the pieces of a regular language."""
    found: list[Span] = []
    kinds = [tag.partition("-")[2] if tag != "O" else None for tag in tags]
    place = 0
    for kind, run in itertools.groupby(kinds):
        width = len(list(run))
        if kind is not None:
            letters = "".join(tag[0] for tag in tags[place : place + width])
            letters = letters.replace("L", "E").replace("U", "S")
            pieces = re.finditer("[BI]I*E?|E|S", letters)
            found += [Span(place + piece.start(), place + piece.end(), kind) for piece in pieces]
        place += width
    return found


@settings(deadline=None, max_examples=400)
@given(TAGGED)
def test_spans_of_any_sequence_are_those_of_the_definition(drawn: tuple[TagScheme, list[str]]) -> None:
    scheme, tags = drawn
    assert spans_of(tags, scheme) == by_patterns(tags)


# Random sequences, most of them malformed, and the spans that seqeval 1.2.2 (get_entities) finds in them.
SEQEVAL = [
    ("IOB2", "B-A I-A O O I-B-c O", [(0, 2, "A"), (4, 5, "B-c")]),
    ("IOB2", "O I-A I-A O B-A O", [(1, 3, "A"), (4, 5, "A")]),
    (
        "IOB2",
        "B-B-c B-B-c I-B-c I-A I-B-c I-A",
        [(0, 1, "B-c"), (1, 3, "B-c"), (3, 4, "A"), (4, 5, "B-c"), (5, 6, "A")],
    ),
    ("IOB2", "I-B-c B-A B-B-c B-B-c", [(0, 1, "B-c"), (1, 2, "A"), (2, 3, "B-c"), (3, 4, "B-c")]),
    (
        "BIOES",
        "S-A B-A I-B-c O B-A S-B-c B-A O",
        [(0, 1, "A"), (1, 2, "A"), (2, 3, "B-c"), (4, 5, "A"), (5, 6, "B-c"), (6, 7, "A")],
    ),
    (
        "BIOES",
        "S-B-c S-B-c S-B-c B-A E-A E-A B-A E-B-c",
        [
            (0, 1, "B-c"), (1, 2, "B-c"), (2, 3, "B-c"), (3, 5, "A"), (5, 6, "A"), (6, 7, "A"), (7, 8, "B-c"),
        ],
    ),
    ("BIOES", "E-A O B-A I-A S-A", [(0, 1, "A"), (2, 4, "A"), (4, 5, "A")]),
    (
        "BIOES",
        "S-B-c E-A I-B-c B-B-c I-B-c B-B-c",
        [(0, 1, "B-c"), (1, 2, "A"), (2, 3, "B-c"), (3, 5, "B-c"), (5, 6, "B-c")],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("scheme", "tags", "spans"), SEQEVAL)
def test_spans_are_seqevals(scheme: TagScheme, tags: str, spans: list[tuple[int, int, str]]) -> None:
    assert spans_of(tags.split(), scheme) == spans


@pytest.mark.parametrize(
    ("scheme", "tags"),
    [
        # Two people in a row, then a place of one word, then nothing.
        ("IOB1", "I-P I-P B-P I-L O I-L"),
        ("IOB2", "B-P I-P B-P B-L O B-L"),
        ("BIOES", "B-P E-P S-P S-L O S-L"),
        ("BILOU", "B-P L-P U-P U-L O U-L"),
    ],
)
def test_one_sentence_in_each_scheme(scheme: TagScheme, tags: str) -> None:
    spans = [Span(0, 2, "P"), Span(2, 3, "P"), Span(3, 4, "L"), Span(5, 6, "L")]
    assert spans_of(tags.split(), scheme) == spans
    assert tags_of(reversed(spans), 6, scheme) == tags.split()
    assert faults(tags.split(), scheme) == []


@settings(deadline=None, max_examples=300)
@given(spanned(), SCHEMES)
def test_spans_survive_every_scheme(drawn: tuple[int, list[Span]], scheme: TagScheme) -> None:
    length, spans = drawn
    tags = tags_of(spans, length, scheme)
    assert len(tags) == length
    assert spans_of(tags, scheme) == spans
    assert faults(tags, scheme) == []
    assert repaired(tags, scheme) == tags


@settings(deadline=None, max_examples=300)
@given(TAGGED, SCHEMES)
def test_conversion_keeps_the_spans_and_comes_back_repaired(
    drawn: tuple[TagScheme, list[str]], target: TagScheme
) -> None:
    source, tags = drawn
    there = convert(tags, source, target)
    assert spans_of(there, target) == spans_of(tags, source)
    assert convert(there, target, source) == repaired(tags, source)


@settings(deadline=None, max_examples=400)
@given(TAGGED)
def test_faults_are_what_repair_changes_and_transitions_forbid(drawn: tuple[TagScheme, list[str]]) -> None:
    scheme, tags = drawn
    found = faults(tags, scheme)
    mended = repaired(tags, scheme)
    assert [place for place, _ in found] == [i for i, tag in enumerate(tags) if tag != mended[i]]
    assert faults(mended, scheme) == []
    kinds = inventory(scheme)
    allowed = allowed_transitions(kinds, scheme)
    at = [kinds.index(tag) for tag in tags]
    steps = [allowed.between[a, b] for a, b in itertools.pairwise(at)]
    edges = [allowed.start[at[0]], allowed.end[at[-1]]] if at else []
    assert all([*steps, *edges]) == (not found)


@pytest.mark.parametrize("scheme", TAG_SCHEMES)
def test_transitions_by_trying_all_short_sentences(scheme: TagScheme) -> None:
    kinds = inventory(scheme)
    good = [s for n in (1, 2, 3) for s in itertools.product(kinds, repeat=n) if repaired(s, scheme) == [*s]]
    allowed = allowed_transitions(kinds, scheme)
    for i, tag in enumerate(kinds):
        assert allowed.start[i] == any(s[0] == tag for s in good)
        assert allowed.end[i] == any(s[-1] == tag for s in good)
    # Between two tags a word may have to come before, and another after.
    long = [s for s in itertools.product(kinds, repeat=4) if repaired(s, scheme) == [*s]]
    pairs = {pair for s in [*good, *long] for pair in itertools.pairwise(s)}
    expected = np.array([[(a, b) in pairs for b in kinds] for a in kinds])
    np.testing.assert_array_equal(allowed.between, expected)


def test_transitions_of_no_tags_and_in_any_order() -> None:
    empty = allowed_transitions([])
    assert (empty.start.shape, empty.between.shape, empty.end.shape) == ((0,), (0, 0), (0,))
    kinds = inventory("BIOES")
    order = [4, 0, 8, 2, 1, 3, 7, 5, 6]
    found = allowed_transitions([kinds[i] for i in order], "BIOES")
    straight = allowed_transitions(kinds, "BIOES")
    np.testing.assert_array_equal(found.between, straight.between[np.ix_(order, order)])


@pytest.mark.parametrize(
    ("scheme", "tags", "expected"),
    [
        ("IOB2", "I-A", [(0, "I-A at the beginning, where B-A or I-A must be")]),
        ("IOB1", "B-A", [(0, "B-A at the beginning, where B-A or I-A must be")]),
        ("IOB1", "I-A B-A I-B", []),
        ("BIOES", "B-A O", [(0, "B-A before O, where E-A or I-A must be")]),
        (
            "BILOU",
            "I",
            [(0, "I at the beginning, where B or I must be; I at the end, where I or L must be")],
        ),
        ("IOB2", "", []),
    ],
)
def test_what_is_said_of_faults(scheme: TagScheme, tags: str, expected: list[tuple[int, str]]) -> None:
    assert faults(tags.split(), scheme) == expected


@pytest.mark.parametrize("tag", ["", "P", "B-", "-P", "o", "b-P", "O-P", "E-P", "BP", "BI-P", "O "])
@pytest.mark.parametrize("function", [spans_of, faults, repaired, allowed_transitions])
def test_tags_that_are_none_are_named(tag: str, function: object) -> None:
    assert callable(function)
    with pytest.raises(DataError) as caught:
        function(["O", tag])
    assert caught.value.what == f"tag 2, {tag!r}, is none of IOB2"
    assert caught.value.mend == "B, I with a hyphen and a type, or O, were expected"


@pytest.mark.parametrize(
    "spans", [[(1, 1, "A")], [(2, 1, "A")], [(-1, 1, "A")], [(2, 4, "A")], [(0, 2, "A"), (1, 3, "A")]]
)
def test_spans_that_no_tags_can_say(spans: list[tuple[int, int, str]]) -> None:
    with pytest.raises(ArgumentError, match="is empty, or not within the 3 words"):
        tags_of(spans, 3)


@pytest.mark.parametrize(
    ("scheme", "mend"),
    [("iob2", "did you mean 'IOB2'?"), ("BIOUL", "did you mean"), ("?", "there are IOB1, IOB2")],
)
def test_an_unknown_scheme(scheme: str, mend: str) -> None:
    with pytest.raises(ArgumentError, match="no tag scheme is called") as caught:
        spans_of(["O"], scheme)  # type: ignore[arg-type]
    assert mend in str(caught.value.mend)


# -- a file's column -------------------------------------------------------------------------------


def table(*rows: str) -> Sentences:
    tags = [row.split() for row in rows]
    forms = [[f"w{i}" for i in range(len(row))] for row in tags]
    return Sentences({"form": forms, "ner": tags}, [10 * i + 1 for i in range(len(rows))], "a.txt")


def test_well_formed_tags_stay_the_same_object() -> None:
    sentences = table("O B-A I-A", "B-B O")
    for malformed in ("refuse", "repair", "keep"):
        assert check_tags(sentences, "ner", malformed=malformed) == (sentences, [])


def test_faults_are_refused_repaired_or_kept() -> None:
    sentences = table("O B-A I-A", "B-B I-A", "I-A B-A")
    said = [
        "a.txt, sentence of line 11, word 2 'w1': I-A after B-B, where B-A or I-A must be",
        "a.txt, sentence of line 21, word 1 'w0': I-A at the beginning, where B-A or I-A must be",
    ]
    assert check_tags(sentences, "ner", malformed="keep") == (sentences, said)
    mended, same = check_tags(sentences, "ner", malformed="repair")
    assert same == said
    assert mended["ner"] == [["O", "B-A", "I-A"], ["B-B", "B-A"], ["B-A", "B-A"]]
    assert mended["form"] == sentences["form"]
    with pytest.raises(DataError) as caught:
        check_tags(sentences, "ner")
    assert str(caught.value) == (
        "no IOB2 in column 'ner', word 2 'w1': I-A after B-B, where B-A or I-A must be (and 1 more)\n"
        "  where: a.txt, line 11\n"
        "  mend:  mend the file, or have such tags repaired"
    )


@pytest.mark.parametrize(
    ("rows", "scheme", "line", "mend"),
    [
        (("O", "I-A I-A B-A"), "IOB2", 11, "the tags follow IOB1: name that scheme"),
        (("O", "B-A E-A"), "IOB2", 11, "the tags follow BIOES: name that scheme"),
        (("S-A", "B-A E-A"), "BILOU", 1, "the tags follow BIOES: name that scheme"),
        (("B-A", "O PER"), "IOB2", 11, "B, I with a hyphen and a type, or O, were expected"),
    ],
)
def test_a_column_of_another_scheme_says_of_which(
    rows: tuple[str, ...], scheme: TagScheme, line: int, mend: str
) -> None:
    with pytest.raises(DataError) as caught:
        check_tags(table(*rows), "ner", scheme, malformed="refuse")
    assert (caught.value.path, caught.value.line, caught.value.mend) == ("a.txt", line, mend)
