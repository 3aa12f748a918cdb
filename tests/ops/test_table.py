"""Every check that an op must pass, driven from the rows of ``table.py``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, mutually_broadcastable_shapes

import chainrule as cr
from chainrule import differentiate, errors, ops
from chainrule.graph import operators

from .table import ELSEWHERE, TABLE, Case, Row

STEP = 1e-5
RTOL = {"float32": 2e-6, "float64": 1e-13}


def rows(*wanted: Callable[[Row], bool]) -> pytest.MarkDecorator:
    chosen = [row for row in TABLE if all(holds(row) for holds in wanted)]
    return pytest.mark.parametrize("row", chosen, ids=lambda row: row.name)


def sampled(row: Row, case: Case, dtype: str) -> list[Any]:
    rng = np.random.default_rng(crc32(f"{row.name} {case} {dtype}".encode()))
    operands = zip(row.operands, case.shapes, strict=True)
    return [operand.sample(rng, shape, dtype) for operand, shape in operands]


def placeholders(arrays: Sequence[Any]) -> list[cr.Placeholder]:
    return [cr.placeholder(array.shape, array.dtype) for array in arrays]


def reference(row: Row, case: Case, arrays: Sequence[Any]) -> Any:
    """The independent value, in float64: where the op computes in floating point, the reference does."""
    wide = [
        array.astype(np.float64) if array.dtype.kind == "f" or row.result == "float" else array
        for array in arrays
    ]
    with np.errstate(all="ignore"), pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)  # the mean of nothing
        return np.asarray(row.reference(*wide, **case.attributes))


def expected_dtype(row: Row, case: Case, dtype: str) -> str:
    counted = {"bool": "int64", "int32": "int64"}
    table = {
        "same": dtype,
        "float": dtype if dtype.startswith("float") else "float32",
        "counted": counted.get(dtype, dtype),
        "asked": case.attributes.get("dtype", "float32"),
    }
    return table.get(row.result, row.result)


@rows()
def test_value_shape_and_dtype_equal_the_reference(row: Row) -> None:
    for case in row.cases:
        for dtype in row.dtypes:
            arrays = sampled(row, case, dtype)
            leaves = placeholders(arrays)
            node = row.function(*leaves, **case.attributes)
            value = cr.evaluate(node, feed=dict(zip(leaves, arrays, strict=True)))
            expected = reference(row, case, arrays)
            what = f"{row.name} {case} {dtype}"
            assert node.dtype.name == value.dtype.name == expected_dtype(row, case, dtype), what
            assert node.shape == value.shape == expected.shape, what
            if value.dtype.kind == "f":
                rtol = RTOL[value.dtype.name] * row.tolerance
                np.testing.assert_allclose(value, expected, rtol=rtol, atol=rtol, err_msg=what)
            else:
                np.testing.assert_array_equal(value, expected, err_msg=what)


@rows()
def test_inputs_are_not_changed(row: Row) -> None:
    for case in row.cases:
        arrays = sampled(row, case, row.dtypes[0])
        kept = [array.copy() for array in arrays]
        leaves = placeholders(arrays)
        cr.evaluate(row.function(*leaves, **case.attributes), feed=dict(zip(leaves, arrays, strict=True)))
        for array, before in zip(arrays, kept, strict=True):
            np.testing.assert_array_equal(array, before)


class Curved:
    """A scalar of the op's result, Σ w·sin(y), whose second derivative is not zero for linear ops either."""

    def __init__(self, row: Row, case: Case) -> None:
        self.arrays = sampled(row, case, "float64")
        self.rng = np.random.default_rng(7)
        self.leaves = placeholders(self.arrays)
        self.feed = dict(zip(self.leaves, self.arrays, strict=True))
        self.y = row.function(*self.leaves, **case.attributes)
        self.scalar = cr.sum(cr.sin(self.y) * self.rng.normal(size=self.y.shape))
        self.wrt = [leaf for leaf in self.leaves if leaf.dtype.name == "float64"]

    def directions(self) -> list[Any]:
        return [self.rng.normal(size=leaf.shape) for leaf in self.wrt]

    def check(self, scalar: cr.Node, found: Sequence[cr.Node | None], what: str) -> None:
        """The sum of found · direction against the central difference of ``scalar`` along it."""
        along = self.directions()
        values = [
            float(cr.evaluate(scalar, feed=self.feed | self._moved(along, side * STEP))) for side in (1, -1)
        ]
        numeric = (values[0] - values[1]) / (2 * STEP)
        for leaf, node in zip(self.wrt, found, strict=True):
            assert node is None or node.shape == leaf.shape, what
        analytic = sum(
            float(np.sum(cr.evaluate(node, feed=self.feed) * d))
            for node, d in zip(found, along, strict=True)
            if node is not None
        )
        assert analytic == pytest.approx(numeric, rel=1e-6, abs=1e-7), what

    def _moved(self, along: Sequence[Any], step: float) -> dict[Any, Any]:
        return {leaf: self.feed[leaf] + step * d for leaf, d in zip(self.wrt, along, strict=True)}


@rows(lambda row: row.differentiable)
def test_first_and_second_derivatives_equal_central_differences(row: Row) -> None:
    for case in row.cases:
        curved = Curved(row, case)
        if curved.y.dtype.name != "float64":  # a cast to float32 is too coarse for a difference
            continue
        firsts = cr.gradients(curved.scalar, curved.wrt)
        assert all(first is not None for first in firsts), f"{row.name} {case}: nothing flows"
        curved.check(curved.scalar, firsts, f"{row.name} {case}: first derivative")
        along = curved.directions()
        slope = sum(
            (cr.sum(first * d) for first, d in zip(firsts, along, strict=True)), start=cr.constant(0.0)
        )
        slope = slope.astype("float64")
        curved.check(slope, cr.gradients(slope, curved.wrt), f"{row.name} {case}: second derivative")


@rows(lambda row: row.differentiable)
def test_pushforward_is_the_transpose_of_the_pullback(row: Row) -> None:
    for case in row.cases:
        curved = Curved(row, case)
        if curved.y.dtype.name != "float64":
            continue
        along, ct = curved.directions(), curved.rng.normal(size=curved.y.shape)
        pushed = differentiate.jvp([curved.y], curved.wrt, [cr.constant(d) for d in along])[0]
        pulled = differentiate.vjp([curved.y], [cr.constant(ct)], curved.wrt)
        forward = float(np.sum(cr.evaluate(pushed, feed=curved.feed) * ct))
        backward = sum(
            float(np.sum(cr.evaluate(node, feed=curved.feed) * d))
            for node, d in zip(pulled, along, strict=True)
        )
        assert forward == pytest.approx(backward, rel=1e-10, abs=1e-12), f"{row.name} {case}"


@rows(lambda row: not row.differentiable and "float64" in row.dtypes and row.name != "bernoulli")
def test_nothing_flows_and_the_reason_names_the_op(row: Row) -> None:
    case = row.cases[0]
    leaves = [cr.variable(array) for array in sampled(row, case, "float64")]
    scalar = cr.sum(row.function(*leaves, **case.attributes) * 2.0)
    for leaf in leaves:
        assert cr.gradients(scalar, leaf) is None
        assert row.name in cr.why_no_gradient(scalar, leaf)


@rows(lambda row: row.nonfinite and "float64" in row.dtypes)
def test_infinities_and_nans_propagate_as_in_the_reference(row: Row) -> None:
    for case in row.cases:
        for dtype in ("float32", "float64"):
            arrays = sampled(row, case, dtype)
            for number, array in enumerate(arrays):
                if array.dtype.kind == "f" and array.size:
                    flat = array.reshape(-1)
                    flat[number % array.size :: 4] = [np.nan, np.inf, -np.inf, 0.0][number % 4]
                    flat[(number + 1) % array.size :: 5] = [np.inf, -np.inf, np.nan, 1e4][number % 4]
            leaves = placeholders(arrays)
            node = row.function(*leaves, **case.attributes)
            value = cr.evaluate(node, feed=dict(zip(leaves, arrays, strict=True)))
            rtol = 4 * RTOL["float32"] * row.tolerance
            what = f"{row.name} {case} {dtype}"
            np.testing.assert_allclose(
                value, reference(row, case, arrays), rtol=rtol, atol=rtol, err_msg=what, equal_nan=True
            )


@rows()
def test_every_op_of_a_row_writes_itself(row: Row) -> None:
    case = row.cases[0]
    leaves = placeholders(sampled(row, case, row.dtypes[0]))
    node = row.function(*leaves, **case.attributes)
    for part in cr.graph.topological([node]):
        if part.inputs:
            names = [f"operand{number}" for number in range(len(part.inputs))]
            text = part.op.render(*names, **part.attributes)
            assert all(name in text for name in names), text
            assert "{" not in text, text
            assert part.op.name in repr(part)


def called_here(row: Row) -> str:
    """Where the row's function is called: this file, unless the row wraps the op in a line of its own."""
    wraps = not row.function.__module__.startswith("chainrule")
    return Path(row.function.__code__.co_filename).name if wraps else "test_table.py"


def check_error(row: Row, arguments: Sequence[Any], *kinds: type[Exception]) -> None:
    name = row.name.split()[0]
    with pytest.raises(errors.ChainruleError) as caught:
        row.function(*arguments)
    line = inspect.currentframe().f_lineno - 1  # type: ignore[union-attr]
    text = str(caught.value)
    assert isinstance(caught.value, kinds), text
    assert name in text or (name == "getitem" and "[…]" in text), text
    assert re.search(rf"where: \S*{called_here(row)}:\d+", text), text
    if called_here(row) == "test_table.py":
        assert f"test_table.py:{line}" in text, text


@rows(lambda row: row.name != "getitem")  # which only nodes have, and no node can hold these
@pytest.mark.parametrize("bad", ["text", 1j], ids=["string", "complex"])
def test_strings_and_complex_numbers_are_refused(row: Row, bad: Any) -> None:
    case = row.cases[0]
    arrays = sampled(row, case, row.dtypes[0])
    for place, operand in enumerate(row.operands):
        if operand.kind == "float":
            arguments = [*arrays[:place], np.full(arrays[place].shape, bad), *arrays[place + 1 :]]
            with pytest.raises(errors.DTypeError) as caught:
                row.function(*arguments, **case.attributes)
            text = str(caught.value)
            assert row.name.split()[0] in text, text
            assert re.search(rf"where: \S*{called_here(row)}:\d+", text), text


@rows(lambda row: bool(row.wrong))
def test_shapes_that_do_not_fit_are_refused(row: Row) -> None:
    for arguments in row.wrong:
        check_error(row, arguments, ValueError, TypeError)


def test_every_function_has_a_row() -> None:
    covered = {row.name.split()[0] for row in TABLE} | set(ELSEWHERE)
    functions = {
        name
        for name, function in operators._FUNCTIONS.items()
        if function.__module__.startswith("chainrule.ops.")
    }
    assert functions - covered == set()
    assert set(ops.__all__) - covered == set()
    known = {*operators._FUNCTIONS, *ops.__all__, *vars(ops.random)}
    assert {row.name.split()[0] for row in TABLE} <= known


elementwise_pairs = [
    row for row in TABLE if len(row.operands) == 2 and row.cases[0].shapes == ((3, 4), (3, 4))
]


@settings(deadline=None, max_examples=60)
@given(
    row=st.sampled_from(elementwise_pairs),
    shapes=mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=3, min_side=0),
)
def test_any_two_shapes_broadcast_as_in_numpy(row: Row, shapes: Any) -> None:
    case = Case(shapes.input_shapes, {})
    arrays = sampled(row, case, row.dtypes[0])
    leaves = placeholders(arrays)
    node = row.function(*leaves)
    value = cr.evaluate(node, feed=dict(zip(leaves, arrays, strict=True)))
    assert node.shape == value.shape == shapes.result_shape
    np.testing.assert_allclose(value, reference(row, case, arrays), rtol=1e-12, atol=1e-12)
    if row.differentiable:
        for leaf, gradient in zip(leaves, cr.gradients(cr.sum(node), leaves), strict=True):
            assert gradient.shape == leaf.shape


@settings(deadline=None, max_examples=60)
@given(data=st.data(), shape=array_shapes(min_dims=1, max_dims=4, max_side=4, min_side=0))
def test_sums_over_any_axes(data: st.DataObject, shape: tuple[int, ...]) -> None:
    axes = data.draw(st.lists(st.sampled_from(range(len(shape))), unique=True))
    keepdims = data.draw(st.booleans())
    x = np.random.default_rng(3).normal(size=shape)
    node = cr.sum(cr.variable(x), axis=tuple(axes), keepdims=keepdims)
    expected = x.sum(axis=tuple(axes), keepdims=keepdims)
    assert node.shape == expected.shape
    np.testing.assert_allclose(node.value, expected, rtol=1e-12, atol=1e-12)
