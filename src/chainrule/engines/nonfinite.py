"""Where a NaN or an infinity came from: the first element that became one out of finite numbers.

The search starts at the elements of the targets that are not finite and goes back through elements that
are not finite themselves, so an infinity that did no harm (the -∞ of a mask, an overflow that a division
took back to 0) is not accused.  From the element that was found the way leads on, through finite numbers,
to the row of the data or the parameter that made it (``lineage.py``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from ..dtypes import is_float
from ..errors import ChainruleError
from ..graph import Array, Constant, Environment, Leaf, Node, Placeholder, Variable, consumers, topological
from ..ops import Composite, Elementwise, parts
from .lineage import Hidden, Index, Link, hidden_by, lineage, rows_of, shown, spelled, written_at
from .provenance import Mask, all_values, cone, first_of, reads, single
from .remedies import Case, derived_op, maker, reason, remedy, written_out


class Operand(NamedTuple):
    """One input of the node that was found: what it is, and what it held."""

    label: str
    shape: tuple[int, ...]
    value: float | None
    """The element that the offending one was computed from, where there is just one (elementwise ops)."""
    smallest: float
    largest: float

    def __str__(self) -> str:
        if self.value is not None:
            return f"{self.label} = {self.value:.6g}"
        return f"{self.label} {self.shape}, elements from {self.smallest:.6g} to {self.largest:.6g}"


@dataclass(frozen=True)
class Finding:
    """The birth of a value that is not finite; ``str()`` tells it in a few lines."""

    node: Node
    value: float
    """The offending element: nan, inf or -inf."""
    index: Index
    count: int
    """How many elements of the node are not finite."""
    operands: tuple[Operand, ...]
    hint: str
    """Why it is not finite."""
    inside: Node | None = None
    """The composite that the node is a part of."""
    became: Finding | None = None
    """Where an infinity found here first turned into a NaN."""
    chain: tuple[Link, ...] = ()
    """The way back, element by element, to the row of the data or to the parameter."""
    rows: Mapping[Placeholder, tuple[int, ...]] = field(default_factory=dict)
    """Of each input of which some rows, and not all, gave the offending elements: which ones."""
    hidden: Hidden | None = None
    """What kept it out of the forward pass, where only the gradient is not finite."""
    mend: str = ""

    @property
    def leaf(self) -> Link | None:
        """The parameter's or the input's element at the end of the way."""
        last = self.chain[-1] if self.chain else None
        return last if last is not None and isinstance(last.node.op, Leaf) else None

    def told(self, *, rows: bool = True) -> list[str]:
        """All but the mend, as lines; ``rows``: also which rows of the inputs it is of."""
        label = f"{self.node.op.name} {self.node.name!r}" if self.node.name else self.node.op.name
        part = f", part of {self.inside.op.name}" if self.inside is not None else ""
        verb = "holds" if isinstance(self.node.op, Leaf) else "first gives"
        place = f" at {list(self.index)}" if self.index else ""
        lines = [
            f"{label}{part} {verb} {spelled(self.value)}{place}"
            f" ({self.count} of {self.node.size} elements are not finite)",
        ]
        at = written_at(self.node.origin)
        lines += [f"  written at: {at}"] if at else []
        lines += [f"  input {number}: {operand}" for number, operand in enumerate(self.operands)]
        lines.append(f"  why: {self.hint}")
        if self.became is not None:
            at = written_at(self.became.node.origin)
            lines.append(f"  it turns into NaN in {self.became.node.op.name}{f' ({at})' if at else ''}")
        if self.hidden is not None:
            lines.append(f"  hidden: {self.hidden}")
        if rows and (told := rows_told(self.rows)):
            lines.append(f"  it is of {told}")
        way = list(shown(self.chain))
        if len(way) > 1 or (way and not self._is_operand(self.chain[-1])):
            lines += ["  it came from:", *(f"    {line}" for line in way)]
        return lines

    def _is_operand(self, link: Link) -> bool:
        """Whether a link says no more than the line of the operand does."""
        return any(link.node is child for child in self.node.inputs) and not link.note

    def __str__(self) -> str:
        return "\n".join([*self.told(), *([f"  mend: {self.mend}"] if self.mend else [])])


def first_nonfinite(targets: Sequence[Node], environment: Mapping[Node, Array]) -> Finding | None:
    """The first node, in forward order, whose NaN or infinity reached one of ``targets``; else None.

    ``environment`` gives the leaves' values (and may give others); targets may be gradients and
    updates.  Composites are opened where the fault lies inside.

    >>> import chainrule as cr
    >>> p = cr.variable([0.5, 0.0], name="p")
    >>> finding = first_nonfinite([-(p * cr.log(p)).sum()], {})
    >>> finding.node.op.name, finding.index, finding.became.node.op.name
    ('log', (1,), 'multiply')
    >>> [str(link).split("  ")[0] for link in finding.chain]
    ['p[1] = 0']
    """
    values = all_values(targets, environment)
    found = _search(targets, topological(targets), values)
    return None if found is None else _explained(found, targets, values)


def rows_told(rows: Mapping[Placeholder, tuple[int, ...]]) -> str:
    """``row 3 of x and ids``: which rows of the inputs, where they are few."""
    together: dict[tuple[int, ...], list[str]] = {}
    for leaf, some in rows.items():
        if 0 < len(some) <= _FEW:
            together.setdefault(some, []).append(leaf.label)
    return ", ".join(
        f"{numbered('row', some)} of {' and '.join(labels)}" for some, labels in together.items()
    )


def numbered(what: str, numbers: Sequence[int]) -> str:
    """``row 3``, ``rows 3, 4 and 9``."""
    if len(numbers) == 1:
        return f"{what} {numbers[0]}"
    return f"{what}s {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


_FEW = 5


# -- the search --------------------------------------------------------------------------------------------


class _Birth(NamedTuple):
    """Elements of a node that are not finite, though nothing that they read is such."""

    node: Node
    elements: Mask


def _search(targets: Sequence[Node], order: Sequence[Node], values: Environment) -> Finding | None:
    ends = {node: mask for node in targets if (mask := _bad(values[node], np.isnan)).any()}
    if not ends:
        ends = {node: mask for node in targets if (mask := _bad(values[node], np.isinf)).any()}
        births = _births(ends, order, values, np.isinf)
        return _finding(births[0], values) if births else None
    nan = _births(ends, order, values, np.isnan)[0]
    element = single(nan.node, first_of(nan.elements))
    infinite = {
        child: mask
        for child, read in zip(nan.node.inputs, _read(nan.node, element, values), strict=True)
        if (mask := read & _bad(values[child], np.isinf)).any()
    }
    causes = [
        birth for birth in _births(infinite, order, values, np.isinf) if not isinstance(birth.node, Constant)
    ]
    if not causes:  # infinities written down on purpose: the fault is what was done with them
        return _finding(nan, values)
    return _finding(causes[0], values, became=_finding(nan, values))


def _births(
    ends: Mapping[Node, Mask], order: Sequence[Node], values: Environment, kind: Callable[[Array], Array]
) -> list[_Birth]:
    """Where the values of this kind at ``ends`` arose, in forward order: back through such values only."""
    wanted = dict(ends)
    births: list[_Birth] = []
    for node in reversed(order):
        mask = wanted.get(node)
        if mask is None:
            continue
        inherited = False
        for child, read in zip(node.inputs, _read(node, mask, values), strict=True):
            bad = read & _bad(values[child], kind)
            if bad.any():
                wanted[child] = wanted[child] | bad if child in wanted else bad
                inherited = True
        if not inherited:
            births.append(_Birth(node, mask))
    return births[::-1]


def _read(node: Node, mask: Mask, values: Environment) -> list[Mask]:
    """The elements read; all of an op's inputs where it cannot say which."""
    try:
        return reads(node, mask, values) if node.inputs else []
    except ChainruleError:  # a composite whose parts do not run on these values
        return [np.ones(child.shape, bool) for child in node.inputs]


def _bad(value: Array, kind: Callable[[Array], Array]) -> Mask:
    return kind(value) if is_float(value.dtype) else np.zeros(value.shape, bool)


def _finding(birth: _Birth, values: Environment, became: Finding | None = None) -> Finding:
    node = birth.node
    if isinstance(node.op, Composite):
        inner = _inside(node, values)
        if inner is not None:
            return replace(inner, became=became)
    value, index = values[node], first_of(birth.elements)
    operands = tuple(_operand(child, values[child], node, index) for child in node.inputs)
    return Finding(
        node=node,
        value=float(value[index]),
        index=index,
        count=int(np.count_nonzero(~np.isfinite(value))),
        operands=operands,
        hint=reason(
            node,
            [operand.value for operand in operands],
            [bound for operand in operands for bound in (operand.smallest, operand.largest)],
            float(value[index]),
        ),
        became=became,
        chain=lineage(node, index, values),
        rows=rows_of(cone({node: birth.elements}, values)),
    )


def _inside(node: Node, values: Environment) -> Finding | None:
    """The same search within a composite's parts.

    Where its value comes by another road than its parts (a user's own ``forward``) nothing may be found.
    """
    inner = parts(node)
    try:
        known = all_values([inner], values)
        found = _search([inner], topological([inner], stop=set(node.inputs).__contains__), known)
    except ChainruleError:  # its parts do not run on these values: the composite itself is the finding
        return None
    return None if found is None else replace(found, inside=found.inside or node)


def _operand(child: Node, value: Array, node: Node, index: Index) -> Operand:
    element = None
    if isinstance(node.op, Elementwise):
        place = index[len(index) - value.ndim :] if value.ndim else ()
        element = float(value[tuple(0 if n == 1 else i for i, n in zip(place, value.shape, strict=True))])
    low, high = (float(value.min()), float(value.max())) if value.size else (math.nan, math.nan)
    return Operand(child.label, child.shape, element, low, high)


# -- what the forward pass hid, and the mend ---------------------------------------------------------------


def _explained(found: Finding, targets: Sequence[Node], values: Environment) -> Finding:
    """With what hid it, and with the mend that fits."""
    last = found.became or found
    hidden = hidden_by(last.node, last.index, values) if math.isnan(last.value) else None
    readers = consumers(topological(targets))
    derived = derived_op(found.node)
    node, leaf = found.node, found.leaf
    operands = node.inputs[1:] if node.op.name == "divide" else node.inputs
    formula = written_out(node, lambda n: readers.get(n, [])) if node.op.name == "exp" else ""
    case = Case(
        op=derived or node.op.name,
        makers=tuple(maker(child) for child in operands),
        users=(formula,),
        in_gradient=bool(derived),
        hidden=hidden is not None,
        leaf=node if isinstance(node, Variable | Placeholder) else None if leaf is None else leaf.node,
        extreme=0.0 if leaf is None else leaf.value,
        value=found.value,
        in_update=node.origin.module.startswith("optimizer."),
        became="" if found.became is None or derived_op(found.became.node) else found.became.node.op.name,
    )
    return replace(found, hidden=hidden, mend=remedy(case))
