"""Layers that repeat, as one: the lines of layers 11 to 2 are the lines of layer ℓ."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from ..formulas import Math, Symbol
from ..formulas.styles import parts_of, raise_
from ..formulas.tree import substituted
from .lines import Line

_LEAST = 3
"""Layers alike that are worth folding."""
_LAYER = re.compile(r"⁽([⁰¹²³⁴-⁹]+)⁾$")


def fold(lines: Sequence[Line]) -> list[Line]:
    """The lines, with three or more neighbouring layers that differ in their number alone written once."""
    blocks = [list(group) for _, group in groupby(lines, key=lambda line: line.layer)]
    found: list[Line] = []
    place = 0
    while place < len(blocks):
        run = _run(blocks, place)
        if run < _LEAST:
            found += blocks[place]
            place += 1
            continue
        found += _as_one(blocks[place : place + run])
        place += run
    return found


def _run(blocks: Sequence[list[Line]], start: int) -> int:
    """How many blocks from ``start`` on say the same, each one layer further the same way."""
    first = blocks[start][0].layer
    if first is None:
        return 1
    wanted = [_general(line) for line in blocks[start]]
    count, step = 1, 0
    for block in blocks[start + 1 :]:
        layer, before = block[0].layer, blocks[start + count - 1][0].layer
        if layer is None or before is None or abs(layer - before) != 1 or (step and layer - before != step):
            break
        if [_general(line) for line in block] != wanted:
            break
        step, count = layer - before, count + 1
    return count


def _general(line: Line) -> Line:
    """The line for layer ℓ, with nothing left that is of one layer."""
    layer = line.layer
    assert layer is not None

    def relative(part: Math) -> Math | None:
        if not isinstance(part, Symbol) or (found := _LAYER.search(part.name)) is None:
            return None
        offset = int(parts_of(part.name).superscript.strip("()")) - layer
        tail = "" if not offset else f"{'⁺' if offset > 0 else '⁻'}{raise_(str(abs(offset)))}"
        return Symbol(f"{part.name[: found.start()]}⁽ˡ{tail}⁾", part.axes)

    return replace(
        line,
        left=substituted(line.left, relative),
        forms=tuple([substituted(form, relative) for form in line.forms]),
        meaning=None if line.meaning is None else substituted(line.meaning, relative),
        deviation=None,
        size=0.0,
        layer=0,
    )


def _as_one(blocks: Sequence[list[Line]]) -> list[Line]:
    first, last = blocks[0][0].layer, blocks[-1][0].layer
    assert first is not None
    assert last is not None
    found = []
    for lines in zip(*blocks, strict=True):
        known = [line.deviation for line in lines if line.deviation is not None]
        general = replace(_general(lines[0]), size=max(line.size for line in lines))
        found.append(general.spanning(first, last, max(known) if known else None))
    return found
