from __future__ import annotations

from pathlib import Path

import pytest

from chainrule.data import Span
from chainrule.errors import DataError
from chainrule.models import Gazetteer

SENTENCES = [
    ["Paris", "met", "Paris", "Hilton", "in", "Paris"],
    ["the", "Who", "played", "The", "Who"],
    ["who", "knows", "the", "Hilton"],
    [],
]
SPANS = [
    [Span(0, 1, "person"), Span(2, 4, "person"), Span(5, 6, "place")],
    [Span(0, 2, "group"), Span(3, 5, "group")],
    [Span(3, 4, "hotel")],
    [],
]


def test_the_longest_phrase_from_the_left_is_found() -> None:
    found = Gazetteer.fit(SENTENCES, SPANS)
    assert found.spans(["the", "Who", "saw", "Paris", "Hilton"]) == [
        Span(0, 2, "group"),
        Span(3, 5, "person"),
    ]
    assert found.spans([]) == []


def test_the_type_seen_most_counts_and_in_a_tie_the_first_of_the_alphabet() -> None:
    found = Gazetteer.fit(SENTENCES, SPANS)
    assert found.types["Paris",] == "person"  # once each
    more = Gazetteer.fit([*SENTENCES, ["Paris"]], [*SPANS, [Span(0, 1, "place")]])
    assert more.types["Paris",] == "place"


def test_a_phrase_that_is_mostly_no_span_is_left_out() -> None:
    """Hilton alone stands twice, once as a span; among three more it does not reach half."""
    assert ("Hilton",) in Gazetteer.fit(SENTENCES, SPANS)
    others = [["Hilton"], ["a", "Hilton"]]
    found = Gazetteer.fit([*SENTENCES, *others], [*SPANS, [], []])
    assert ("Hilton",) not in found
    assert ("Paris", "Hilton") in found


def test_nothing_learned_finds_nothing() -> None:
    assert Gazetteer.fit([["a"]], [[]]).spans(["a", "b"]) == []


def test_saved_and_loaded(tmp_path: Path) -> None:
    found = Gazetteer.fit(SENTENCES, SPANS)
    found.save(tmp_path / "g.json")
    assert Gazetteer.load(tmp_path / "g.json").types == found.types


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"format": "x"}', '{"format": "chainrule gazetteer", "version": 1, "phrases": [[["a"], 1]]}'],
)
def test_what_is_no_gazetteer_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "g.json"
    path.write_text(content)
    with pytest.raises(DataError, match="no saved gazetteer"):
        Gazetteer.load(path)
