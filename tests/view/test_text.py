"""Tables for terminals: golden texts."""

from __future__ import annotations

import pytest

from chainrule.view import format_records, format_table
from chainrule.view.text import columns_of, escape


def test_alignment() -> None:
    table = format_table(
        ["name", "count", "share", "best"], [["a", 5, 0.25, True], ["long name", None, 1 / 3, False]]
    )
    assert table == (
        "name       count     share  best\n"
        "────────────────────────────────\n"
        "a              5      0.25  yes\n"
        "long name         0.333333  no"
    )


def test_a_narrow_terminal_cuts_the_widest_column() -> None:
    table = format_table(["word", "n"], [["internationalisation", 1], ["cat", 22]], width=14, rule=False)
    assert table == "word         n\ninternati…   1\ncat         22"
    assert max(map(columns_of, table.splitlines())) == 14


def test_wide_characters_and_line_breaks() -> None:
    assert format_table(["w", "n"], [["日本", 1], ["a\nb", 2]], rule=False) == "w     n\n日本  1\na b   2"


@pytest.mark.parametrize("rows", [[], [{}]])
def test_nothing(rows: list[dict[str, int]]) -> None:
    assert format_records(rows) in ("\n", "\n\n")


def test_records_with_different_keys() -> None:
    told = format_records([{"a": 1}, {"b": 2.5}])
    assert told == "a    b\n──────\n1\n   2.5"


def test_escape() -> None:
    assert escape("<script>\"&'\x00") == "&lt;script&gt;&quot;&amp;&#x27;�"
