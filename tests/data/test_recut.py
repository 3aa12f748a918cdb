"""Words cut further: what the pieces are, that nothing of a text is lost, and where the spans go."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data import Sentences, spans_of
from chainrule.data.recut import pieces, recut


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("@ann", "@ ann"),
        ("#2017", "# 2017"),
        ("don't", "don ' t"),
        ("n't", "n ' t"),
        ("4Dbling", "4 Dbling"),
        ("&lt;", "& lt ;"),
        (":-)", ": - )"),
        ("sci-fi", "sci-fi"),
        ("not-so-good-", "not-so-good -"),
        ("5-3", "5 - 3"),
        ("kayden_kross", "kayden _ kross"),
        ("École", "École"),
        ("...", ". . ."),
        ("https://t.co/aB1", "https://t.co/aB1"),
        ("WWW.x.org", "WWW.x.org"),
        ("😀😀", "😀 😀"),
    ],
)
def test_pieces(word, expected):
    assert pieces(word) == expected.split()


@settings(deadline=None, max_examples=60)
@given(st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=12))
def test_pieces_are_the_word_and_have_no_pieces(word):
    assert "".join(pieces(word)) == word
    assert [pieces(piece) for piece in pieces(word)] == [[piece] for piece in pieces(word)]


@pytest.mark.parametrize(
    ("words", "tags", "expected"),
    [
        ("#Oslo !", "B-L O", ["Oslo L"]),
        ("(New York)", "B-L E-L", ["New York L"]),
        ("@a_b: x", "S-P O", ["a _ b P"]),
        ("Toys R' Us", "B-C I-C E-C", ["Toys R ' Us C"]),
        ("Ann Bob's", "S-P S-P", ["Ann P", "Bob ' s P"]),
        (":-) Yahoo!", "S-X S-C", [": - ) X", "Yahoo C"]),  # nothing but signs: all of them
        ("i'm", "O", []),
        ("", "", []),
    ],
)
def test_spans_are_on_the_pieces_and_end_in_no_sign(words, tags, expected):
    given_ = Sentences({"form": [words.split()], "tag": [tags.split()], "n": [words.split()]}, [1], "a.txt")
    found = recut(given_, "tag", "BIOES")
    (cut,) = found["form"]
    spans = [
        " ".join([*cut[span.start : span.end], span.type]) for span in spans_of(found["tag"][0], "BIOES")
    ]
    assert spans == expected
    assert "".join(cut) == words.replace(" ", "")
    assert [len(column[0]) for column in found.columns.values()] == [len(cut)] * 3
    assert set(found["n"][0]) == set(words.split())  # another column, repeated
