"""Random numbers as values: a key and a shape give the same bits in every engine, on every run.

The generator is threefry2x32 with 20 rounds (Salmon, Moraes, Dror & Shaw, *Parallel random numbers: as
easy as 1, 2, 3*, 2011): a block cipher run over a counter.  Nothing is hidden and nothing advances.
A key used twice gives the same numbers twice, so give each use its own with ``fold_in`` or ``split``.

Element e of any draw is word e mod 2 of the block whose counter is (e div 2, 0); the blocks whose second
word is not 0 make new keys.  So every element can be computed on its own, and a longer draw begins with
the shorter one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import namespace
from ..dtypes import DType, as_dtype, float32, float64, is_float, is_integer, uint32
from ..errors import ArgumentError, ChainruleError, DTypeError, ShapeError
from ..graph import Node, NodeLike, Op, Shape, apply, as_node, constant, sizes_of, user_place
from .arithmetic import sqrt
from .casts import cast
from .comparison import greater_equal, less, where
from .composite import Composite
from .elementwise import broadcast_shapes
from .indexing import take
from .joining import stack
from .movement import reshape
from .slicing import slice_axis
from .sorting import argsort
from .transcendental import cos, log, sin

_FOLD, _SPLIT = 1, 0xFFFFFFFF  # second counter words: fold_in's from 1 on, by the data's upper half; split's


class RandomBits(Op):
    """Random words: the key's stream from its beginning, in row-major order."""

    def infer(self, key: Node, *, shape: Shape) -> tuple[Shape, DType]:
        if key.dtype is not uint32 or key.shape != (2,):
            raise DTypeError(
                f"a key is uint32 of shape (2,), not {key.dtype} of shape {key.shape}",
                mend="make one: cr.random.key(seed)",
            )
        if math.prod(shape) > 1 << 33:
            raise ShapeError(
                f"shape {shape} is longer than a key's stream of 2³³ words",
                mend="draw in parts, each with a key of its own: cr.random.split(key, n)",
            )
        return shape, uint32

    def forward(self, xp: Any, key: Any, *, shape: Shape) -> Any:
        return xp.reshape(namespace.threefry_stream(xp, key, math.prod(shape)), shape)

    def vjp(self, ct: Node, out: Node, key: Node) -> Sequence[Node | None]:
        return (None,)


class FoldIn(Op):
    """New keys out of one: for each number of the data, the block whose counter it is."""

    def infer(self, key: Node, data: Node, *, domain: int) -> tuple[Shape, DType]:
        _BITS.infer(key, shape=())
        if not is_integer(data.dtype):
            raise DTypeError(f"the data is {data.dtype}, not an integer", mend="count in int64")
        return (*data.shape, 2), uint32

    def forward(self, xp: Any, key: Any, data: Any, *, domain: int) -> Any:
        wide = data.astype(np.int64)
        upper = (wide >> 32 & 0x7FFFFFFF) + domain
        words = namespace.threefry2x32(xp, key, wide.astype(np.uint32), upper.astype(np.uint32))
        return xp.stack(words, axis=-1)

    def vjp(self, ct: Node, out: Node, key: Node, data: Node) -> Sequence[Node | None]:
        return None, None


class UnitInterval(Op):
    """Random words as floats in [0, 1): 24 bits of a word in float32, 53 of a pair in float64."""

    def infer(self, words: Node, *, dtype: DType) -> tuple[Shape, DType]:
        return words.shape[: words.ndim - (dtype is float64)], dtype

    def forward(self, xp: Any, words: Any, *, dtype: DType) -> Any:
        if dtype is float32:
            found = (words >> np.uint32(8)).astype(np.float32)
            found *= np.float32(2.0**-24)
            return found
        upper, lower = words[..., 0] >> np.uint32(5), words[..., 1] >> np.uint32(6)
        return (upper.astype(np.float64) * 2.0**26 + lower.astype(np.float64)) * 2.0**-53

    def vjp(self, ct: Node, out: Node, words: Node) -> Sequence[Node | None]:
        return (None,)


class StandardNormal(Composite):
    """Normal numbers of mean 0 and standard deviation 1, two out of each pair of uniform ones.

    r = √(-2 log(1 - u)), then r·cos 2πv and r·sin 2πv (Box & Muller, 1958).
    """

    def build(self, key: Node, *, shape: Shape, dtype: DType) -> Node:
        size = math.prod(shape)
        pairs = _unit(key, ((size + 1) // 2, 2), dtype)
        u, v = pairs[:, 0], pairs[:, 1]
        radius = sqrt(-2 * log(1 - u))  # u < 1, so the logarithm is finite
        angle = 2 * math.pi * v
        both = reshape(stack([radius * cos(angle), radius * sin(angle)], axis=1), (-1,))
        return reshape(slice_axis(both, 0, 0, size), shape)

    def vjp(self, ct: Node, out: Node, key: Node) -> Sequence[Node | None]:
        return (None,)


_BITS, _FOLD_IN, _UNIT, _NORMAL = RandomBits(), FoldIn(), UnitInterval(), StandardNormal()


def _shape(shape: int | Sequence[int]) -> Shape:
    return sizes_of("random", shape)


def _float_dtype(dtype: Any) -> DType:
    found = as_dtype(dtype)
    if not is_float(found):
        raise DTypeError(
            f"random: {found} is no float",
            where=user_place(),
            mend="draw float32 or float64; for integers floor a uniform draw, for raw words use bits",
        )
    return found


def _unit(key: NodeLike, shape: Shape, dtype: DType) -> Node:
    return apply(_UNIT, bits(key, shape if dtype is float32 else (*shape, 2)), dtype=dtype)


def key(seed: int) -> Node:
    """A key from a seed: the two halves of a number of up to 64 bits, as a constant uint32[2].

    >>> import chainrule as cr
    >>> cr.random.key(7).value
    array([7, 0], dtype=uint32)
    """
    if not isinstance(seed, int | np.integer) or not 0 <= seed < 1 << 64:
        raise ArgumentError(
            f"random.key: {seed!r} is no seed",
            where=user_place(),
            mend="a seed is an integer from 0 to 2⁶⁴ - 1",
        )
    number = int(seed)
    return constant(np.array([number & 0xFFFFFFFF, number >> 32], np.uint32))


def fold_in(key: NodeLike, data: NodeLike) -> Node:
    """A new key for each number: of a training step, of a layer, of an example.

    ``data`` is an integer, of which 63 bits count, or a node of integers, such as a step counter; an
    array of them gives an array of keys, of shape ``data.shape + (2,)``.

    >>> import chainrule as cr
    >>> step = cr.variable(3, dtype="int64")
    >>> mask_key = cr.random.fold_in(cr.random.key(0), step)
    >>> mask_key.shape, bool(cr.all(mask_key == cr.random.fold_in(cr.random.key(0), 3)))
    ((2,), True)
    """
    return apply(_FOLD_IN, key, data, domain=_FOLD)


def split(key: NodeLike, n: int = 2) -> Node:
    """``n`` new keys, as uint32[n, 2]; they unpack: ``a, b = split(key)``.  No fold_in gives the same.

    >>> import chainrule as cr
    >>> first, second = cr.random.split(cr.random.key(0))
    >>> first.shape
    (2,)
    """
    return apply(_FOLD_IN, key, constant(np.arange(n, dtype=np.uint32)), domain=_SPLIT)


def bits(key: NodeLike, shape: int | Sequence[int] = ()) -> Node:
    """Random words: uint32, each of the 2³² equally likely.

    >>> import chainrule as cr
    >>> cr.random.bits(cr.random.key(0), 2).value  # the generator's published first block
    array([1797259609, 2579123966], dtype=uint32)
    """
    return apply(_BITS, key, shape=_shape(shape))


def uniform(
    key: NodeLike,
    shape: int | Sequence[int] = (),
    low: NodeLike = 0.0,
    high: NodeLike = 1.0,
    dtype: Any = "float32",
) -> Node:
    """Numbers spread evenly over [low, high), on a grid of 2²⁴ places in float32, 2⁵³ in float64.

    ``low`` and ``high`` may be nodes that broadcast to ``shape``; derivatives flow to them.

    >>> import chainrule as cr
    >>> u = cr.random.uniform(cr.random.key(0), (2, 3), low=-1, high=1).value
    >>> u.shape, bool(abs(u).max() <= 1)
    ((2, 3), True)
    """
    kind, sizes = _float_dtype(dtype), _shape(shape)
    unit = _unit(key, sizes, kind)
    if isinstance(low, int | float) and isinstance(high, int | float):
        if not -math.inf < low <= high < math.inf:
            raise ArgumentError(
                f"random.uniform: from {low} to {high} is no range",
                where=user_place(),
                mend="give two finite numbers, the lower one first",
            )
        if low == 0:
            return unit if high == 1 else unit * float(high)  # rounding cannot reach high from below
    bottom, top = (
        _parameter(low, sizes, kind, "random.uniform: low"),
        _parameter(high, sizes, kind, "random.uniform: high"),
    )
    found = bottom + (top - bottom) * unit
    return where(greater_equal(found, top), bottom, found)  # a rounding that reached high goes back to low


def normal(
    key: NodeLike,
    shape: int | Sequence[int] = (),
    mean: NodeLike = 0.0,
    std: NodeLike = 1.0,
    dtype: Any = "float32",
) -> Node:
    """Numbers of the normal distribution, mean + std·z, with z by the Box–Muller transform.

    ``mean`` and ``std`` may be nodes that broadcast to ``shape``; derivatives flow to them (the
    reparametrisation).  float32 reaches |z| = 5.8, float64 8.6.

    >>> import chainrule as cr
    >>> mean = cr.variable(3.0)
    >>> z = cr.random.normal(cr.random.key(0), 1000, mean=mean)
    >>> float(cr.gradients(cr.sum(z), mean)), round(float(cr.mean(z)))
    (1000.0, 3)
    """
    kind, sizes = _float_dtype(dtype), _shape(shape)
    found = apply(_NORMAL, key, shape=sizes, dtype=kind)
    if not (isinstance(std, int | float) and std == 1):
        found = found * _parameter(std, sizes, kind, "random.normal: std")
    if not (isinstance(mean, int | float) and mean == 0):
        found = found + _parameter(mean, sizes, kind, "random.normal: mean")
    return found


def bernoulli(key: NodeLike, p: NodeLike = 0.5, shape: int | Sequence[int] = ()) -> Node:
    """Booleans that hold with probability ``p``, a number or a node that broadcasts to ``shape``.

    No derivative flows to ``p``.  Probabilities are met to 2⁻²⁴; 0 never holds and 1 always does.

    >>> import chainrule as cr
    >>> cr.random.bernoulli(cr.random.key(0), 1.0, (2,)).value
    array([ True,  True])
    """
    sizes = _shape(shape)
    if isinstance(p, int | float) and not 0 <= p <= 1:
        raise ArgumentError(
            f"random.bernoulli: {p} is no probability", where=user_place(), mend="give p from 0 to 1"
        )
    return less(_unit(key, sizes, float32), _parameter(p, sizes, float32, "random.bernoulli: p"))


def permutation(key: NodeLike, n_or_array: int | NodeLike) -> Node:
    """The numbers 0 … n-1 in random order (int64), or an array's rows in random order.

    The order is that of n uniform numbers of 53 bits, so each of the n! is equally likely.

    >>> import chainrule as cr
    >>> order = cr.random.permutation(cr.random.key(0), 5)
    >>> cr.sort(order).value
    array([0, 1, 2, 3, 4])
    """
    if isinstance(n_or_array, int | np.integer):
        return argsort(_unit(key, _shape(int(n_or_array)), float64))
    node = _node(n_or_array, "random.permutation")
    if not node.ndim:
        raise ShapeError(
            "random.permutation: a scalar has no rows",
            where=user_place(),
            mend="give a Python integer, the length, or an array",
        )
    return take(node, permutation(key, node.shape[0]), axis=0)


def _parameter(value: NodeLike, shape: Shape, dtype: DType, what: str) -> Node:
    """A distribution's parameter in the draw's dtype; it may be broadcast, the draw may not."""
    node = constant(value, dtype) if isinstance(value, int | float) else cast(_node(value, what), dtype)
    try:
        fits = broadcast_shapes(node.shape, shape) == shape
    except ShapeError:
        fits = False
    if not fits:
        raise ShapeError(
            f"{what} has shape {node.shape} and does not broadcast to the draw's shape {shape}",
            where=user_place(),
            mend="give shape= the shape you want drawn",
        )
    return node


def _node(value: NodeLike, what: str) -> Node:
    """``value`` as a node; errors say which function was called."""
    try:
        return as_node(value)
    except ChainruleError as error:
        raise type(error)(f"{what}: {error.what}", where=user_place(), mend=error.mend) from None
