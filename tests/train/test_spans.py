"""Span scores against seqeval's figures, against counting by hand, and at their edges."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data import TagScheme, spans_of
from chainrule.errors import DataError, ShapeError
from chainrule.train import SpanScores

# Random tags, and precision, recall, micro and macro F1 of seqeval 1.2.2 for them.
SEQEVAL = [
    (
        "IOB2",
        "B-A O B-A B-A | B-A B-A O I-A | I-B-c B-A B-B-c B-B-c",
        "B-A O B-A B-A | I-B-c O O I-B-c | I-B-c B-A B-B-c B-B-c",
        (0.7777777777777778, 0.7, 0.7368421052631577, 0.7386363636363635),
    ),
    (
        "IOB2",
        "B-B-c B-B-c I-B-c I-A I-B-c I-A | O O B-B-c I-A O O | B-B-c I-B-c I-A B-B-c I-A B-B-c",
        "B-B-c B-B-c I-B-c I-A I-B-c B-A | I-A O O I-A O O | B-B-c I-B-c I-A B-B-c I-A B-B-c",
        (0.9166666666666666, 0.9166666666666666, 0.9166666666666666, 0.916083916083916),
    ),
    (
        "BIOES",
        "E-A O B-A I-A S-A | I-B-c B-B-c S-A B-B-c E-B-c | I-A B-A B-A S-A S-B-c",
        "E-A I-A I-A I-A O | I-A B-B-c S-A B-B-c E-B-c | I-A B-A B-A S-A S-B-c",
        (0.8181818181818182, 0.75, 0.7826086956521738, 0.8035714285714286),
    ),
    (
        "BIOES",
        "E-A S-A E-B-c I-B-c O S-B-c | B-A I-A I-B-c O S-A I-B-c | S-B-c E-A I-B-c B-B-c I-B-c B-B-c",
        "E-A I-A E-B-c I-B-c O I-A | B-A I-A B-B-c O B-B-c I-B-c | S-B-c E-B-c I-B-c B-B-c I-A B-B-c",
        (0.6428571428571429, 0.6428571428571429, 0.6428571428571429, 0.6333333333333333),
    ),
]


def sentences(text: str) -> list[list[str]]:
    return [sentence.split() for sentence in text.split("|")]


@pytest.mark.parametrize(("scheme", "gold", "predicted", "figures"), SEQEVAL)
def test_scores_are_seqevals(
    scheme: TagScheme, gold: str, predicted: str, figures: tuple[float, float, float, float]
) -> None:
    found = SpanScores.of(sentences(predicted), sentences(gold), scheme)
    assert (found.precision, found.recall, found.f1, found.macro_f1) == pytest.approx(figures, abs=1e-15)


TAGS = st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B"])
PAIRS = st.lists(st.lists(st.tuples(TAGS, TAGS), max_size=7), max_size=5)


@settings(deadline=None, max_examples=200)
@given(PAIRS)
def test_scores_count_equal_spans(drawn: list[list[tuple[str, str]]]) -> None:
    predicted = [[p for p, _ in sentence] for sentence in drawn]
    gold = [[g for _, g in sentence] for sentence in drawn]
    # All spans of the text in one list, each with its sentence: no counting by sentence, no sets.
    ours = [(i, *span) for i, tags in enumerate(predicted) for span in spans_of(tags)]
    theirs = [(i, *span) for i, tags in enumerate(gold) for span in spans_of(tags)]
    found = SpanScores.of(predicted, gold)
    assert found.names == tuple(sorted({span[3] for span in ours + theirs}))
    expected = []
    for name in [*found.names, None]:
        p = [span for span in ours if name in (None, span[3])]
        g = [span for span in theirs if name in (None, span[3])]
        right = sum(span in g for span in p)
        expected.append(
            (
                name or "all",
                right / len(p) if p else 0.0,
                right / len(g) if g else 0.0,
                2 * right / (len(p) + len(g)) if p or g else 0.0,
                len(g),
            )
        )
    for row, wanted in zip(found.rows(), expected, strict=True):
        assert row[0] == wanted[0]
        assert row[1:] == pytest.approx(wanted[1:])
    assert (found.precision, found.recall, found.f1) == pytest.approx(expected[-1][1:4])
    swapped = SpanScores.of(gold, predicted)
    assert (swapped.precision, swapped.recall) == (found.recall, found.precision)
    perfect = SpanScores.of(gold, gold)
    assert perfect.f1 == (1.0 if theirs else 0.0)


def test_nothing_to_find() -> None:
    for tags in ([], [[]], [["O", "O"]]):
        found = SpanScores.of(tags, tags)
        assert (found.names, found.precision, found.recall, found.f1) == ((), 0.0, 0.0, 0.0)
        assert math.isnan(found.macro_f1)
        assert found.rows() == [("all", 0.0, 0.0, 0.0, 0)]


def test_a_type_that_is_only_predicted_or_only_gold_has_its_row() -> None:
    found = SpanScores.of([["B-X", "O", "B-P"]], [["O", "B-Y", "B-P"]])
    assert found.rows() == [
        ("P", 1.0, 1.0, 1.0, 1),
        ("X", 0.0, 0.0, 0.0, 0),
        ("Y", 0.0, 0.0, 0.0, 1),
        ("all", 0.5, 0.5, 0.5, 2),
    ]
    assert str(found).splitlines()[0] == "type  precision  recall      F1  support"


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ShapeError, match="predicted tags of 1 sentences, and gold ones of 2 sentences"):
        SpanScores.of([["O"]], [["O"], ["O"]])
    with pytest.raises(ShapeError, match="sentence 1 has 1 predicted tags and 2 gold ones"):
        SpanScores.of([["O"], ["O"]], [["O"], ["O", "O"]])
    with pytest.raises(DataError, match="tag 1, 'S-A', is none of IOB2"):
        SpanScores.of([["S-A"]], [["O"]])


def test_a_surface_form_counts_once_with_each_of_its_types() -> None:
    words = [["New", "York", "and", "York"], ["New", "York", "x", "york"], ["New", "York", "New", "York"]]
    gold = [["B-A", "I-A", "O", "B-B"], ["B-A", "I-A", "O", "B-B"], ["B-B", "I-B", "O", "O"]]
    predicted = [["B-A", "I-A", "O", "O"], ["O", "O", "B-A", "O"], ["O", "O", "B-B", "I-B"]]
    scores = SpanScores.of_forms(predicted, gold, words)
    # Gold: New York/A, New York/B, York/B, york/B.  Found: New York/A, x/A, New York/B.
    assert (scores.right.tolist(), scores.predicted.tolist(), scores.gold.tolist()) == (
        [1, 1],
        [2, 1],
        [1, 3],
    )
    assert scores.names == ("A", "B")


def test_surface_forms_need_a_word_for_each_tag() -> None:
    with pytest.raises(ShapeError, match="sentence 0 has 1 words and 2 gold ones"):
        SpanScores.of_forms([["O", "O"]], [["O", "O"]], [["a"]])
    with pytest.raises(ShapeError, match="words of 0 sentences"):
        SpanScores.of_forms([["O"]], [["O"]], [])
