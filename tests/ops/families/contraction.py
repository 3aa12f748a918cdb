"""Rows of products that sum over axes."""

from __future__ import annotations

import numpy as np

import chainrule as cr

from .row import NUMBERS, REAL, Row, Shape, cases

_MATMUL = [
    [(2, 3), (3, 4)], [(3,), (3,)], [(2, 3), (3,)], [(3,), (3, 4)], [(5, 2, 3), (3, 4)], [(2, 3), (5, 3, 4)],
    [(5, 2, 3), (5, 3, 4)], [(2, 1, 2, 3), (4, 3, 2)], [(5, 2, 3), (3,)], [(3,), (5, 3, 2)], [(1, 1), (1, 1)],
    [(0, 3), (3, 2)], [(2, 0), (0, 3)], [(0, 2, 3), (3, 4)], [(3,), (0, 3, 2)],
]  # fmt: skip


def einsum_row(spec: str, *shapes: Shape) -> Row:
    return Row(
        f"einsum {spec}", lambda *arrays: cr.einsum(spec, *arrays), lambda *arrays: np.einsum(spec, *arrays),
        (REAL,) * len(shapes), cases((shapes, [{}])), NUMBERS,
    )  # fmt: skip


CONTRACTION = [
    Row(
        "matmul", cr.matmul, np.matmul, (REAL, REAL), cases(*[(shapes, [{}]) for shapes in _MATMUL]),
        NUMBERS, wrong=(
            (np.ones((2, 3)), np.ones((2, 3))), (np.ones(3), np.ones(4)), (2.0, np.ones(3)),
            (np.ones((2, 2, 3)), np.ones((3, 3, 2))),
        ),
    ),
    Row(
        "tensordot", cr.tensordot, np.tensordot, (REAL, REAL),
        cases(
            ([(2, 3, 4), (3, 4, 2)], [{}, {"axes": ((1, 2), (0, 1))}, {"axes": ((0, -1), (2, 1))}]),
            ([(2, 3), (3, 4)], [{"axes": 1}, {"axes": (1, 0)}]), ([(2,), (3,)], [{"axes": 0}]),
            ([(2, 0), (0, 3)], [{"axes": 1}]),
        ),
        NUMBERS, wrong=(
            (np.ones((2, 3)), np.ones((2, 3)), 1), (np.ones(3), np.ones(3), 2),
            (np.ones((2, 3)), np.ones((3, 4)), ((0, 1), (0,))),
        ),
    ),
    Row(
        "outer", cr.outer, np.outer, (REAL, REAL),
        cases(([(3,), (4,)], [{}]), ([(0,), (4,)], [{}]), ([(1,), (1,)], [{}])), NUMBERS,
        wrong=((np.ones((2, 3)), np.ones(3)),),
    ),
    Row(
        "vecdot", cr.vecdot,
        lambda x, y, axis=-1: np.sum(x * y, axis=axis, dtype=x.dtype), (REAL, REAL),
        cases(
            ([(2, 3), (2, 3)], [{}, {"axis": -2}]), ([(4, 2, 3), (3,)], [{}]), ([(3,), (3,)], [{}]),
            ([(2, 0), (2, 0)], [{}]),
        ),
        NUMBERS, wrong=((np.ones(3), np.ones(4)), (np.ones(3), 2.0)),
    ),
    einsum_row("ij,jk->ik", (2, 3), (3, 4)),
    einsum_row("ij,jk", (2, 3), (3, 4)),
    einsum_row("ji,kj", (3, 2), (4, 3)),
    einsum_row("ii", (3, 3)),
    einsum_row("ii->i", (3, 3)),
    einsum_row("iii->i", (2, 2, 2)),
    einsum_row("iji->j", (3, 2, 3)),
    einsum_row("ijij->", (2, 3, 2, 3)),
    einsum_row("ij->", (2, 3)),
    einsum_row("ijk->ki", (2, 3, 4)),
    einsum_row("ij,k->ki", (2, 3), (4,)),
    einsum_row("ij,i->", (2, 3), (2,)),
    einsum_row("ii,ij->j", (2, 2), (2, 3)),
    einsum_row("bij,bj->bi", (4, 2, 3), (4, 3)),
    einsum_row("bi,bj,bk->ijk", (3, 2), (3, 4), (3, 2)),
    einsum_row("ij,jk,kl,lm->im", (2, 3), (3, 4), (4, 2), (2, 3)),
    einsum_row("i,i,i->", (3,), (3,), (3,)),
    einsum_row("...ij,...jk->...ik", (4, 2, 3), (1, 3, 2)),
    einsum_row("...ij,jk->...ik", (4, 5, 2, 3), (3, 2)),
    einsum_row("...,...", (2, 1), (3,)),
    einsum_row("i...->...", (2, 3, 4)),
    einsum_row("...i->...", (3,)),
    einsum_row(",ij->ji", (), (2, 3)),
    einsum_row("ij,jk->ik", (2, 0), (0, 4)),
    einsum_row("ij,ij->ij", (1, 1), (1, 1)),
]  # fmt: skip
