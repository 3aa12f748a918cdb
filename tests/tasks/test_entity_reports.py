from __future__ import annotations

import pytest

from chainrule.data import Span
from chainrule.tasks.entity_reports import answer, mistakes, recall_by_novelty

WORDS = [["Ann", "Lee", "saw", "New", "York", "and", "Rome", "today"]]
GOLD = [["B-per", "I-per", "O", "B-loc", "I-loc", "O", "B-loc", "O"]]


@pytest.mark.parametrize(
    ("found", "outcomes"),
    [
        (GOLD[0], {"right": 3}),
        (["O"] * 8, {"missed": 3}),
        (["B-loc", "I-loc", "O", "B-loc", "I-loc", "O", "O", "O"],
         {"right words, another type": 1, "right": 1, "missed": 1}),
        (["B-per", "O", "O", "O", "B-loc", "I-loc", "I-loc", "B-x"],
         {"other words": 3, "invented": 1}),
    ],
)  # fmt: skip
def test_what_became_of_the_spans(found: list[str], outcomes: dict[str, int]) -> None:
    table = mistakes([found], GOLD, WORDS, "IOB2")
    assert {row[0]: row[1] for row in table.rows if row[1]} == outcomes
    assert all(bool(row[2]) == bool(row[1]) for row in table.rows)


def test_examples_name_what_was_there_and_what_was_found() -> None:
    found = [["B-loc", "I-loc", "O", "B-loc", "O", "O", "O", "B-x"]]
    rows = {row[0]: row[2] for row in mistakes(found, GOLD, WORDS, "IOB2").rows}
    assert rows == {
        "right": "",
        "right words, another type": "Ann Lee (per): loc",
        "other words": "New York (loc): New (loc)",
        "missed": "Rome (loc)",
        "invented": "today (x)",
    }


def test_recall_of_known_and_of_new_spans() -> None:
    found = [["B-per", "I-per", "O", "B-loc", "I-loc", "O", "O", "O"]]
    table = recall_by_novelty(found, GOLD, WORDS, "IOB2", {("New", "York"), ("Rome",)})
    assert table.rows == (("in it", 2, 1, 0.5), ("new", 1, 1, 1.0))
    empty = recall_by_novelty(found, GOLD, WORDS, "IOB2", set())
    assert empty.rows[0][1:3] == (0, 0)


@pytest.mark.parametrize(
    ("text", "words", "marked", "places"),
    [
        ("Ann saw New York.", ["Ann", "saw", "New", "York", "."], "Ann saw [New York x].", [(8, 16)]),
        ("a  New\tYork", ["a", "b", "New", "York"], "a b [New York x]", [(4, 12)]),  # not its words
        ("f( 'two words' )", ["f", "(", "'…'", ")"], "f( ['two words' ) x]", [(3, 16)]),
        ("x = 'open", ["x", "=", "'…'", "end"], "x = ['…' end x]", [(4, 11)]),
        ("to be … or", ["to", "be", "…", "or"], "to be [… or x]", [(6, 10)]),
    ],
)  # fmt: skip
def test_spans_are_marked_where_they_stand(
    text: str, words: list[str], marked: str, places: list[tuple[int, int]]
) -> None:
    found = answer(text, words, [Span(2, 4, "x")])
    assert found["marked"] == marked
    assert [(span["start"], span["end"]) for span in found["spans"]] == places
    assert all(found["text"][s["start"] : s["end"]] == s["text"] for s in found["spans"])


def test_neighbours_and_repeated_words() -> None:
    found = answer("so so so", ["so", "so", "so"], [Span(1, 2, "a"), Span(2, 3, "b")])
    assert found["marked"] == "so [so a] [so b]"
    assert answer("", [], []) == {"text": "", "marked": "", "spans": []}
