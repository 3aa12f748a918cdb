"""The stepper: what a graph means, run once or many times."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import errors
from chainrule.engines.stepper import Stepper, evaluate
from chainrule.graph import Op, apply


def test_several_nodes_at_once_share_what_they_have_in_common() -> None:
    calls = []

    class Counted(Op):
        def infer(self, x: cr.Node) -> Any:
            return x.shape, x.dtype

        def forward(self, xp: Any, x: Any) -> Any:
            calls.append(x)
            return x * 2

    x = cr.variable(3.0)
    shared = apply(Counted(), x)
    assert [v.item() for v in evaluate([shared + 1, shared * shared, shared])] == [7.0, 36.0, 6.0]
    assert len(calls) == 1
    assert evaluate([]) == []
    assert evaluate(shared).item() == 6.0


def test_a_value_is_dropped_when_its_last_reader_has_run() -> None:
    """A chain of 200 steps over a megabyte needs a few megabytes, not two hundred."""
    x = cr.variable(np.ones(131_072))
    h: cr.Node = x
    for _ in range(200):
        h = cr.sin(h)
    program = Stepper([cr.sum(h)])
    tracemalloc.start()
    try:
        program.run({})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * x.value.nbytes


def test_an_intermediate_that_is_asked_for_is_kept() -> None:
    x = cr.variable(np.full(3, 0.5))
    inner = cr.sin(x)
    outer = cr.cos(inner)
    first, second = evaluate([outer, inner])
    np.testing.assert_array_equal(second, np.sin(np.full(3, 0.5)))
    np.testing.assert_array_equal(first, np.cos(second))


def test_updates_are_computed_from_the_old_values() -> None:
    a, b = cr.variable(1.0), cr.variable(10.0)
    swap = Stepper([a + b], {a: b * 1, b: a * 1})
    assert swap.run({})[0].item() == 11.0
    assert (a.value.item(), b.value.item()) == (10.0, 1.0)
    swap.run({})
    assert (a.value.item(), b.value.item()) == (1.0, 10.0)


def test_updates_that_are_the_other_variable_s_own_array() -> None:
    """No copy in the graph, and still no array shared between two variables."""
    a, b = cr.variable(np.ones(2)), cr.variable(np.zeros(2))
    Stepper([], {a: b, b: a}).run({})
    assert (a.value.tolist(), b.value.tolist()) == ([0.0, 0.0], [1.0, 1.0])
    assert not np.shares_memory(a.value, b.value)


def test_a_fed_array_is_never_adopted() -> None:
    w, x = cr.variable(np.zeros(2)), cr.placeholder((2,), "float64")
    array = np.ones(2)
    Stepper([], {w: x}).run({x: array})
    array[0] = 99
    assert w.value.tolist() == [1.0, 1.0]


def test_a_refused_update_changes_nothing() -> None:
    a, b = cr.variable(1.0), cr.variable(2.0)
    seen: list[Any] = []

    def refuse(outputs: list[Any], new: dict[Any, Any]) -> None:
        seen.append((outputs[0].item(), new[a].item(), new[b].item()))
        raise FloatingPointError

    program = Stepper([a * b], {a: a + 1, b: b + 1})
    with pytest.raises(FloatingPointError):
        program.run({}, refuse)
    assert seen == [(2.0, 2.0, 3.0)]
    assert (a.value.item(), b.value.item()) == (1.0, 2.0)


def test_an_update_of_another_shape_is_refused() -> None:
    w = cr.variable(np.zeros(2), name="w")
    with pytest.raises(errors.ArgumentError, match=r"the update of <variable 'w'.*has shape \(3,\)"):
        Stepper([], {w: cr.constant(np.zeros(3))})


def test_composites_run_as_their_parts_or_whole() -> None:
    x, y = cr.variable(np.ones((2, 3))), cr.variable(np.ones((3, 2)))
    node = cr.einsum("ij,jk->ki", x, y)
    assert Stepper([node]).run({})[0].tolist() == Stepper([node], unfold=False).run({})[0].tolist()


class Lying(Op):
    """An op whose forward gives what its infer did not announce."""

    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result

    def infer(self, x: cr.Node) -> Any:
        return x.shape, x.dtype

    def forward(self, xp: Any, x: Any) -> Any:
        return self.result


def test_a_forward_that_breaks_its_promise_is_caught() -> None:
    x = cr.variable(np.ones(2, np.float32))
    wrong_shape = apply(Lying(np.ones(3, np.float32)), x)
    with pytest.raises(errors.ShapeError, match=r"gave shape \(3,\) where \(2,\) was inferred") as caught:
        evaluate(wrong_shape)
    assert str(wrong_shape.origin) in str(caught.value)
    with pytest.raises(errors.DTypeError, match="gave float64 where float32 was inferred"):
        evaluate(apply(Lying(np.ones(2)), x))


def test_floating_point_warnings_are_kept_quiet() -> None:
    """Non-finite values are diagnosed from the values themselves; warnings are errors in these tests."""
    x = cr.variable([0.0, -1.0, 1e30])
    assert np.isinf(cr.exp(x * x).value[2])
    assert np.isnan(cr.log(x).value[1])
    assert np.isinf((1 / x).value[0])


def test_scalars_come_back_as_arrays() -> None:
    value = cr.sum(cr.variable(np.ones(3))).value
    assert isinstance(value, np.ndarray)
    assert value.shape == ()
