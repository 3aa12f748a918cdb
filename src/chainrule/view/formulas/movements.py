"""How movements are written: transposes, vectors as rows and columns, slices, what is joined and spread."""

from __future__ import annotations

from collections.abc import Sequence

from ...graph import Node
from .calls import NEW, WHOLE, Printer, call, computing, sizes
from .notation import Index, Joined, Ones, Shaped
from .tree import Convention, Math, MatrixProduct, Product, Transpose, Words, number


def transposed(body: Math) -> Math:
    """The transpose, written without needless signs: ``(A B)ᵀ`` is ``Bᵀ Aᵀ``."""
    if isinstance(body, Transpose):
        return body.body
    if isinstance(body, Ones) and body.ndim > 1:
        return Ones((*body.shape[:-2], body.shape[-1], body.shape[-2]))
    if isinstance(body, Shaped) and len(body.shape) == 2:
        return Shaped(transposed(body.body), body.shape[::-1])
    if isinstance(body, MatrixProduct):
        return MatrixProduct(tuple([transposed(factor) for factor in reversed(body.factors)]), body.axes)
    if body.ndim == 0:
        return body
    return Transpose(body)


def _reshape(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    source, x = node.inputs[0], operands[0]
    if isinstance(x, Index) and source.op.name == "slice" and node.ndim < source.ndim:
        found = _entries(node, source, x)
        if found is not None:
            return found
    before, after = source.shape, node.shape
    if source.size == 1 and not before:
        return x
    if [n for n in before if n != 1] != [n for n in after if n != 1]:
        rows = len(after) == 2 and len(before) > 2 and after[-1:] == before[-1:]
        return call(node, operands, "rows", "") if rows else call(node, operands, "reshape", sizes(after))
    if 1 in (len(before), len(after)) and len(before) + len(after) == 3:  # a vector as a row or a column
        matrix = before if len(before) == 2 else after
        turned = (matrix[0] == 1) == (convention == "column") and matrix != (1, 1)
        seen = transposed(x) if turned else x
        return seen if convention == "row" else Shaped(seen, after)
    if not [n for n in after if n != 1]:
        return x
    return Index(x, tuple(_places(before, after)), node.ndim, (x,), computing(node))


def _entries(node: Node, source: Node, sliced: Index) -> Math | None:
    """A slice of one element along some axes, which are then gone: ``x[0]``; None where other axes go too."""
    whole, slices = source.inputs[0].shape, source.attributes["slices"]
    single = sorted((n for n, size in enumerate(source.shape) if size == 1), key=lambda n: whole[n] == 1)
    gone = set(single[: source.ndim - node.ndim])
    if tuple([size for n, size in enumerate(source.shape) if n not in gone]) != node.shape:
        return None
    places = [number(slices[n][0]) if n in gone else place for n, place in enumerate(sliced.places)]
    while places[-1] == WHOLE:
        places.pop()
    compute, shape = sliced.compute, node.shape
    assert compute is not None
    return Index(
        sliced.base, tuple(places), node.ndim, sliced.operands, lambda *x: compute(*x).reshape(shape)
    )


def _places(before: Sequence[int], after: Sequence[int]) -> list[Math]:
    """How an array is indexed to lose or gain axes of length 1: ``x[:, 0]``, ``x[:, None]``."""
    places: list[Math] = []
    left = list(before)
    for size in after:
        while left and left[0] == 1 and size != 1:
            left.pop(0)
            places.append(number(0))
        if left and left[0] == size:
            left.pop(0)
            places.append(WHOLE)
        else:
            places.append(NEW)
    return [*places, *[number(0) for _ in left]]


def _permute(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    axes = node.attributes["axes"]
    last = node.ndim - 1
    if axes == (*range(last - 1), last, last - 1):
        return transposed(operands[0])
    return call(node, operands, "permute", f"axes ({', '.join(map(str, axes))})")


def _broadcast(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    if node.inputs[0].size == 1:
        return Product((operands[0], Ones(node.shape)))
    return call(node, operands, "broadcast", f"to {sizes(node.shape)}")


def _concat(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    if node.attributes["axis"] == node.ndim - 1:
        return Joined(tuple(operands), computing(node))
    return call(node, operands, "concat")


def _slice(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    lengths = node.inputs[0].shape
    places = tuple(
        [_range(item, length) for item, length in zip(node.attributes["slices"], lengths, strict=True)]
    )
    return Index(operands[0], places, node.ndim, tuple(operands), computing(node))


def _range(item: tuple[int, int, int], length: int) -> Math:
    start, count, step = item
    if (start, count, step) == (0, length, 1):
        return WHOLE
    if (start, count, step) == (length - 1, length, -1):
        return Words("::-1")
    stop = start + count * step
    if step < 0:
        return Words(f"{start}:{stop if stop >= 0 else ''}:{step}")
    first, last = (str(start) if start else ""), (str(stop) if stop < length else "")
    return Words(f"{first}:{last}" + (f":{step}" if step > 1 else ""))


def _embed(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    places = [_range(item, n).text() for item, n in zip(node.attributes["slices"], node.shape, strict=True)]
    return call(node, operands, "place", f"at [{', '.join(places)}] of {sizes(node.shape)} zeros")


MOVEMENTS: dict[str, Printer] = {
    "reshape": _reshape,
    "permute_dims": _permute,
    "broadcast_to": _broadcast,
    "concat": _concat,
    "slice": _slice,
    "embed": _embed,
}
