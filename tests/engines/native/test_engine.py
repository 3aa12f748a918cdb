"""The native engine gives what the stepper gives, op by op and network by network."""

from __future__ import annotations

import platform

import numpy as np
import pytest

import chainrule as cr
from chainrule.engines.native import Native
from chainrule.engines.stepper import Stepper
from chainrule.graph import Leaf
from chainrule.ops import Elementwise

from ...ops.table import TABLE, Row

CLOSE = {"float32": 2e-5, "float64": 1e-12}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_values_and_derivatives_are_the_steppers(row: Row) -> None:
    rng = np.random.default_rng(11)
    targets = []
    for case in row.cases:
        for dtype in row.dtypes:
            samples = [o.sample(rng, s, dtype) for o, s in zip(row.operands, case.shapes, strict=True)]
            leaves = [cr.variable(sample) for sample in samples]
            targets.append(row.function(*leaves, **case.attributes))
            if row.differentiable and targets[-1].dtype.kind == "f":
                floats = [leaf for leaf in leaves if leaf.dtype.kind == "f"]
                found = cr.gradients(cr.sum(targets[-1] * targets[-1]), floats)
                targets += [gradient for gradient in found if gradient is not None]
    wanted = Stepper(targets).run({})
    for threads in (1, 3):
        for node, a, b in zip(targets, Native(targets, threads=threads).run({}), wanted, strict=True):
            assert a.dtype == b.dtype
            if a.dtype.kind == "f":
                close = CLOSE[a.dtype.name]
                np.testing.assert_allclose(a, b, rtol=close, atol=close, err_msg=repr(node))
            else:
                np.testing.assert_array_equal(a, b, err_msg=repr(node))


def test_elements_are_within_four_units_in_the_last_place() -> None:
    rng = np.random.default_rng(13)
    nodes = []
    for row in TABLE:
        for case in row.cases if "float32" in row.dtypes else ():
            samples = [o.sample(rng, s, "float32") for o, s in zip(row.operands, case.shapes, strict=True)]
            node = row.function(*[cr.variable(sample) for sample in samples], **case.attributes)
            alone = all(isinstance(x.op, Leaf) for x in node.inputs)
            if isinstance(node.op, Elementwise) and alone and node.dtype == np.float32:
                nodes.append(node)
    assert len({node.op.name for node in nodes}) > 30
    for node, found, wanted in zip(nodes, Native(nodes).run({}), Stepper(nodes).run({}), strict=True):
        finite = np.isfinite(wanted)
        np.testing.assert_array_equal(found[~finite], wanted[~finite])
        units = np.abs(found[finite] - wanted[finite]) / np.spacing(np.abs(wanted[finite]))
        assert units.max(initial=0) <= 4, node


def test_a_gradient_to_few_rows_of_a_table_without_columns() -> None:
    table = cr.variable(np.zeros((8, 0), "f"))
    (gradient,) = cr.gradients(cr.sum(cr.take(table, cr.constant([1, 2]), axis=0)), [table])
    assert gradient is not None
    assert Native([gradient]).run({})[0].shape == (8, 0)


def test_what_python_computes_within_a_program_warns_of_nothing() -> None:
    x = cr.variable(np.array([-1.0, 0.0, 1e3], "f"))
    nodes = [cr.sinh(x), cr.log2(x)]
    with np.errstate(all="raise"):
        sinh, log2 = Native(nodes).run({})
    np.testing.assert_array_equal(np.isinf(sinh), [False, False, True])
    np.testing.assert_array_equal(np.isnan(log2), [True, False, False])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("threads", [1, 2])
def test_only_a_program_that_updates_takes_subnormal_numbers_for_0(dtype: type, threads: int) -> None:
    smallest = np.finfo(dtype).smallest_normal
    normal = np.full(100_000, 1.5 * smallest, dtype)
    moment = cr.variable(normal, name="moment")
    Native([], {moment: moment * 0.5}, threads=threads).run({})
    flushes = platform.machine().lower() in ("x86_64", "amd64", "aarch64", "arm64")
    assert (moment.value == (0 if flushes else 0.75 * smallest)).all()

    x = cr.placeholder(normal.shape, dtype=dtype)
    halves = Native([x * 0.5], threads=threads).run({x: normal})[0]
    assert (halves == 0.75 * smallest).all(), "the threads' arithmetic is IEEE's again"
    assert (normal * dtype(0.5) == 0.75 * smallest).all(), "and so is the caller's"
