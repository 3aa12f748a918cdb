"""``explain``: both passes over a scalar's graph, as an object that shows itself and as one HTML file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from ...data.files import write_atomically
from ...engines.trace import Step, step_through
from ...errors import ArgumentError
from ...graph import Node, bind, user_place
from ..formulas import Convention
from ..text import escape
from .numeric import Checks
from .picture import picture
from .record import Recorder
from .rendering import fallback, render_page


class Explanation:
    """Both passes over a graph: ``.record`` is their record, ``.html`` the page, :meth:`save` writes it."""

    def __init__(self, record: dict[str, Any], steps: Sequence[Step]) -> None:
        self.record = record
        self._steps = steps

    @cached_property
    def html(self) -> str:
        """The page: one file, without anything to fetch."""
        drawing = picture(self.record).svg
        return render_page(self.record, drawing + fallback(self.record, self._steps))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page to ``path``; what stood there is replaced as a whole."""
        write_atomically(path, self.html)

    def _repr_html_(self) -> str:
        page = escape(self.html)
        return (
            f'<iframe srcdoc="{page}" style="width:100%;height:720px;border:0" title="explanation"></iframe>'
        )

    def _repr_svg_(self) -> str:
        return picture(self.record).svg

    def __repr__(self) -> str:
        return f"<explanation: {self.record['title']}, {len(self.record['nodes'])} nodes>"


def explain(
    output: Node,
    feed: Mapping[Any, Any] | None = None,
    *,
    path: str | os.PathLike[str] | None = None,
    title: str | None = None,
    about: str = "",
    convention: Convention = "row",
    check: bool = True,
    exercise: bool = False,
    unfold: bool = True,
) -> Explanation:
    """Record both passes over the graph of a scalar, and make the page that steps through them.

    Every node has its value, its gradient ∂L/∂node, and of each consumer one term, upstream × local =
    downstream, whose sum the gradient is; with rules in symbols and numbers, and why there is no gradient
    where there is none.  Arrays are kept whole while all of them fit in about a megabyte, and beyond that
    by their first and last rows and columns, with exact statistics.

    ``feed`` gives the placeholders' arrays.  The page is written to ``path``, replaced as a whole.
    ``title`` and ``about`` stand above it.  In the ``convention`` "row" a vector is a row of matrix
    products (x W), in "column" a column (W x).  ``check`` puts numerical gradients beside the analytic
    ones: central differences in float64, entry by entry, of so many entries as a second or two allows.
    An ``exercise`` hides numbers for the reader to find.  ``unfold`` records the passes over the parts of
    composites as well, so that they can be opened.

    Raises ``ShapeError`` for what is no scalar of floats, ``UnboundError`` for a placeholder without a
    value, ``ArgumentError`` for another convention, ``DataError`` where ``path`` cannot be written.
    Source: Goldberg (2017), chapter 5.

    >>> import chainrule as cr
    >>> a, b, c = (cr.variable(v, name=n) for n, v in [("a", 3.0), ("b", 1.0), ("c", -2.0)])
    >>> page = explain(c * (a + 2 * b))
    >>> page
    <explanation: multiply, 7 nodes>
    >>> b = page.record["nodes"][3]
    >>> b["symbol"], [term["rule"]["text"] for term in b["terms"]], b["check"]["agrees"]
    ('b', ['2·∂L/∂v₄'], True)
    """
    if convention not in ("row", "column"):
        raise ArgumentError(
            f"explain: convention={convention!r}", where=user_place(), mend="'row' or 'column'"
        )
    trace = step_through(output, feed, inside=unfold)
    recorder = Recorder(trace, convention=convention, checks=Checks(trace) if check else None)
    record = recorder.as_record(title or output.label, about, bind(feed), exercised=exercise)
    explanation = Explanation(record, recorder.steps)
    if path is not None:
        explanation.save(path)
    return explanation
