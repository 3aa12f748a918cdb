"""Register tiles: right within the bound of their length, and the same bits however the axis is shared."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from chainrule import loops
from chainrule.dtypes import float64
from chainrule.engines.native.target import Target
from chainrule.loops import Buffer, Memory, Program, interpret

from . import nests
from .emission import run_kernel, runnable
from .nests import Nest

TARGETS = runnable()

#: Exact and ragged tiles, one row, one column, lanes that no vector fills, and many more than one.
SHAPES = [
    (1, 1, 1),
    (1, 40, 33),
    (8, 16, 16),
    (13, 5, 7),
    (9, 33, 4),
    (17, 100, 21),
    (50, 17, 40),
    (32, 48, 3),
]
MERGED = [(1, 5, 3, 2), (9, 20, 16, 10), (26, 7, 33, 17), (16, 30, 16, 5)]

NESTS: dict[str, Callable[[], Nest]] = {
    **{f"product {s}": lambda s=s: nests.product(*s) for s in SHAPES},
    **{f"product of float64 {s}": lambda s=s: nests.product(*s, float64) for s in SHAPES[2:6]},
    **{f"product, x across {s}": lambda s=s: nests.product(*s, across="x") for s in SHAPES[2:]},
    **{f"product, w across {s}": lambda s=s: nests.product(*s, across="w") for s in SHAPES},
    **{f"product, both across {s}": lambda s=s: nests.product(*s, across="xw") for s in SHAPES[3:6]},
    **{f"product and sigmoid {s}": lambda s=s: nests.product(*s, then=loops.sigmoid) for s in SHAPES[2:6]},
    **{f"gathered {s}": lambda s=s: nests.gathered(*s) for s in [(9, 16, 3, 8, 11), (20, 33, 2, 5, 4)]},
    **{f"updated {s}": lambda s=s: nests.updated(*s) for s in SHAPES[1:]},
    **{f"network {s}": lambda s=s: nests.network(*s) for s in MERGED},
    **{f"columns {s}": lambda s=s: nests.columns(*s) for s in [(1, 3), (40, 9), (131, 50)]},
}  # fmt: skip


@pytest.fixture(scope="module")
def references() -> dict[str, tuple[Nest, Memory, Memory]]:
    """Each nest, what it starts from, and what the interpreter makes of it."""
    found = {}
    for name, make in NESTS.items():
        nest = make()
        assert nest.kernel is not None
        start = nest.memory(rows=4)
        wanted = {buffer: array.copy() for buffer, array in start.items()}
        interpret(Program((nest.kernel,)), wanted)
        found[name] = (nest, start, wanted)
    return found


def run(nest: Nest, start: Memory, target: Target, shares: int) -> Memory:
    assert nest.kernel is not None
    memory = {buffer: array.copy() for buffer, array in start.items()}
    run_kernel(nest.kernel, memory, target, shares)
    return memory


def written(nest: Nest) -> list[Buffer]:
    return [buffer for buffer in nest.buffers.values() if buffer.role != "input"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", NESTS)
def test_sums_are_right(name: str, target: str, references: dict[str, tuple[Nest, Memory, Memory]]) -> None:
    nest, start, wanted = references[name]
    got = run(nest, start, TARGETS[target], 1)
    # Any two orders of a sum of n products of size about 1 differ by no more than some n units.
    longest = max(buffer.size for buffer in nest.buffers.values()) ** 0.5
    close = 20 * longest * float(np.finfo(nest.dtype).eps)
    for buffer in written(nest):
        np.testing.assert_allclose(got[buffer], wanted[buffer], rtol=close, atol=close, err_msg=buffer.name)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", NESTS)
def test_bits_do_not_depend_on_the_shares(
    name: str, target: str, references: dict[str, tuple[Nest, Memory, Memory]]
) -> None:
    nest, start, _ = references[name]
    whole = run(nest, start, TARGETS[target], 1)
    for shares in (2, 3, 7):
        parts = run(nest, start, TARGETS[target], shares)
        for buffer in written(nest):
            assert parts[buffer].tobytes() == whole[buffer].tobytes(), (buffer.name, shares)


def test_a_hidden_layer_is_the_transposed_product_of_its_rows() -> None:
    nest = nests.product(40, 24, 56, across="w")
    start = nest.memory()
    got = run(nest, start, TARGETS["host"], 1)
    x, w, y = (nest.buffers[name] for name in "xwy")
    exact = start[x].reshape(40, 56).astype(float) @ start[w].reshape(24, 56).T.astype(float)
    np.testing.assert_allclose(got[y].reshape(40, 24), exact, atol=56 * float(np.finfo(np.float32).eps))
