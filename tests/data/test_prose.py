from __future__ import annotations

import pytest

from chainrule.data import prose

CASES = {
    "wrapped lines are joined": (
        "Return the first\nitem of the list.\n\nThe rest is kept.",
        ["Return the first item of the list.", "The rest is kept."],
    ),
    "doctest": (
        "Do it for all of them.\n\n>>> f(1)\nThis is the result of it.\n\nAnd then the end.",
        ["Do it for all of them.", "And then the end."],
    ),
    "literal block": (
        "Call it like this::\n\n    This is in the block.\n\n    So is the last of it.\n\nBut this is not.",
        ["Call it like this:", "But this is not."],
    ),
    "a list after a literal block": (
        "It is like this::\n\n   x = 1\n\n* the first of them.",
        ["It is like this:", "the first of them."],
    ),
    "grammar": (
        'The rule is as follows:\n\n   with_stmt ::= "with" item and the rest of it\n',
        ["The rule is as follows:"],
    ),
    "headings": (
        "The title of it\n***************\n\nThis is the text.\n\nA part of it.\n-------------",
        ["This is the text."],
    ),
    "list items": (
        "There are three of them:\n\n* the first, which is\n  long.\n"
        "* the second of them.\n\n  1. the third of them.",
        [
            "There are three of them:",
            "the first, which is long.",
            "the second of them.",
            "the third of them.",
        ],
    ),
    "signature and its body": (
        "fetch(url, data=None) -> bytes\n    Fetch what is at the address.",
        ["Fetch what is at the address."],
    ),
    "table": ("name     meaning\na        the first of the letters.\nb        the second of them.", []),
    "options": ("-h, --help  show this message and exit.\n\n--all  show all of them.", []),
    "fields": (":param x: the value that is given.\n:returns: the sum of it.", []),
    "code": ("if x is in the list:\n\nimport os and the rest of it.\n\nx = the value of it.", []),
    "markup": (
        'The *name* of ``x.y`` is in :func:`len`, **bold** and `this\'; see "None" and “that”…',
        ['The name of x.y is in len, bold and this; see None and "that"...'],
    ),
    "footnotes and versions": (
        "It is so [1]. [#2]_\n\nChanged in version 3.8: It is now so in all cases.\n\nNew in version 3.1.",
        ["It is so.", "It is now so in all cases."],
    ),
    "fragments": ("Close it\n\nlist of int\n\nx", []),
    "a long paragraph needs no full stop": (
        "this is one that goes on for long enough to be a text",
        ["this is one that goes on for long enough to be a text"],
    ),
    "nothing": ("", []),
}


@pytest.mark.parametrize("case", CASES)
def test_prose(case: str) -> None:
    text, paragraphs = CASES[case]
    assert prose(text) == paragraphs
