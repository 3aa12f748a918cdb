"""The elementwise family: operands broadcast against each other, each element on its own.

The family owns dtypes (casts inserted, Python scalars taking the other operand's type), shapes
(NumPy's broadcasting) and errors; an op adds its value and its derivative.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar

from .. import dtypes
from ..dtypes import DType
from ..errors import ArgumentError, DTypeError, ShapeError
from ..graph import Node, NodeLike, Op, Shape, as_node, constant
from .casts import cast


@lru_cache(maxsize=4096)  # graphs meet few pairs of shapes, and each of them many times
def broadcast_shapes(*shapes: Shape) -> Shape:
    """The shape in which arrays of these shapes meet; raises ``ShapeError`` naming the axes that do not."""
    first = shapes[0]
    if all(shape == first for shape in shapes):
        return first
    ndim = max(map(len, shapes))
    padded = [(1,) * (ndim - len(shape)) + shape for shape in shapes]
    result, told = [], []
    clash: list[tuple[int, int]] = []
    for axis, sizes in enumerate(zip(*padded, strict=True)):
        lengths = {size for size in sizes if size != 1}
        if len(lengths) > 1:
            told.append(f"axis {axis - ndim} has lengths {' and '.join(map(str, sizes))}")
            clash += [(number, axis - ndim) for number, size in enumerate(sizes) if size != 1]
        result.append(lengths.pop() if lengths else 1)
    if told:
        raise ShapeError(
            f"shapes {' and '.join(map(str, shapes))} do not broadcast: {'; '.join(told)}",
            mend=_broadcast_mend(shapes),
            clash=tuple(clash),
        )
    return tuple(result)


def _broadcast_mend(shapes: Sequence[Shape]) -> str:
    """What makes two shapes meet, if a missing axis or a transposition does."""
    if len(shapes) == 2:
        fewer, more = sorted((0, 1), key=lambda number: len(shapes[number]))
        short, long = shapes[fewer], shapes[more]
        for axis in reversed(range(len(short) + 1)) if len(short) < len(long) else ():
            if _meet((*short[:axis], 1, *short[axis:]), long):
                which, end = ("first", "second")[fewer], axis == len(short)
                place = "at the end" if end else f"as axis {axis}"
                kept = " (a reduction with keepdims=True leaves it there)" if end else ""
                at = -1 if end else axis
                return f"give the {which} an axis of length 1 {place}: cr.expand_dims(…, {at}){kept}"
        if len(short) > 1 and _meet((*short[:-2], *short[:-3:-1]), long):
            return f"transpose the {('first', 'second')[fewer]}: .mT"
        if len(short) == len(long) and sorted(short) == sorted(long):
            return "the axes are in another order: cr.permute_dims"
    return "axes are matched from the last; cr.expand_dims inserts a missing one, of length 1"


def _meet(a: Shape, b: Shape) -> bool:
    return all(x == y or 1 in (x, y) for x, y in zip(reversed(a), reversed(b), strict=False))


def promote_inputs(inputs: Sequence[NodeLike], *, to_float: bool = False) -> list[Node]:
    """The inputs as nodes of one dtype, Python scalars following the others."""
    operands: list[Any] = list(inputs)
    first = getattr(operands[0], "dtype", None)
    if not to_float and all(isinstance(value, Node) and value.dtype is first for value in operands):
        return operands
    operands = [
        value if isinstance(value, Node) or type(value) in _SCALARS else as_node(value) for value in operands
    ]
    kinds: list[DType] = [value.dtype for value in operands if isinstance(value, Node)]
    if len(kinds) < len(operands):  # a float among integers makes all of them float
        strong = dtypes.promote(*kinds) if kinds else None
        kinds += [
            dtypes.of_scalar(value) if strong is None else dtypes.of_weak_scalar(value, strong)
            for value in operands
            if not isinstance(value, Node)
        ]
    common = dtypes.promote(*kinds)
    if to_float:
        common = dtypes.to_float(common)
    for index, value in enumerate(operands):
        if not isinstance(value, Node):
            operands[index] = constant(value, common)
        elif value.dtype is not common:
            operands[index] = cast(value, common)
    return operands


_SCALARS = frozenset({bool, int, float})


class Elementwise(Op):
    """An op that computes each element of the result from the operands' elements at that place."""

    #: Integer operands are computed as floats (``exp``, ``divide``).
    to_float: ClassVar[bool] = False
    #: The result's dtype where it is not the operands' (comparisons give bool).
    result: ClassVar[DType | None] = None
    #: The kinds of operands taken, as NumPy's kind letters.
    kinds: ClassVar[str] = "biuf"

    def prepare(self, inputs: Sequence[Any]) -> Sequence[Any]:
        return promote_inputs(inputs, to_float=self.to_float)

    def infer(self, *inputs: Node, **attributes: Any) -> tuple[Shape, DType]:
        dtype = inputs[0].dtype
        if dtype.kind not in self.kinds:
            raise DTypeError(f"operands of {dtype} are not taken", mend=_KIND_MENDS.get(dtype.kind))
        return broadcast_shapes(*[x.shape for x in inputs]), self.result or dtype

    def lower(self, loops: Any, *operands: Any) -> Any:
        """One element of the result as a scalar of the loop program, from the operands' elements.

        ``loops`` is the room of that name; its functions build scalars (``loops.tanh(x)``).  An op
        without this rule runs through its ``forward`` in every engine.
        """
        raise ArgumentError(f"the op {self.name!r} has no lower rule", mend="define lower(self, loops, …)")


_KIND_MENDS = {"b": "convert first: x.astype('float32')", "f": "convert first: x.astype('bool')"}
