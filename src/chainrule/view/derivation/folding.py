"""Layers that repeat, as one: the lines of layers 11 to 2 are the lines of layer ℓ."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from ..formulas import Math, Number, Sum, Symbol, number
from ..formulas.notation import Big, Index
from ..formulas.styles import parts_of, raise_
from ..formulas.tree import substituted
from .lines import Line, Where, largest

_LEAST = 3
"""Layers alike that are worth folding."""
_LAYER = re.compile(r"⁽([⁰¹²³⁴-⁹]+)⁾$")


def fold(lines: Sequence[Line]) -> list[Line]:
    """The lines, with three or more neighbouring layers that differ in their number alone written once."""
    blocks = [list(group) for _, group in groupby(lines, key=lambda line: line.layer)]
    found: list[Line] = []
    place = 0
    while place < len(blocks):
        run, indices = max((_run(blocks, place, indices), -indices) for indices in (False, True))
        if run < _LEAST:
            found += blocks[place]
            place += 1
            continue
        found += _as_one(blocks[place : place + run], bool(indices))
        place += run
    return found


def gather(where: Sequence[Where]) -> list[tuple[Where, Where | None]]:
    """The symbols, and of three or more neighbouring layers' alike the first and the last alone."""
    runs: list[list[Where]] = []
    latest: dict[tuple[str, tuple[int, ...]], list[Where]] = {}
    for entry in where:
        symbol, _, shape = entry
        layer = _layer_of(symbol)
        run = latest.get(key := (_LAYER.sub("", symbol.text()), shape))
        if layer is not None and run is not None and _layer_of(run[-1][0]) == layer - 1:
            run.append(entry)
            continue
        runs.append([entry])
        if layer is not None:
            latest[key] = runs[-1]
    found: list[tuple[Where, Where | None]] = []
    for run in runs:
        found += [(run[0], run[-1])] if len(run) >= _LEAST else [(entry, None) for entry in run]
    return found


def _layer_of(symbol: Math) -> int | None:
    found = _LAYER.search(symbol.text())
    return None if found is None else int(parts_of(symbol.text()).superscript.strip("()"))


def over_layers(total: Math, layers: Sequence[int | None]) -> Math:
    """A sum of which each term belongs to a layer, with terms alike as one: ``Σ h⁽ˡ⁻¹⁾ᵀ δ⁽ˡ⁾``."""
    if not isinstance(total, Sum) or len(total.terms) != len(layers) or any(sign < 0 for sign in total.signs):
        return total
    found: list[Math] = []
    place = 0
    while place < len(layers):
        count, general = _alike(total.terms, layers, place)
        if count < _LEAST or general is None:
            found.append(total.terms[place])
            place += 1
            continue
        ends = sorted(layer for layer in (layers[place], layers[place + count - 1]) if layer is not None)
        found.append(Big("Σ", ("ℓ",), general, total.ndim, limits=(ends[0], ends[1])))
        place += count
    return found[0] if len(found) == 1 else Sum(tuple(found), (1,) * len(found))


def _alike(terms: Sequence[Math], layers: Sequence[int | None], start: int) -> tuple[int, Math | None]:
    """How many terms from ``start`` on are the same but for their layer, and what that is."""
    best: tuple[int, Math | None] = (1, None)
    for indices in (False, True):
        layer = layers[start]
        if layer is None:
            break
        general = _relative(terms[start], layer, indices)
        count, step = 1, 0
        for term, other in zip(terms[start + 1 :], layers[start + 1 :], strict=True):
            before = layers[start + count - 1]
            if (
                other is None
                or before is None
                or abs(other - before) != 1
                or (step and other - before != step)
            ):
                break
            if _relative(term, other, indices) != general:
                break
            step, count = other - before, count + 1
        best = max(best, (count, general), key=lambda found: found[0])
    return best


def _run(blocks: Sequence[list[Line]], start: int, indices: bool) -> int:
    """How many blocks from ``start`` on say the same, each one layer further the same way."""
    first = blocks[start][0].layer
    if first is None:
        return 1
    wanted = [_general(line, indices) for line in blocks[start]]
    count, step = 1, 0
    for block in blocks[start + 1 :]:
        step = _step(blocks[start + count - 1][0].layer, block[0].layer, step)
        if not step or [_general(line, indices) for line in block] != wanted:
            break
        count += 1
    return count


def _step(before: int | None, after: int | None, step: int) -> int:
    """1 or -1 from one layer to its neighbour, the same way as before; 0 where it is none."""
    if before is None or after is None or abs(after - before) != 1:
        return 0
    return after - before if step in (0, after - before) else 0


def _general(line: Line, indices: bool) -> Line:
    """The line for layer ℓ, with nothing left that is of one layer."""
    layer = line.layer
    assert layer is not None
    return replace(
        line,
        left=_relative(line.left, layer, indices),
        forms=tuple([_relative(form, layer, indices) for form in line.forms]),
        meaning=None if line.meaning is None else _relative(line.meaning, layer, indices),
        deviation=None,
        size=0.0,
        layer=0,
    )


def _relative(formula: Math, layer: int, indices: bool) -> Math:
    """The formula with layers, and with ``indices`` also the first index, counted from ℓ."""

    def look(part: Math) -> Math | None:
        if isinstance(part, Symbol) and (found := _LAYER.search(part.name)) is not None:
            offset = int(parts_of(part.name).superscript.strip("()")) - layer
            tail = "" if not offset else f"{'⁺' if offset > 0 else '⁻'}{raise_(str(abs(offset)))}"
            return Symbol(f"{part.name[: found.start()]}⁽ˡ{tail}⁾", part.axes)
        if indices and isinstance(part, Index) and isinstance(part.places[0], Number):
            offset = int(part.places[0].value) - layer
            place: Math = Symbol("ℓ")
            if offset:
                place = Sum((place, number(abs(offset))), (1, 1 if offset > 0 else -1))
            return replace(part, places=(place, *part.places[1:]))
        return None

    return substituted(formula, look)


def _as_one(blocks: Sequence[list[Line]], indices: bool) -> list[Line]:
    first, last = blocks[0][0].layer, blocks[-1][0].layer
    assert first is not None
    assert last is not None
    found = []
    for lines in zip(*blocks, strict=True):
        known = [line.deviation for line in lines if line.deviation is not None]
        general = replace(_general(lines[0], indices), size=max(line.size for line in lines))
        found.append(general.spanning(first, last, largest(known) if known else None))
    return found
