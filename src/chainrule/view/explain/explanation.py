"""``explain``: both passes over a scalar's graph, as an object that shows itself and as one HTML file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ...data.files import write_atomically
from ...engines.trace import Step, step_through
from ...graph import Node, bind
from ..formulas import Convention
from ..text import escape
from .numeric import Checks
from .page import fallback, render_page
from .picture import picture
from .record import Recorder


class Explanation:
    """Both passes over a graph: ``.record`` is their record, ``.html`` the page, :meth:`save` writes it."""

    def __init__(self, record: dict[str, Any], steps: Sequence[Step]) -> None:
        self.record = record
        self._steps = steps

    @property
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
    """Record both passes over the graph of a scalar; write the page to ``path`` if given.

    >>> import chainrule as cr
    >>> a, b, c = (cr.variable(v, name=n) for n, v in [("a", 3.0), ("b", 1.0), ("c", -2.0)])
    >>> explain(c * (a + 2 * b))
    <explanation: multiply, 7 nodes>
    """
    trace = step_through(output, feed, inside=unfold)
    recorder = Recorder(trace, convention=convention, checks=Checks(trace) if check else None)
    record = recorder.as_record(title or output.label, about, bind(feed), exercised=exercise)
    explanation = Explanation(record, recorder.steps)
    if path is not None:
        explanation.save(path)
    return explanation
