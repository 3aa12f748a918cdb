"""Movement: arrangements that undo, repeat or see through each other.  All keep every bit.

Broadcasts float up: what is computed on stretched copies is computed once and stretched after.
"""

from __future__ import annotations

import math

from .. import ops
from ..graph import Node, Shape, apply
from ..ops import broadcast_to, permute_dims, reshape
from ..ops.slicing import Slices, take_slices
from ..rewrite import Rule, anything
from .language import is_elementwise, key, pattern, rules_of

exact = rules_of("exact")


def _permuted_twice(root: Node, y: Node, x: Node) -> Node:
    outer, first = root.attributes["axes"], y.attributes["axes"]
    return permute_dims(x, tuple([first[axis] for axis in outer]))


def _moves_only_ones(root: Node, x: Node) -> Node | None:
    """A transposition of axes of length 1 leaves all elements where they are."""
    kept = [axis for axis in root.attributes["axes"] if x.shape[axis] != 1]
    return reshape(x, root.shape) if kept == sorted(kept) else None


def _blocks_exchanged(root: Node, t: Node, y: Node, x: Node) -> Node | None:
    """Axes merged into a matrix's two, exchanged and taken apart again: the blocks of axes, exchanged."""
    if y.ndim != 2 or t.attributes["axes"] != (1, 0) or root.ndim != x.ndim:
        return None
    for cut in range(1, x.ndim):
        if root.shape == (*x.shape[cut:], *x.shape[:cut]) and math.prod(x.shape[:cut]) == y.shape[0]:
            return permute_dims(x, (*range(cut, x.ndim), *range(cut)))
    return None


def _one_number(found: Node) -> bool:
    return found.size == 1


def _leading_ones(root: Node, y: Node, x: Node) -> Node | None:
    """Axes of length 1 in front need not be written: broadcasting puts them there."""
    extra = y.ndim - x.ndim
    return broadcast_to(x, root.shape) if extra > 0 and y.shape == (1,) * extra + x.shape else None


# -- elementwise ops of broadcasts -------------------------------------------------------------------------


def _lean(found: Node, root: Node) -> Node:
    """An operand without the axes that broadcasting would give it anyway."""
    if key(found) == "broadcast_to":
        found = found.inputs[0]
    if found.size == 1 and found.ndim and root.size > 1:
        found = reshape(found, ())
    return found


_STRETCHING = ("broadcast_to", "reshape", "constant")


def _stretched(found: Node) -> bool:
    return is_elementwise(found) and any(
        key(child) == "broadcast_to" or (child.ndim and child.size == 1) for child in found.inputs
    )


def _on_lean_operands(root: Node) -> Node | None:
    lean = tuple([_lean(child, root) for child in root.inputs])
    if all(a is b for a, b in zip(lean, root.inputs, strict=True)):
        return None
    return apply(root.op, *lean, **root.attributes)


# -- slices and pieces -------------------------------------------------------------------------------------


def _slice_of_slice(root: Node, y: Node, x: Node) -> Node:
    outer: Slices = root.attributes["slices"]
    first: Slices = y.attributes["slices"]
    found = [
        (start + begin * step, count, step * stride) if count else (0, 0, 1)
        for (begin, count, stride), (start, _, step) in zip(outer, first, strict=True)
    ]
    return take_slices(x, tuple(found))


def _slice_of_concat(root: Node, y: Node) -> Node | None:
    """The one piece that a slice lies within."""
    axis = y.attributes["axis"]
    slices: Slices = root.attributes["slices"]
    start, count, step = slices[axis]
    if not count:
        return None
    low, high = sorted((start, start + (count - 1) * step))
    offset = 0
    for piece in y.inputs:
        end = offset + piece.shape[axis]
        if offset <= low and high < end:
            inside = (*slices[:axis], (start - offset, count, step), *slices[axis + 1 :])
            whole = all(item == (0, size, 1) for item, size in zip(inside, piece.shape, strict=True))
            return piece if whole else take_slices(piece, inside)
        offset = end
    return None


def _concat_of_concats(root: Node) -> Node | None:
    axis = root.attributes["axis"]
    if not any(_concat_along(child, axis) for child in root.inputs):
        return None
    pieces: list[Node] = []
    for child in root.inputs:
        pieces += child.inputs if _concat_along(child, axis) else [child]
    return ops.concat(pieces, axis=axis)


def _concat_along(found: Node, axis: int) -> bool:
    return key(found) == "concat" and found.attributes["axis"] == axis


def _concat_of_slices(root: Node) -> Node | None:
    """Slices of one array laid end to end in their old order are one slice of it."""
    axis = root.attributes["axis"]
    if any(key(child) != "slice" for child in root.inputs):
        return None
    source = root.inputs[0].inputs[0]
    places = [child.attributes["slices"] for child in root.inputs]
    start, _, step = places[0][axis]
    following = start
    for child, slices in zip(root.inputs, places, strict=True):
        here = slices[axis]
        others = slices[:axis] == places[0][:axis] and slices[axis + 1 :] == places[0][axis + 1 :]
        if child.inputs[0] is not source or here[0] != following or here[2] != step or step < 1 or not others:
            return None
        following += here[1] * step
    joined = (*places[0][:axis], (start, root.shape[axis], step), *places[0][axis + 1 :])
    whole = all(item == (0, size, 1) for item, size in zip(joined, source.shape, strict=True))
    return source if whole else take_slices(source, joined)


def _windows_of_one(root: Node, x: Node) -> Node | None:
    """Windows of one element, next to each other, are the elements."""
    places = root.attributes["places"]
    return reshape(x, root.shape) if all(place[1:3] == (1, 1) for place in places) else None


# -- reductions --------------------------------------------------------------------------------------------


def _of_ones(root: Node, x: Node) -> Node | None:
    """A sum over axes of length 1."""
    return reshape(x, root.shape) if all(x.shape[axis] == 1 for axis in root.attributes["axis"]) else None


def _without_kept_axes(root: Node, y: Node, x: Node) -> Node | None:
    """A reduction that keeps its axes, then takes them away."""
    axis = y.attributes["axis"]
    if not y.attributes["keepdims"] or root.shape != _reduced(x.shape, axis):
        return None
    return apply(y.op, x, axis=axis, keepdims=False)


def _reduced(shape: Shape, axis: int | tuple[int, ...]) -> Shape:
    axes = axis if isinstance(axis, tuple) else (axis,)
    return tuple([size for number, size in enumerate(shape) if number not in axes])


def _largest_of_copies(root: Node, y: Node, x: Node) -> Node | None:
    """The maximum over an axis along which all elements are copies of one."""
    axis = root.attributes["axis"]
    lead = y.ndim - x.ndim
    if axis >= lead and x.shape[axis - lead] != 1:
        return None
    inner = reshape(x, (1,) * lead + x.shape)
    return broadcast_to(inner if root.attributes["keepdims"] else ops.squeeze(inner, axis), root.shape)


MOVEMENT: list[Rule] = [
    exact(
        "reshape(reshape(x)) = reshape(x)",
        pattern("reshape", pattern("reshape", "x")),
        lambda root, x: reshape(x, root.shape),
    ),
    exact(
        "a permutation of a permutation is one",
        pattern("permute_dims", pattern("permute_dims", "x", name="y")),
        _permuted_twice,
    ),
    exact(
        "axes merged, exchanged and taken apart are axes exchanged",
        pattern("reshape", pattern("permute_dims", pattern("reshape", "x", name="y"), name="t")),
        _blocks_exchanged,
    ),
    exact("a permutation of axes of length 1 is a reshape", pattern("permute_dims", "x"), _moves_only_ones),
    exact(
        "broadcast(broadcast(x)) = broadcast(x)",
        pattern("broadcast_to", pattern("broadcast_to", "x")),
        lambda root, x: broadcast_to(x, root.shape),
    ),
    exact(
        "broadcasting adds leading axes by itself",
        pattern("broadcast_to", pattern("reshape", "x", name="y")),
        _leading_ones,
    ),
    exact(
        "one number, copied and moved, is one number, copied",
        pattern(["reshape", "permute_dims"], pattern("broadcast_to", anything("x", _one_number))),
        lambda root, x: broadcast_to(reshape(x, ()), root.shape),
    ),
    exact(
        "f(broadcast(x), y) = broadcast(f(x, y))",
        anything(when=_stretched, some=_STRETCHING),
        _on_lean_operands,
    ),
    exact("slice(slice(x)) = slice(x)", pattern("slice", pattern("slice", "x", name="y")), _slice_of_slice),
    exact(
        "slice(concat(…, x, …)) = slice(x)", pattern("slice", pattern("concat", name="y")), _slice_of_concat
    ),
    exact(
        "slice(broadcast(c)) = broadcast(c)",
        pattern("slice", pattern("broadcast_to", anything("x", _one_number))),
        lambda x: x,
    ),
    exact("concat(concat(x, y), z) = concat(x, y, z)", pattern("concat"), _concat_of_concats),
    exact("adjoining slices are one slice", pattern("concat"), _concat_of_slices),
    exact(
        "windows of one element are the elements",
        pattern(["sliding_windows", "overlap_add"], "x"),
        _windows_of_one,
    ),
    exact("a sum over axes of length 1 is a reshape", pattern("sum", "x"), _of_ones),
    exact(
        "axes kept and taken away again",
        pattern("reshape", pattern(["sum", "prod", "max", "min", "argmax", "argmin"], "x", name="y")),
        _without_kept_axes,
    ),
    exact(
        "the largest of copies is the one copied",
        pattern(["max", "min"], pattern("broadcast_to", "x", name="y")),
        _largest_of_copies,
    ),
]
