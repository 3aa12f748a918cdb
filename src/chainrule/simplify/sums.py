"""Sums of copies and of sums; and sums with zeros that a few rows, or one place a line, were added to."""

from __future__ import annotations

import math
from collections.abc import Callable

from .. import ops
from ..dtypes import is_integer
from ..graph import Node
from ..ops import add_rows, reshape
from ..ops.rows import gathered, looks_of
from ..rewrite import Rule, anything
from .language import key, pattern, rules_of

exact, rounding, sparse = rules_of("exact"), rules_of("rounding"), rules_of("sparsity")


# -- sums of what repeats ----------------------------------------------------------------------------------


def _of_copies(root: Node, x: Node, y: Node) -> Node | None:
    """A sum along axes on which all elements are copies of one: that one, so many times."""
    axes = root.attributes["axis"]
    aligned = reshape(x, (1,) * (y.ndim - x.ndim) + x.shape)
    if any(aligned.shape[axis] != 1 for axis in axes):
        return None
    count = math.prod([y.shape[axis] for axis in axes])
    one = aligned if root.attributes["keepdims"] else ops.squeeze(aligned, axes)
    return ops.multiply(one, count)


def _of_integers(root: Node, x: Node, y: Node) -> Node | None:
    return _of_copies(root, x, y) if is_integer(x.dtype) else None


def _of_sums(root: Node, x: Node, y: Node) -> Node | None:
    if root.attributes["keepdims"] or y.attributes["keepdims"]:
        return None
    first = y.attributes["axis"]
    left = [axis for axis in range(x.ndim) if axis not in first]
    return ops.sum(x, axis=(*first, *[left[axis] for axis in root.attributes["axis"]]))


_COPIES = pattern("sum", pattern("broadcast_to", "x", name="y"))
REPEATED: list[Rule] = [
    exact("Σ of n copies of an integer = n · x", _COPIES, _of_integers),
    rounding("Σ of n copies of x = n · x", _COPIES, _of_copies),
]
#: For an inner sum that nobody else reads.
SUMS_OF_SUMS: list[Rule] = [
    rounding("ΣΣ x is one sum", pattern("sum", pattern("sum", "x", name="y")), _of_sums, alone="y")
]


# -- squares of sparse gradients ---------------------------------------------------------------------------


def _norm(root: Node, g: Node) -> Node | None:
    """The squares of a sparse gradient: those of its rows."""
    looks = looks_of(g)
    # What comes of it has as many rows as are named here, so that the rule does not fire again.
    if looks is None or sum(look.indices.size for look in looks) >= g.shape[0]:
        return None
    if len(root.attributes["axis"]) != g.ndim or root.attributes["keepdims"]:
        return None
    return ops.sum(ops.square(gathered(looks, g.shape[0])[0]))


# -- added to what is there --------------------------------------------------------------------------------

_SCATTERED = pattern("scatter_add", "v", "i", name="s")
_PLACED = pattern("scatter_along_axis", "v", "i", name="s")


def _onto(sign: int) -> Callable[..., Node | None]:
    def build(root: Node, x: Node, s: Node, v: Node, i: Node) -> Node | None:
        if s.attributes["axis"] or x.shape != root.shape:
            return None
        values = reshape(v, (i.size, *v.shape[i.ndim :]))
        return add_rows(x, values if sign > 0 else -values, reshape(i, -1))

    return build


def _into(sign: int) -> Callable[..., Node | None]:
    def build(root: Node, x: Node, s: Node, v: Node, i: Node) -> Node | None:
        if x.shape != root.shape or s.shape != root.shape:
            return None
        return ops.add_along_axis(x, v if sign > 0 else -v, i, axis=s.attributes["axis"])

    return build


def _sum_of_reshaped(root: Node, x: Node, y: Node) -> Node | None:
    adding = ("scatter_add", "add_rows")
    return (
        reshape(x + y, root.shape) if x.shape == y.shape and key(x) in adding and key(y) in adding else None
    )


def _adds_rows(found: Node) -> bool:
    return key(found) in ("add", "scatter_add")


SPARSE_NORMS: list[Rule] = [
    sparse(
        "Σ(added rows)²: only theirs", pattern("sum", pattern("square", anything("g", _adds_rows))), _norm
    ),
    sparse(
        "Σ(added rows)²: only theirs",
        pattern("sum", pattern("multiply", anything("g", _adds_rows), "g")),
        _norm,
    ),
]

#: Sums with zeros that few places were added to, once updates have been seen to.
SPARSE_SUMS: list[Rule] = [
    sparse("reshape(x) + reshape(y) = reshape(x + y), of added rows",
            pattern("add", pattern("reshape", "x"), pattern("reshape", "y")), _sum_of_reshaped),
    sparse("x + (added rows): added to x", pattern("add", "x", _SCATTERED), _onto(1)),
    sparse("x - (added rows): taken from x", pattern("subtract", "x", _SCATTERED), _onto(-1)),
    sparse("x + (put in one place): added to x", pattern("add", "x", _PLACED), _into(1)),
    sparse("x - (put in one place): taken from x", pattern("subtract", "x", _PLACED), _into(-1)),
]  # fmt: skip
