"""Rows of ops that move elements, and of windows over them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr

from .row import ALL, FLOATS, REAL, Row, cases


def moved(name: str, reference: Callable[..., Any], *groups: Any, **options: Any) -> Row:
    """A row of an op that moves elements: any dtype, the same elements after."""
    options = {"dtypes": ALL} | options
    return Row(name, getattr(cr, name), reference, cases=cases(*groups), **options)


def _several(what: str) -> Callable[..., cr.Node]:
    return lambda *arrays, **attributes: getattr(cr, what)(arrays, **attributes)


MOVEMENT = [
    moved(
        "reshape", np.reshape,
        ([(3, 4)], [{"shape": (2, 6)}, {"shape": (-1,)}, {"shape": (2, -1, 3)}]), ([()], [{"shape": (1, 1)}]),
        ([(1,)], [{"shape": ()}]), ([(0, 2)], [{"shape": (4, 0)}]),
        wrong=((np.ones(6), (4, 2)), (np.ones(6), (4, -1)), (np.ones(6), (-1, -1))),
    ),
    moved(
        "permute_dims", np.permute_dims,
        ([(2, 3, 4)], [{"axes": (2, 0, 1)}, {"axes": (0, 2, 1)}, {"axes": (-1, 1, 0)}]),
        ([()], [{"axes": ()}]),
        ([(0, 2)], [{"axes": (1, 0)}]), wrong=((np.ones((2, 3)), (0, 0)), (np.ones((2, 3)), (0,))),
    ),
    moved(
        "matrix_transpose", np.matrix_transpose, ([(2, 3)], [{}]), ([(4, 2, 3)], [{}]), ([(0, 3)], [{}]),
        wrong=((np.ones(3),),),
    ),
    moved(
        "broadcast_to", np.broadcast_to,
        ([(3, 1)], [{"shape": (3, 4)}, {"shape": (2, 3, 1)}]), ([()], [{"shape": (2, 2)}]),
        ([(1,)], [{"shape": (0,)}]), wrong=((np.ones(3), (4,)), (np.ones((2, 3)), (3,))),
    ),
    moved(
        "expand_dims", np.expand_dims, ([(2, 3)], [{"axis": 0}, {"axis": -1}, {"axis": (0, 3)}]),
        ([()], [{"axis": 0}]), wrong=((np.ones(3), 3), (np.ones(3), (0, 0))),
    ),
    moved(
        "squeeze", lambda x, axis=None: np.squeeze(x, axis),
        ([(1, 3, 1)], [{}, {"axis": 0}, {"axis": (0, -1)}]), ([(1,)], [{}]), ([()], [{}]),
        wrong=((np.ones(3), 0), (np.ones(3), 1)),
    ),
    moved(
        "flip", lambda x, axis=None: np.flip(x, axis), ([(3, 4)], [{}, {"axis": 1}, {"axis": (0, 1)}]),
        ([()], [{}]), ([(0,)], [{}]), wrong=((np.ones(3), 1),),
    ),
    moved(
        "roll", lambda x, shift, axis=None: np.roll(x, shift, axis),
        ([(3, 4)], [{"shift": 2}, {"shift": -1, "axis": 0}, {"shift": (1, 2), "axis": (0, 1)}]),
        ([(0,)], [{"shift": 1}]), ([()], [{"shift": 1}]), wrong=((np.ones(3), 1, 1), (np.ones(3), (1, 2), 0)),
    ),
    moved(
        "pad", lambda x, widths, value=0: np.pad(x, widths, constant_values=value),
        ([(2, 3)], [{"widths": 1}, {"widths": ((0, 2), (1, 0))}, {"widths": (2, 1), "value": -1.5}]),
        ([(0, 2)], [{"widths": 1}]), dtypes=FLOATS, wrong=((np.ones(3), -1),),
    ),
    Row(
        "concat", _several("concat"), lambda *arrays, axis=0: np.concatenate(arrays, axis), (REAL,) * 3,
        cases(
            ([(2, 3), (1, 3), (4, 3)], [{}]), ([(2, 3), (2, 0), (2, 1)], [{"axis": -1}]),
            ([(2,), (1, 3), ()], [{"axis": None}]),
        ),
        ALL, wrong=((np.ones((2, 3)), np.ones((2, 4))), (np.ones(3), np.ones((1, 3)))),
    ),
    Row(
        "stack", _several("stack"), lambda *arrays, axis=0: np.stack(arrays, axis), (REAL, REAL),
        cases(([(2, 3)] * 2, [{}, {"axis": 1}, {"axis": -1}]), ([()] * 2, [{}]), ([(0,)] * 2, [{}])),
        ALL, wrong=((np.ones((2, 3)), np.ones((3, 2))),),
    ),
    Row(
        "split", lambda x, parts, axis=0: cr.split(x, parts, axis)[1],
        lambda x, parts, axis=0: np.split(x, parts, axis)[1],
        cases=cases(([(6, 2)], [{"parts": 3}, {"parts": [1, 4]}, {"parts": 2, "axis": -1}])),
        dtypes=ALL, wrong=((np.ones(5), 2),),
    ),
    moved(
        "tile", lambda x, repetitions: np.tile(x, repetitions),
        ([(2, 3)], [{"repetitions": 2}, {"repetitions": (2, 1, 3)}, {"repetitions": (2, 0)}]),
        ([()], [{"repetitions": 3}]), ([(1,)], [{"repetitions": (2, 2)}]), wrong=((np.ones(3), -1),),
    ),
    moved(
        "repeat", lambda x, repeats, axis=None: np.repeat(x, repeats, axis),
        ([(2, 3)], [{"repeats": 2}, {"repeats": 3, "axis": 0}, {"repeats": [1, 0, 2], "axis": 1}]),
        ([()], [{"repeats": 2}]), ([(0,)], [{"repeats": 2}]), wrong=((np.ones(3), -1), (np.ones(3), 2, 1)),
    ),
]  # fmt: skip


def _windows(x: Any, size: Any, axis: Any, stride: Any = 1, dilation: Any = 1, padding: Any = 0) -> Any:
    """Windows by NumPy's own view, every element of a dilated window, then the strides."""
    axes = [axis] if isinstance(axis, int) else list(axis)

    def each(value: Any) -> list[Any]:
        return list(value) if isinstance(value, tuple) else [value] * len(axes)

    sizes, strides, dilations = each(size), each(stride), each(dilation)
    pairs = [padding] if len(axes) == 1 and isinstance(padding, tuple) else each(padding)
    widths = [(0, 0)] * x.ndim
    for number, pair in zip(axes, pairs, strict=True):
        widths[number] = pair if isinstance(pair, tuple) else (pair, pair)
    spans = tuple((n - 1) * d + 1 for n, d in zip(sizes, dilations, strict=True))
    found = np.lib.stride_tricks.sliding_window_view(np.pad(x, widths), spans, tuple(axes))
    keys = [slice(None)] * found.ndim
    for place, number in enumerate(axes):
        keys[number % x.ndim] = slice(None, None, strides[place])
        keys[x.ndim + place] = slice(None, None, dilations[place])
    return found[tuple(keys)]


def _added(x: Any, length: Any, axis: Any, stride: Any = 1, dilation: Any = 1) -> Any:
    """Windows added up one element at a time, at the places that the windows of 0, 1, 2, … read."""
    axes = [axis] if isinstance(axis, int) else list(axis)
    shape = list(x.shape[: x.ndim - len(axes)])
    lengths = [length] * len(axes) if isinstance(length, int) else length
    for number, size in zip(axes, lengths, strict=True):
        shape[number] = size
    size = x.shape[x.ndim - len(axes) :]
    places = _windows(np.arange(np.prod(shape)).reshape(shape), size, tuple(axes), stride, dilation)
    found = np.zeros(int(np.prod(shape)), x.dtype)
    np.add.at(found, places.reshape(-1), x.reshape(-1))
    return found.reshape(shape)


WINDOWS = [
    Row(
        "sliding_windows", cr.sliding_windows, _windows,
        cases=cases(
            ([(8,)], [
                {"size": 3, "axis": 0}, {"size": 3, "axis": 0, "stride": 2},
                {"size": 3, "axis": -1, "dilation": 2, "padding": 1},
                {"size": 2, "axis": 0, "stride": 3, "padding": (0, 2)},
            ]),
            ([(7, 5)], [{"size": (2, 5), "axis": (0, 1), "stride": (2, 1)}]),
            ([(2, 6, 5)], [
                {"size": (3, 2), "axis": (1, 2), "stride": (2, 1), "dilation": (1, 3)},
                {"size": 2, "axis": (1, 2), "padding": ((1, 0), 2)}, {"size": 2, "axis": 1},
            ]),
            ([(0, 4)], [{"size": 2, "axis": 1}]), ([(1,)], [{"size": 1, "axis": 0}]),
        ),
        dtypes=ALL,
        wrong=(),
    ),
    Row(
        "overlap_add", cr.overlap_add, _added,
        cases=cases(
            ([(6, 3)], [{"length": 8, "axis": 0}]), ([(3, 3)], [{"length": 8, "axis": 0, "stride": 2}]),
            ([(2, 4, 3)], [{"length": 8, "axis": 1, "dilation": 2}]),
            ([(2, 2, 2, 3, 2)], [{"length": (6, 5), "axis": (1, 2), "stride": (2, 1), "dilation": (1, 3)}]),
            ([(0, 3, 2)], [{"length": 4, "axis": 1}]),
        ),
    ),
]  # fmt: skip
