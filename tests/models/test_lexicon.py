"""The most frequent tag of each word, counted by another way."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.errors import ArgumentError, DataError
from chainrule.models.lexicon import Lexicon

PAIRS = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("NVX")), min_size=1, max_size=40)


@settings(deadline=None, max_examples=80)
@given(PAIRS)
def test_no_other_tag_is_right_more_often(pairs):
    words, tags = zip(*pairs, strict=True)
    lexicon = Lexicon.fit([words], [tags])
    counts = Counter(pairs)
    for word, tag in zip(words, lexicon.tags(words), strict=True):
        assert counts[word, tag] == max(counts[word, other] for other in "NVX")
    assert Counter(tags)[lexicon.usual] == max(Counter(tags).values())
    assert lexicon.tags(["unseen"]) == [lexicon.usual]
    assert len(lexicon) == len(set(words))


def test_ties_are_settled_by_the_whole_text_and_then_the_alphabet():
    assert Lexicon.fit([["a", "a", "b"]], [["X", "N", "X"]]).tags(["a"]) == ["X"]
    assert Lexicon.fit([["a", "a"]], [["X", "N"]]).tags(["a", "b"]) == ["N", "N"]


def test_a_file_and_back(tmp_path):
    lexicon = Lexicon.fit([["a", "ß"], ["\u2028"]], [["N", "V"], ["X"]])
    lexicon.save(tmp_path / "lexicon.json")
    again = Lexicon.load(tmp_path / "lexicon.json")
    assert (again.best, again.usual) == (lexicon.best, lexicon.usual)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "chainrule lexicon", "version": 2}'])
def test_a_damaged_file(tmp_path, content):
    path = tmp_path / "lexicon.json"
    path.write_text(content)
    with pytest.raises(DataError, match="no saved lexicon"):
        Lexicon.load(path)


def test_no_words():
    with pytest.raises(ArgumentError, match="no tagged word"):
        Lexicon.fit([[]], [[]])
