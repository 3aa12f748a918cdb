"""Which elements an element was computed from: the graph read backwards, element by element.

A set of elements is a boolean array of the node's shape (a *mask*).  Each op says which elements of its
inputs some elements of its result read, at the values it really had: of ``where`` the chosen operand, of
``max`` the place that won, of an embedding the rows that were looked up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dtypes import float64, is_float
from ..functions.targets import ClassIndex
from ..graph import (
    Array,
    Constant,
    Environment,
    Leaf,
    Node,
    Op,
    apply,
    forward_pass,
    leaf_value,
    placeholder,
    topological,
)
from ..ops import Composite, Elementwise, parts
from ..ops.casts import Cast, StopGradient
from ..ops.comparison import Where
from ..ops.contraction import MatMul
from ..ops.indexing import (
    Indexing,
    OneHot,
    Pick,
    PlaceInAxis,
    Scatter,
    ScatterAlongAxis,
    Take,
    TakeAlongAxis,
)
from ..ops.movement import Movement
from ..ops.random import UnitInterval
from ..ops.reduction import ArgMax, CumulativeSum, Extremum, Prod, Reduction, Sum
from ..ops.rows import AddAlongAxis, AddRows, PutRows
from ..ops.slicing import Embed, Slice
from ..ops.sorting import ArgSort, Sort
from .stepper import Stepper, run_op

Mask = NDArray[np.bool_]

#: Linear with coefficients 0 and 1: pulled back by the op's own rule, a mask is the elements it reads.
_PLAIN: tuple[type[Op], ...] = (
    Movement, Slice, Embed, Take, Scatter, TakeAlongAxis, ScatterAlongAxis, Pick, PutRows, AddRows,
    AddAlongAxis, Sum, CumulativeSum, Extremum, Sort,
)  # fmt: skip
#: Products: the same, with ones in the place of the values.
_PRODUCTS: tuple[type[Op], ...] = (MatMul, Prod)
_SAME: tuple[type[Op], ...] = (Cast, StopGradient, PlaceInAxis, ClassIndex)


def reads(node: Node, wanted: Mask, values: Mapping[Node, Array]) -> list[Mask]:
    """For each input of ``node`` the elements that the ``wanted`` elements of its value read.

    ``values`` gives the inputs' values.  A user's own op is taken to read everything.

    >>> import chainrule as cr
    >>> x = cr.variable([[1.0, 9.0], [3.0, 2.0]])
    >>> highest = cr.max(x, axis=1)
    >>> reads(highest, np.array([True, False]), {x: x.value})[0].tolist()
    [[False, True], [False, False]]
    """
    op, inputs = node.op, node.inputs
    if not wanted.any():
        return [np.zeros(x.shape, bool) for x in inputs]
    if isinstance(op, Elementwise):
        return [unbroadcast(wanted, x.shape) for x in inputs]
    if isinstance(op, Composite):
        return _through_parts(node, wanted, values)
    if isinstance(op, Where):
        chosen = np.broadcast_to(values[inputs[0]], wanted.shape)
        masks = (wanted, wanted & chosen, wanted & ~chosen)
        return [unbroadcast(mask, x.shape) for mask, x in zip(masks, inputs, strict=True)]
    if isinstance(op, _SAME):
        return [wanted]
    if isinstance(op, (*_PLAIN, *_PRODUCTS)):
        return _indices_too(node, wanted, _pulled(node, wanted, values))
    if isinstance(op, OneHot):
        return [np.asarray(wanted.any(axis=-1))]
    if isinstance(op, ArgMax | ArgSort | Reduction):
        return [_lines(node, wanted)]
    if isinstance(op, UnitInterval):
        words = inputs[0]
        return [wanted if words.shape == wanted.shape else np.broadcast_to(wanted[..., None], words.shape)]
    return [np.ones(x.shape, bool) for x in inputs]


def cone(
    wanted: Mapping[Node, Mask], values: Mapping[Node, Array], order: Sequence[Node] | None = None
) -> dict[Node, Mask]:
    """All elements that those of ``wanted`` were computed from, by node, down to the leaves.

    ``values`` has every node on the way; ``order`` is their topological order, where it is known.  What only
    chose among them is not followed: the comparison behind a condition, the scores behind a place.
    """
    found: dict[Node, Mask] = dict(wanted)
    for node in reversed(topological(wanted) if order is None else order):
        mask = found.get(node)
        if mask is None or not node.inputs:
            continue
        for child, part in zip(node.inputs, reads(node, mask, values), strict=True):
            if part.any() and (is_float(node.dtype) or not is_float(child.dtype)):
                found[child] = found[child] | part if child in found else part
    return found


def all_values(targets: Sequence[Node], environment: Mapping[Node, Array]) -> Environment:
    """The value of every node below ``targets``; of leaves what the environment says, else their own."""
    values: Environment = dict(environment)
    with np.errstate(all="ignore"):
        for node in topological(targets):
            if node not in values:
                values[node] = (
                    leaf_value(node, values)
                    if isinstance(node.op, Leaf)
                    else run_op(node, [values[child] for child in node.inputs])
                )
    return values


def single(node: Node, index: tuple[int, ...]) -> Mask:
    """The mask of one element."""
    mask = np.zeros(node.shape, bool)
    mask[index] = True
    return mask


def first_of(mask: Mask) -> tuple[int, ...]:
    """The first element of a mask, in row-major order."""
    place = np.unravel_index(int(np.argmax(mask)), mask.shape) if mask.ndim else ()
    return tuple(int(i) for i in place)


def unbroadcast(mask: Mask, shape: tuple[int, ...]) -> Mask:
    """The elements of an operand of ``shape`` that went to the places of ``mask``."""
    lead = mask.ndim - len(shape)
    folded = np.asarray(mask.any(axis=tuple(range(lead)))) if lead else mask
    stretched = tuple(axis for axis, size in enumerate(shape) if size == 1 and folded.shape[axis] != 1)
    return np.asarray(folded.any(axis=stretched, keepdims=True)) if stretched else folded


def _through_parts(node: Node, wanted: Mask, values: Mapping[Node, Array]) -> list[Mask]:
    inner = parts(node)
    known = {child: values[child] for child in node.inputs}
    with np.errstate(all="ignore"):
        forward_pass([inner], known)
    order = topological([inner], stop=set(node.inputs).__contains__)
    found: dict[Node, Mask] = {inner: wanted}
    outside = set(node.inputs)
    for part in reversed(order):
        if part in outside or part not in found or not part.inputs:
            continue
        for child, mask in zip(part.inputs, reads(part, found[part], known), strict=True):
            found[child] = found[child] | mask if child in found else mask
    return [found.get(child, np.zeros(child.shape, bool)) for child in node.inputs]


def _pulled(node: Node, wanted: Mask, values: Mapping[Node, Array]) -> list[Mask | None]:
    """The mask through the op's derivative rule; None for inputs that nothing flows to."""
    product = isinstance(node.op, _PRODUCTS)
    environment: Environment = {}
    stand_ins: list[Node] = []
    for child in node.inputs:
        if isinstance(child, Constant) and not product:
            stand_ins.append(child)
            continue
        stand_in = placeholder(child.shape, float64 if product else child.dtype)
        environment[stand_in] = np.ones(child.shape) if product else values[child]
        stand_ins.append(stand_in)
    alone = apply(node.op, *stand_ins, **node.attributes)
    ct = placeholder(node.shape, float64)
    environment[ct] = wanted.astype(np.float64)
    pulled = node.op.vjp(ct, alone, *stand_ins)
    flowing = [found for found in pulled if found is not None]
    arrays = iter(Stepper(flowing).run(environment))
    return [
        None if found is None else unbroadcast(next(arrays) != 0, child.shape)
        for found, child in zip(pulled, node.inputs, strict=True)
    ]


def _indices_too(node: Node, wanted: Mask, found: Sequence[Mask | None]) -> list[Mask]:
    """What was read of the indices too, through which no derivative flows."""
    op, inputs = node.op, node.inputs
    masks = [np.zeros(x.shape, bool) if m is None else m for m, x in zip(found, inputs, strict=True)]
    if not isinstance(op, Indexing):
        return masks
    if isinstance(op, Take | Scatter):  # the indices' axes stand in the place of one axis of the table
        axis, indices = node.attributes["axis"], inputs[1]
        looked = wanted if isinstance(op, Take) else masks[0]
        others = tuple(n for n in range(looked.ndim) if not axis <= n < axis + indices.ndim)
        masks[1] = np.asarray(looked.any(axis=others))
    elif isinstance(op, TakeAlongAxis | Pick):
        masks[1] = wanted
    elif isinstance(op, ScatterAlongAxis):
        masks[1] = masks[0]
    elif isinstance(op, AddAlongAxis):
        masks[2] = masks[1]
    elif isinstance(op, AddRows | PutRows):
        rows = np.asarray(masks[1].reshape(masks[1].shape[0], -1).any(axis=1))
        for number in range(2, len(inputs)):
            masks[number] = rows
    return masks


def _lines(node: Node, wanted: Mask) -> Mask:
    """Whole lines along the axes that the op runs over."""
    x, attributes = node.inputs[0], node.attributes
    axes: Any = attributes["axis"]
    axes = axes if isinstance(axes, tuple) else (axes,)
    if isinstance(node.op, ArgSort):
        return np.broadcast_to(wanted.any(axis=axes, keepdims=True), x.shape)
    if not attributes.get("keepdims"):
        wanted = np.expand_dims(wanted, axes)
    return np.broadcast_to(wanted, x.shape)
