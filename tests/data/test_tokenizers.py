from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data import CharacterTokenizer, WordTokenizer, split_sentences

TOKENIZED = [
    ("Hello, world!", "Hello , world !"),
    ("I can't; won't, don't. DON'T", "I ca n't ; wo n't , do n't . DO N'T"),
    ("it's they're we've I'll he'd I'm", "it 's they 're we 've I 'll he 'd I 'm"),
    ("the isn’t of typesetters’ it’s", "the is n’t of typesetters ’ it ’s"),
    ("o'clock rock'n'roll", "o'clock rock'n'roll"),
    ("the U.S. army, e.g. at 3 p.m. today", "the U.S. army , e.g. at 3 p.m. today"),
    ("Mr. Smith, Dr. No, etc.", "Mr. Smith , Dr. No , etc."),
    ("The end.", "The end ."),
    ("built-in self-test 30-year AT&T", "built-in self-test 30-year AT&T"),
    ("see os.path.join() in setup.cfg.", "see os.path.join ( ) in setup.cfg ."),
    ("__init__ and foo_bar", "__init__ and foo_bar"),
    ("1,024.5 12:30 1e-5 0x1F 3rd 100%", "1,024.5 12:30 1e-5 0x1F 3rd 100 %"),
    ("1, 2, 3.", "1 , 2 , 3 ."),
    ('He said "go".', 'He said " go " .'),
    ("wait... what -- really?!", "wait ... what -- really ? !"),
    ("<unk> 's N ``yes'' <eos>", "<unk> 's N `` yes '' <eos>"),
    ("at https://example.org/a?b=c, or not", "at https://example.org/a?b=c , or not"),
    ("naïve Straße 日本語", "naïve Straße 日本語"),
    ("a\tb\n\n c\xa0d", "a b c d"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "tokens"), TOKENIZED)
def test_words(text: str, tokens: str) -> None:
    assert WordTokenizer().tokenize(text) == tokens.split()
    assert WordTokenizer(lower=True).tokenize(text) == tokens.lower().split()


@pytest.mark.parametrize("tokens", [tokens for _, tokens in TOKENIZED if "( )" not in tokens])
def test_tokenised_text_stays_as_it_is(tokens: str) -> None:
    assert WordTokenizer().tokenize(tokens) == tokens.split()


def test_numbers_become_one_symbol() -> None:
    words = WordTokenizer(number="N").tokenize("1,024.5 of 12:30, 1e-5, but not 3rd, 0x1F or x2")
    assert words == ["N", "of", "N", ",", "N", ",", "but", "not", "3rd", ",", "0x1F", "or", "x2"]


@pytest.mark.parametrize(
    "text",
    [
        "I can't say it's 5, or (perhaps) 6: \"no\" means 'no'!",
        "Call os.getcwd() and/or e.g. len(x)[0]; it costs $3.50.",
        "“Curly quotes” aren’t hard…",
        "100% of {this} is 'quoted'.",
    ],
)
def test_readable_text_comes_back(text: str) -> None:
    words = WordTokenizer()
    spaced = {"len(x)[0]": "len (x) [0]"}  # a bracket opens a new group: spaces there are not known
    for written, found in spaced.items():
        text = text.replace(written, found)
    assert words.detokenize(words.tokenize(text)) == text


@settings(deadline=None, max_examples=150)
@given(st.text())
def test_no_sign_is_lost_or_made_up(text: str) -> None:
    words = WordTokenizer()
    tokens = words.tokenize(text)
    assert "".join(tokens) == "".join(text.split())
    assert all(tokens)
    assert "".join(words.detokenize(tokens).split()) == "".join(tokens)


@settings(deadline=None, max_examples=100)
@given(st.text())
def test_characters_come_back_exactly(text: str) -> None:
    characters = CharacterTokenizer()
    assert characters.detokenize(characters.tokenize(text)) == text
    assert characters.tokenize(text) == list(text)
    assert "".join(CharacterTokenizer(lower=True).tokenize(text)) == text.lower()


SENTENCES = [
    ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
    ("Dr. J. R. Smith met Mr. X. They spoke.", ["Dr. J. R. Smith met Mr. X. They spoke."]),
    ("It grew 3.5 points. 4 fell.", ["It grew 3.5 points.", "4 fell."]),
    ('He said "Go." She went. (It rained.) Then', ['He said "Go."', "She went.", "(It rained.)", "Then"]),
    ("At 5 p.m. They left at 6 p.m. sharp.", ["At 5 p.m.", "They left at 6 p.m. sharp."]),
    (
        "Cats, dogs, etc. They run. See fig. 3 on p. 7.",
        ["Cats, dogs, etc.", "They run.", "See fig. 3 on p. 7."],
    ),
    ("He uses os.path. It works.", ["He uses os.path.", "It works."]),
    ("See e.g. Knuth, i.e. Donald.", ["See e.g. Knuth, i.e. Donald."]),
    (
        "Taller than I. Yes. No. 5 is no. 6 of no. None",
        ["Taller than I.", "Yes.", "No. 5 is no. 6 of no.", "None"],
    ),
    ("Wrapped\nline here.\n\nTitle\n \nNext one.", ["Wrapped line here.", "Title", "Next one."]),
    ("what?! Really... Yes", ["what?!", "Really...", "Yes"]),
    ("ends. lower case goes on", ["ends. lower case goes on"]),
    (" \n ", []),
]


@pytest.mark.parametrize(("text", "sentences"), SENTENCES)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet="aB1.!?\"') \n"))
def test_sentences_hold_the_whole_text(text: str) -> None:
    assert " ".join(split_sentences(text)).split() == text.split()
