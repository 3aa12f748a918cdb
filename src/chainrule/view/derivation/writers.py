"""A derivation as text, as LaTeX and as a page."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Protocol

from ..formulas import Convention, Math
from ..formulas.latex import escape
from ..report import page as report_page
from ..text import columns_of
from ..text import escape as escape_html
from .folding import gather
from .lines import Line, Where

_CONVENTIONS = {
    "row": "Arrays of one axis are rows.",
    "column": "Arrays of one axis are columns.",
}


class Told(Protocol):
    """What the writers read of a derivation."""

    heading: str | Sequence[Math]
    convention: Convention
    values: list[Line]
    lines: list[Line]
    where: list[Where]

    @property
    def title(self) -> str: ...
    @property
    def verified(self) -> bool: ...
    @property
    def verdict(self) -> str: ...


_BESIDE = "Beside each line: its shape, and how far its formula's value is from the run's, at most (±)."
_ASKED = "A bar at the left marks the gradients that were asked for."


def _sections(told: Told) -> Iterator[tuple[str, list[tuple[str, list[Line]]]]]:
    """Heading, and groups of lines with what they hold for."""
    for heading, lines in (("Forwards", told.values), ("Backwards", told.lines)):
        yield (
            heading,
            [(_span(span), list(group)) for span, group in groupby(lines, key=lambda line: line.span)],
        )


def _convention(told: Told) -> list[str]:
    """What vectors are taken for, if there are any."""
    shapes = [line.shape for line in (*told.values, *told.lines)] + [shape for _, _, shape in told.where]
    return [_CONVENTIONS[told.convention]] if any(len(shape) == 1 for shape in shapes) else []


def _span(span: tuple[int, int] | None) -> str:
    return "" if span is None else f"for ℓ = {span[0]}, …, {span[1]}"


def _named(
    told: Told, formula: Callable[[Math], str], words: Callable[[str], str]
) -> Iterator[tuple[str, str, str]]:
    """Symbol, what it stands for and shape, as ``formula`` and ``words`` write them."""
    for first, last in gather(told.where):
        ends = [first] if last is None else [first, last]
        symbols = [formula(symbol) for symbol, _, _ in ends]
        meanings = [words(what) if isinstance(what, str) else formula(what) for _, what, _ in ends]
        yield ", …, ".join(symbols), ", …, ".join(dict.fromkeys(meanings)), _shape(first[2])


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "scalar"


def _deviation(line: Line) -> str:
    if line.deviation is None or math.isnan(line.deviation):
        return "" if line.deviation is None else "NaN"
    return f"{line.deviation:.1e}" if line.deviation else "0"


def _verified(told: Told) -> str:
    return "Verified" if told.verified else "Not verified"


# -- text --------------------------------------------------------------------------------------------------


def rows_of_text(told: Told) -> str:
    """The derivation for a terminal: each form on a line of its own."""
    out = [told.title, "═" * columns_of(told.title), *_convention(told), _BESIDE, ""]
    for symbol, what, shape in _named(told, Math.text, str):
        out.append(f"  {symbol}: {what}, {shape}")
    for heading, groups in _sections(told):
        out += ["", heading, "─" * len(heading)]
        for span, lines in groups:
            if span:
                out.append(f"{span}:")
            rows = [row for line in lines for row in _text_rows(line, "  " if span else "")]
            widths = [max(columns_of(row[n]) for row in rows) for n in range(3)]
            for row in rows:
                cells = [cell + " " * (widths[n] - columns_of(cell)) for n, cell in enumerate(row[:3])]
                out.append("   ".join([*cells, row[3]]).rstrip())
    return "\n".join([*out, "", f"{_verified(told)}: {told.verdict}."])


def _text_rows(line: Line, margin: str) -> list[tuple[str, str, str, str]]:
    head, last = line.head(), len(line.forms) - 1
    rows = []
    for place, form in enumerate(line.forms):
        left = f"{margin}{head if not place else ' ' * columns_of(head)} = {form.text()}"
        shapes, exact = (line.shapes(), _deviation(line)) if place == last else ("", "")
        rows.append((left, shapes, exact and f"± {exact}", line.note if place == last else ""))
    return rows


# -- LaTeX -------------------------------------------------------------------------------------------------


def rows_of_latex(told: Told) -> str:
    """``align*`` environments, the shapes at the right."""
    blocks = []
    for _, groups in _sections(told):
        for span, lines in groups:
            rows = []
            for line in lines:
                forms = line.latex()
                forms[-1] += f" && \\text{{\\small ${_latex_shape(line.shapes())}$}}"
                rows += forms
            told_for = f"\\intertext{{{_latex_words(span)}:}}\n" if span else ""
            body = " \\\\\n".join(rows)
            blocks.append(f"\\begin{{align*}}\n{told_for}{body}\n\\end{{align*}}")
    return "\n".join(blocks)


def _latex_shape(shapes: str) -> str:
    return shapes.replace("×", " \\times ").replace("scalar", "\\text{scalar}")


def _latex_words(words: str) -> str:
    return words.replace("for ℓ = ", "for $\\ell = ").replace("…", "\\dots") + ("$" if "ℓ" in words else "")


def document(told: Told) -> str:
    """A LaTeX document."""
    named = "\n".join(
        f"\\item[{symbol}] {what}, ${_latex_shape(shape)}$"
        for symbol, what, shape in _named(told, lambda formula: f"${formula.latex()}$", escape)
    )
    exact = "\n".join(
        f"$ {line.left.latex()} $ & {_deviation(line)} & {escape(line.note)} \\\\"
        for line in told.lines
        if line.deviation is not None
    )
    equations = rows_of_latex(told).split("\\begin{align*}")
    forwards = len(list(groupby(told.values, key=lambda line: line.span)))
    first = "\\begin{align*}".join(["", *equations[1 : forwards + 1]])
    second = "\\begin{align*}".join(["", *equations[forwards + 1 :]])
    return (
        "\\documentclass{article}\n\\usepackage{amsmath,amssymb}\n"
        "\\usepackage[margin=2.5cm]{geometry}\n\\allowdisplaybreaks\n\\begin{document}\n"
        f"\\section*{{{_latex_title(told)}}}\n{' '.join(_convention(told))}\n"
        f"\\begin{{description}}\n{named}\n\\end{{description}}\n"
        f"\\subsection*{{Forwards}}\n{first}\n\\subsection*{{Backwards}}\n{second}\n"
        "\\subsection*{Held against the run}\n"
        "\\noindent\\begin{tabular}{lll}\ngradient & largest deviation & \\\\ \\hline\n"
        f"{exact}\n\\end{{tabular}}\n\n"
        f"\\medskip\\noindent {escape(told.verdict[:1].upper() + told.verdict[1:])}.\n\\end{{document}}\n"
    )


def _in_latex(what: str | Math) -> str:
    return escape(what) if isinstance(what, str) else f"${what.latex()}$"


def _latex_title(told: Told) -> str:
    words = told.heading
    return escape(words) if isinstance(words, str) else ", ".join(map(_in_latex, words))


# -- HTML --------------------------------------------------------------------------------------------------


def page(told: Told) -> str:
    """A page of its own: tables of equations with their shapes and deviations."""
    named = "".join(
        f"<li>{symbol}: {what}, {shape}</li>"
        for symbol, what, shape in _named(told, Math.mathml, escape_html)
    )
    sections = [f"<p>{''.join(_convention(told))}</p>\n<ul>{named}</ul>"]
    for heading, groups in _sections(told):
        body = "".join(_html_group(span, lines) for span, lines in groups)
        exact = "largest deviation from the run"
        caption = f"<caption>{_ASKED}</caption>" if heading == "Backwards" else ""
        sections.append(
            f'<section><h2>{heading}</h2>\n<div class="scroll" tabindex="0">'
            f'<table class="derivation">{caption}<thead><tr>'
            '<th scope="col">equation</th><th scope="col">shapes</th>'
            f'<th scope="col">{exact}</th></tr></thead>\n{body}</table></div></section>'
        )
    sections.append(f"<p><strong>{_verified(told)}:</strong> {escape_html(told.verdict)}.</p>")
    return report_page(told.title, "\n".join(sections), style=_STYLE)


def _html_group(span: str, lines: Sequence[Line]) -> str:
    head = f'<tr><th colspan="3" scope="rowgroup">{escape_html(span)}</th></tr>' if span else ""
    rows = "".join(
        f"<tr{_asked(line)}><td>{_asked_aloud(line)}{line.mathml()}{_note(line)}</td>"
        f"<td>{escape_html(line.shapes())}</td><td>{_deviation(line)}</td></tr>\n"
        for line in lines
    )
    kind = ' class="repeated"' if span else ""
    return f"<tbody{kind}>{head}{rows}</tbody>"


def _asked(line: Line) -> str:
    return ' class="asked"' if line.wanted else ""


def _asked_aloud(line: Line) -> str:
    return '<span class="aloud">asked for: </span>' if line.wanted else ""


def _note(line: Line) -> str:
    return f'<p class="note">{escape_html(line.note)}</p>' if line.note else ""


_STYLE = """
.derivation td{padding-top:.6rem;padding-bottom:.6rem}
.derivation td:nth-child(n+2){color:var(--quiet);white-space:nowrap;padding-left:1rem}
.derivation .repeated td:first-child{padding-left:1.6rem}
.derivation .asked td:first-child{border-left:3px solid var(--link);padding-left:.7rem}
.aloud{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
math{font-size:1.12em}
math .tensor{font-weight:600}
math.steps{vertical-align:top}
math.steps mtd{text-align:left;padding:.18em .25em}
.note{margin:.2rem 0 0;color:var(--quiet);font-size:.88rem}
"""
