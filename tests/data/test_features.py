"""Channels: what each makes of a word, what is known of it, and what comes back from a file."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data import Channels, capitals, normalised, shape
from chainrule.errors import ArgumentError, DataError

FORMS = {"form": [["The", "cats", "of", "1984"], [], ["cats", "McDonald's", "USA"]]}
WORDS = st.text(min_size=1, max_size=25)


@pytest.mark.parametrize(
    ("form", "word", "form_shape", "case"),
    [
        ("The", "the", "Xxx", "first"),
        ("McDonald's", "mcdonald's", "XxXxxx'x", "mixed"),
        ("USA", "usa", "XXX", "all"),
        ("I", "i", "X", "first"),
        ("1984", "0000", "ddd", "no letter"),
        ("3,141.59", "0,000.00", "d,ddd.dd", "no letter"),
        ("e-mail", "e-mail", "x-xxx", "none"),
        ("iPod", "ipod", "xXxx", "mixed"),
        ("ÉCOLE", "école", "XXX", "all"),
        ("ß", "ß", "x", "none"),
        ("中国", "中国", "xx", "none"),
        ("----", "----", "---", "no letter"),
    ],
)
def test_what_channels_make_of_a_word(form, word, form_shape, case):
    assert (normalised(form), shape(form), capitals(form)) == (word, form_shape, case)


def symbols(name: str, form: str, **options) -> list[str]:
    """What a channel that was fitted on the word alone has as its symbols."""
    return sorted(Channels.fit({"form": [[form]]}, [name], **options)[name].vocabulary.tokens[2:])


@pytest.mark.parametrize(
    ("name", "form", "expected"),
    [
        ("word", "Obama7", ["obama0"]),
        ("prefix3", "Obama", ["oba"]),
        ("suffix3", "Obama", ["ama"]),
        ("suffix10", "Obama", ["obama"]),
        ("suffix1", "A", ["a"]),
        ("length", "Obama", ["5"]),
        ("length", "x" * 300, ["20"]),
        ("characters4", "Obama", ["a", "b", "m", "o"]),
        ("characters3", "abcdef", ["a", "e", "f"]),
        ("ngrams3", "ab", ["\x02ab", "ab\x03"]),
        ("ngrams9", "ab", ["\x02ab\x03"]),
        ("form", "Obama7", ["Obama7"]),
    ],
)
def test_symbols_of_a_channel(name, form, expected):
    assert symbols(name, form) == expected


def test_words_as_they_stand():
    assert symbols("word", "Obama7", lower=False) == ["Obama0"]
    assert symbols("suffix2", "Obama7", digits=False) == ["a7"]


def test_rare_symbols_are_unknown_and_closed_kinds_are_kept_whole():
    channels = Channels.fit(FORMS, ["word", "suffix1", "capitals", "characters8"], min_count=2)
    assert channels["word"].vocabulary.tokens == ("<pad>", "<unk>", "cats")
    assert channels["word"].counts == (0, 0, 2)
    assert channels["suffix1"].vocabulary.tokens == ("<pad>", "<unk>", "s")
    assert channels["suffix1"].counts == (0, 0, 3)
    assert len(channels["capitals"]) == 2 + len({"first", "none", "no letter", "mixed", "all"})
    assert "m" in channels["characters8"].vocabulary
    encoded = channels.encode({"form": [["cats", "dogs"]]})
    assert encoded.ids["word"].tolist() == [2, 1]
    assert encoded.ids["characters8"].shape == (2, 8)
    assert encoded.ids["characters8"][:, 4:].tolist() == [[0] * 4] * 2


def test_a_column_is_a_channel_and_need_not_be_fitted_to_have_words_to_come():
    data = {"form": [["a", "b"]], "pos": [["D", "N"]]}
    channels = Channels.fit(data, ["pos", "word"])
    assert channels.encode({"form": [["b"]], "pos": [["V"]]}).ids["pos"].tolist() == [1]
    with pytest.raises(ArgumentError, match="no channel or column 'pos'"):
        channels.encode({"form": [["b"]]})


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("i saw ann 2 :-)", "none"),
        ("the cat and the dog and the bird saw Ann and us and them", "few"),
        ("we all saw Ann there", "some"),
        ("we saw Ann Lee", "most"),
        ("i saw Ann", "many"),
        ("Ann Saw Bob , 2 : 1", "all"),
        ("ANN SAW bob", "shouted"),
        ("I", "all"),
        ("2 :-)", "none"),
        ("", "none"),
    ],
)
def test_the_capitals_of_a_sentence_are_seen_at_each_of_its_words(words, kind):
    data = {"form": [words.split(), ["x"]]}
    channels = Channels.fit(data, ["sentence"], min_count=9)
    assert channels.columns == ["form"]
    ids = channels.encode(data).ids["sentence"]
    assert channels["sentence"].vocabulary.decode(ids.tolist()) == [kind] * len(words.split()) + ["none"]


def test_vectors_are_found_by_the_word_and_else_in_lower_case():
    channels = Channels.fit(FORMS, ["vector"], vectors=(["the", "US", "us", "the"], 50))
    ids = channels.encode({"form": [["The", "US", "Us", "them"]]}).ids["vector"]
    known = channels["vector"].vocabulary
    assert [known.token(i) for i in ids.tolist()] == ["the", "US", "us", "<unk>"]
    assert (channels["vector"].given, channels["vector"].counts) == (50, (0,) * len(known))


def test_other_spellings_are_looked_up_where_a_word_has_no_vector(tmp_path):
    known = ["cool", "col", "york", "#tag", "i'm", "http", "&", "00", "u.s", "..", "book"]
    forms = {
        "#Cooool": "cool", "Coool": "cool", "#York": "york", "#Tag": "#tag", "*I'm*": "i'm", "&amp;": "&",
        "https://a.b/c": "http", "www.a.b": "http", "#42": "00", "U.S.": "u.s", "....": "..",
        "@book:": "book", "zzz": "<unk>", "##": "<unk>",
    }  # fmt: skip
    for respell in (False, True):
        channels = Channels.fit(FORMS, ["vector"], vectors=(known, 3), respell=respell)
        channels.save(tmp_path / "c.json")
        for own in (channels, Channels.load(tmp_path / "c.json")):
            ids = own.encode({"form": [list(forms)]}).ids["vector"].tolist()
            found = own["vector"].vocabulary.decode(ids)
            expected = (
                list(forms.values()) if respell else ["#tag" if f == "#Tag" else "<unk>" for f in forms]
            )
            assert found == expected


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.lists(WORDS, max_size=6), min_size=1, max_size=5),
    st.lists(st.lists(WORDS, max_size=6), max_size=5),
    st.integers(1, 2),
)
def test_any_words_are_encoded_one_by_one_as_all_at_once(tmp_path_factory, train, other, least):
    names = ["word", "prefix2", "suffix3", "shape", "capitals", "length", "characters5", "ngrams2", "form"]
    channels = Channels.fit({"form": train}, names, min_count=least)
    encoded = channels.encode({"form": other})
    assert encoded.lengths.tolist() == [len(words) for words in other]
    assert (len(encoded), encoded.tokens) == (len(other), sum(map(len, other)))
    singly = [channels.encode({"form": [[word]]}) for words in other for word in words]
    for channel in channels:
        ids = encoded.ids[channel.name]
        assert ids.dtype == np.int32
        assert ids.shape == ((encoded.tokens,) if channel.size == 1 else (encoded.tokens, channel.size))
        assert not ids.size or (ids.min() >= 0 and ids.max() < len(channel))
        for row, alone in zip(ids, singly, strict=True):
            np.testing.assert_array_equal(row, alone.ids[channel.name][0])
    path = tmp_path_factory.mktemp("channels") / "channels.json"
    channels.save(path)
    again = Channels.load(path)
    assert (again.channels, again.lower, again.digits) == (channels.channels, True, True)


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        ([], {}, "the channels"),
        (["word", "word"], {}, "the channels"),
        (["lemma"], {}, "no channel or column 'lemma'"),
        (["suffix"], {}, "no channel or column 'suffix'"),
        (["suffix0"], {}, "no channel or column 'suffix0'"),
        (["vector"], {}, "has no vectors"),
    ],
)
def test_channels_that_cannot_be(names, options, message):
    with pytest.raises(ArgumentError, match=message):
        Channels.fit(FORMS, names, **options)


def test_a_channel_that_is_not_there():
    with pytest.raises(ArgumentError, match="the channels are: word"):
        Channels.fit(FORMS, ["word"])["shape"]


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.update(version=99),
        lambda found: found.update(format="something else"),
        lambda found: found.pop("channels"),
        lambda found: found["channels"][0]["counts"].pop(),
        lambda found: found["channels"][0]["tokens"].append("cats"),
        lambda found: found["channels"][0].pop("size"),
    ],
)
def test_a_damaged_file_is_told(tmp_path, change):
    path = tmp_path / "channels.json"
    Channels.fit(FORMS, ["word"]).save(path)
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))
    with pytest.raises(DataError, match="no saved channels") as caught:
        Channels.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", "{", '"word"', "\xff"])
def test_a_file_of_something_else(tmp_path, content):
    path = tmp_path / "channels.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(DataError, match="no saved channels"):
        Channels.load(path)
    with pytest.raises(DataError, match="no such file"):
        Channels.load(tmp_path / "elsewhere.json")
