"""Rows of ops whose places are values: elements and rows taken, put and added; sorting."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr

from .row import ALL, NUMBERS, REAL, TIED, Row, cases, index


def _scattered(updates: Any, indices: Any, axis: int, length: int) -> Any:
    updates, indices = np.broadcast_arrays(updates, indices)
    shape = list(updates.shape)
    shape[axis] = length
    found = np.zeros(shape, updates.dtype)
    for place in np.ndindex(updates.shape):
        target = list(place)
        target[axis] = indices[place]
        found[tuple(target)] += updates[place]
    return found


def _scatter_added(x: Any, indices: Any, updates: Any, axis: int = 0) -> Any:
    found = np.moveaxis(np.array(x), axis, 0)
    np.add.at(found, indices, updates)
    return np.moveaxis(found, 0, axis)


def _added_rows(x: Any, values: Any, indices: Any) -> Any:
    found = np.array(x)
    for place, row in enumerate(indices):
        found[row] += np.broadcast_to(values, (len(indices), *x.shape[1:]))[place]
    return found


def _added_along(x: Any, values: Any, indices: Any, axis: int = -1) -> Any:
    return x + _scattered(
        values, np.where(indices < 0, indices + x.shape[axis], indices), axis, x.shape[axis]
    )


def _first(indices: Any, length: int) -> Any:
    rows = [int(i) % length for i in indices]
    return np.array([rows.index(row) for row in rows], np.int64)


def _put(x: Any, rows: Any, indices: Any) -> Any:
    found = np.array(x)
    for place in reversed(range(len(indices))):
        found[indices[place]] = np.broadcast_to(rows, (len(indices), *x.shape[1:]))[place]
    return found


ROWS = [
    Row(
        "first_places", cr.first_places, _first, (index(3, -3),),
        cases(([(7,)], [{"length": 3}]), ([(1,)], [{"length": 5}]), ([(0,)], [{"length": 3}])),
        ("int64",), result="int64", differentiable=False, nonfinite=False, wrong=(([[0]], 3),),
    ),
    Row(
        "put_rows", cr.put_rows, _put, (REAL, REAL, index(3, -3)),
        cases(
            ([(3,), (5,), (5,)], [{}]), ([(3, 2), (4, 2), (4,)], [{}]), ([(3, 2, 2), (2,), (4,)], [{}]),
            ([(3, 2), (0, 2), (0,)], [{}]),
        ),
        ALL, wrong=((np.ones(3), np.ones(3), [0, 1]), (1.0, 1.0, [0]), (np.ones((2, 2)), 1.0, [[0]])),
    ),
    Row(
        "add_rows", cr.add_rows, _added_rows, (REAL, REAL, index(3, -3)),
        cases(
            ([(3,), (5,), (5,)], [{}]), ([(3, 2), (4, 2), (4,)], [{}]), ([(3, 2, 2), (2,), (4,)], [{}]),
            ([(3, 2), (0, 2), (0,)], [{}]),
        ),
        NUMBERS, wrong=((np.ones(3), np.ones(3), [0, 1]), (1.0, 1.0, [0]), (np.ones((2, 2)), 1.0, [[0]])),
    ),
    Row(
        "add_along_axis", cr.add_along_axis, _added_along, (REAL, REAL, index(3, -3)),
        cases(
            ([(2, 3), (2, 5), (2, 5)], [{}]), ([(3, 4), (1, 4), (1, 4)], [{"axis": 0}]),
            ([(2, 3, 2), (2, 2, 2), (2, 2, 2)], [{"axis": 1}]), ([(0, 3), (0, 2), (0, 2)], [{}]),
        ),
        NUMBERS, wrong=((np.ones((2, 2)), np.ones(2), [0, 1]), (np.ones((2, 2)), np.ones((1, 1)), [[0]])),
    ),
]  # fmt: skip

INDEXING = [
    Row(
        "take", cr.take, lambda x, indices, axis=None: np.take(x, indices, axis), (REAL, index(3, -3)),
        cases(
            ([(3,), (5,)], [{}]), ([(3, 4), (2, 2)], [{"axis": 0}]), ([(4, 3), ()], [{"axis": 1}]),
            ([(2, 3, 2), (0,)], [{"axis": -2}]),
        ),
        ALL, wrong=((np.ones((2, 2)), [0]), (np.ones(2), [0], 1)),
    ),
    Row(
        "take_along_axis", cr.take_along_axis,
        lambda x, indices, axis=-1: np.take_along_axis(x, indices, axis), (REAL, index(3, -3)),
        cases(
            ([(2, 3), (2, 5)], [{}]), ([(3, 4), (2, 4)], [{"axis": 0}]), ([(2, 3), (1, 2)], [{}]),
            ([(0, 3), (0, 2)], [{}]),
        ),
        ALL, wrong=((np.ones((2, 2)), [0]),),
    ),
    Row(
        "scatter_along_axis", cr.scatter_along_axis, _scattered, (REAL, index(4)),
        cases(
            ([(2, 3), (2, 3)], [{"axis": -1, "length": 4}]), ([(5, 2), (5, 1)], [{"axis": 0, "length": 4}]),
            ([(0, 3), (0, 3)], [{"axis": 1, "length": 4}]),
        ),
        NUMBERS, wrong=((np.ones((2, 2)), np.zeros((3, 2), int), 1, 2),),
    ),
    Row(
        "scatter_add", cr.scatter_add, _scatter_added, (REAL, index(3), REAL),
        cases(([(3,), (5,), (5,)], [{}]), ([(3, 2), (4,), (4, 2)], [{}]), ([(3, 2), (0,), (0, 2)], [{}])),
        NUMBERS, wrong=((np.ones(3), [0, 1], np.ones(3)),),
    ),
    Row(
        "pick", cr.pick, lambda x, i: np.take_along_axis(x, np.asarray(i)[..., None], -1)[..., 0],
        (REAL, index(3, -3)),
        cases(([(3,), ()], [{}]), ([(4, 3), (4,)], [{}]), ([(2, 2, 3), (2, 2)], [{}]),
              ([(0, 3), (0,)], [{}])),
        ALL, wrong=((np.ones((2, 3)), [0, 1, 2]), (1.0, 0)),
    ),
    Row(
        "one_hot", cr.one_hot,
        lambda i, depth, dtype="float32": np.eye(depth, dtype=dtype)[i],
        (index(3, -3),),
        cases(([(4,)], [{"depth": 3}, {"depth": 5, "dtype": "int64"}]), ([()], [{"depth": 3}]),
              ([(0,)], [{"depth": 3}])),
        ("int64",), result="asked", differentiable=False, nonfinite=False, wrong=(([0], -1),),
    ),
    Row(
        "getitem", lambda x, key: cr.variable(x)[key] if isinstance(x, np.ndarray) else x[key],
        lambda x, key: x[key],
        cases=cases(([(4, 5)], [
            {"key": 1}, {"key": (slice(None, None, -2), slice(1, 4))}, {"key": (..., None, 2)},
            {"key": ([0, 3, 0], [1, -1, 1])}, {"key": (slice(None), [4, 0, 4])},
            {"key": np.eye(4, 5) > 0}, {"key": slice(2, 2)},
        ])),
        dtypes=ALL, wrong=((np.ones(3), (0, 0)), (np.ones((2, 3)), (slice(None), slice(None), 0))),
    ),
    Row(
        "sort", cr.sort,
        lambda x, axis=-1, descending=False: (
            np.flip(np.sort(x, axis), axis) if descending else np.sort(x, axis)
        ),
        cases=cases(([(3, 4)], [{}, {"axis": 0}, {"descending": True}]), ([(0,)], [{}]), ([(1,)], [{}])),
        wrong=((np.ones(3), 1),),
    ),
    Row(
        "argsort", cr.argsort, lambda x, axis=-1: np.argsort(x, axis, stable=True), (TIED,),
        cases(([(3, 4)], [{}, {"axis": 0}]), ([(0,)], [{}]), ([(1,)], [{}])),
        result="int64", differentiable=False, wrong=((np.ones(3), 1),),
    ),
    Row(
        "top_k", lambda x, k, axis=-1: cr.top_k(x, k, axis)[0],
        lambda x, k, axis=-1: np.take(np.flip(np.sort(x, axis), axis), np.arange(k), axis),
        cases=cases(([(3, 4)], [{"k": 2}, {"k": 3, "axis": 0}, {"k": 0}])), wrong=((np.ones(3), 4),),
    ),
]  # fmt: skip
