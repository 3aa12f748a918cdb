"""Tables for terminals, from rows of text and numbers."""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

_GAP = "  "
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})


def format_table(
    headers: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    width: int | None = None,
    rule: bool = True,
    right: Container[int] | None = None,
) -> str:
    """Rows under headers, aligned: numbers, or the columns ``right``, to the right, the rest to the left.

    None is an empty cell and a float has six significant digits.  Where the table is wider than
    ``width`` columns its widest column is cut, each cut cell ending in "…".  Wide characters count two.

    >>> print(format_table(["epoch", "loss"], [[1, 2.5], [10, 0.333333333]]))
    epoch      loss
    ───────────────
        1       2.5
       10  0.333333
    """
    table = [list(row) for row in rows]
    cells = [list(headers)] + [[cell_text(cell) for cell in row] for row in table]
    count = len(headers)
    if right is None:
        right = {k for k in range(count) if table and all(is_numeric(row[k]) for row in table)}
    widths = [max(columns_of(row[column]) for row in cells) for column in range(count)]
    if width is not None:
        _narrow(widths, width - len(_GAP) * (count - 1))
    lines = [
        _GAP.join(
            _fit(cell, size, k in right) for k, (cell, size) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    if rule:
        lines.insert(1, "─" * (sum(widths) + len(_GAP) * (count - 1)))
    return "\n".join(lines)


def format_records(records: Sequence[Mapping[str, Any]], *, width: int | None = None) -> str:
    """Dictionaries as a table, a column for each key, in the order in which the keys first appear.

    >>> print(format_records([{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25, "best": "yes"}]))
    step  loss  best
    ────────────────
       1   0.5
       2  0.25  yes
    """
    keys = list(dict.fromkeys(key for record in records for key in record))
    return format_table(keys, [[record.get(key) for key in keys] for record in records], width=width)


def is_numeric(cell: Any) -> bool:
    """Whether a cell goes with numbers: a number, or nothing."""
    return isinstance(cell, int | float | None) and not isinstance(cell, bool)


def cell_text(cell: Any) -> str:
    """A cell's text: one line, floats with six significant digits, None empty."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return f"{cell:.6g}"
    return " ".join(str(cell).split())


def escape(text: str) -> str:
    """Text for HTML and SVG, in elements and in attributes; control characters become "�".

    >>> escape("<a & 'b'>\\x1b")
    '&lt;a &amp; &#x27;b&#x27;&gt;�'
    """
    kept = "".join(c if c >= " " or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
    return kept.translate(_ESCAPES)


def columns_of(text: str) -> int:
    """How many terminal columns a text takes.

    >>> columns_of("é"), columns_of("日本")
    (1, 4)
    """
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def _narrow(widths: list[int], room: int) -> None:
    """Take columns from the widest until all fit; four are left to each."""
    while sum(widths) > room and max(widths) > 4:
        widths[widths.index(max(widths))] -= 1


def _fit(text: str, size: int, to_right: bool) -> str:
    if columns_of(text) > size:
        while columns_of(text) > size - 1:
            text = text[:-1]
        text += "…"
    padding = " " * (size - columns_of(text))
    return padding + text if to_right else text + padding
