"""Programs and compiled functions: one trace for each combination of shapes, and arrays kept apart."""

from __future__ import annotations

import threading
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

import chainrule as cr
from chainrule import Program
from chainrule.errors import ArgumentError, DTypeError, NonFiniteError, ShapeError


def counting(fn):
    """``fn`` compiled, and the list of its traces."""
    traces = []

    def traced(*args, **options):
        traces.append(args)
        return fn(*args, **options)

    return traced, traces


# -- compile ---------------------------------------------------------------------------------------


def test_a_function_is_traced_once_for_each_combination_of_shapes_and_dtypes():
    fn, traces = counting(lambda x: x + x)
    double = cr.compile(fn)
    for array in (np.ones(3, "f"), np.zeros(3, "f"), np.ones((3, 1), "f"), np.ones(3, "d"), np.ones(3, "f")):
        assert np.array_equal(double(array), array + array)
        assert double(array).dtype == array.dtype
    assert [(x[0].shape, x[0].dtype.name) for x in traces] == [
        ((3,), "float32"), ((3, 1), "float32"), ((3,), "float64"),
    ]  # fmt: skip


def test_the_program_used_longest_ago_is_dropped():
    fn, traces = counting(lambda x: -x)
    negative = cr.compile(fn, cache_size=2)

    def call(size):
        before = len(traces)
        negative(np.ones(size, "f"))
        return len(traces) > before

    assert [call(size) for size in (1, 2, 1, 3, 1, 2, 3)] == [True, True, False, True, False, True, True]


@pytest.mark.parametrize("size", [0, -1])
def test_a_cache_without_room_is_refused(size):
    with pytest.raises(ArgumentError, match=f"compile: a cache of {size} programs"):
        cr.compile(cr.tanh, cache_size=size)


def test_keyword_arguments_are_options_of_the_trace():
    fn, traces = counting(lambda x, *, axis=None, scale=1: cr.sum(x, axis=axis) * scale)
    total = cr.compile(fn)
    x = np.arange(6, dtype="f").reshape(2, 3)
    assert total(x).tolist() == 15
    assert total(x, axis=0).tolist() == [3, 5, 7]
    assert total(x, axis=(0, 1), scale=2).tolist() == 30
    assert total(x, scale=2, axis=(0, 1)).tolist() == 30  # the same in another order
    assert len(traces) == 3


def test_options_that_are_equal_and_of_different_types_are_different():
    fn, traces = counting(lambda x, *, by=1: x * by)
    times = cr.compile(fn)
    x = np.array([3], "int32")
    assert [times(x, by=by).dtype.name for by in (2, 2.0, 2)] == ["int32", "float32", "int32"]
    assert len(traces) == 2


def test_an_option_that_cannot_be_hashed_is_named():
    total = cr.compile(lambda x, axis=None: cr.sum(x, axis=axis))
    with pytest.raises(ArgumentError) as caught:
        total(np.ones((2, 2), "f"), axis=[0])
    assert caught.value.what == "compile: the option axis is a list, which cannot be hashed"
    assert caught.value.mend == "pass arrays by position; options are numbers, strings or tuples"
    assert "test_compile.py" in caught.value.where


Pair = namedtuple("Pair", ["left", "right"])


def test_trees_go_in_and_come_out():
    @cr.compile
    def swap(pair, rest):
        return {"pair": Pair(pair.right, pair.left * rest["by"][0]), "all": [rest["by"][1], (pair.left,)]}

    left, right = np.ones(2, "f"), np.zeros((1, 1), "d")
    found = swap(Pair(left, right), {"by": [np.float32(3), np.arange(3)]})
    assert type(found["pair"]) is Pair
    assert np.array_equal(found["pair"].left, right)
    assert found["pair"].right.tolist() == [3, 3]
    assert found["all"][0].tolist() == [0, 1, 2]
    assert found["all"][1][0].tolist() == [1, 1]


def test_the_same_leaves_on_another_tree_are_another_trace():
    fn, traces = counting(lambda x: x["b"] - x["a"] if isinstance(x, dict) else x[0] - x[1])
    difference = cr.compile(fn)
    a, b = np.float32(1), np.float32(5)
    assert difference({"a": a, "b": b}) == 4
    assert difference({"b": a, "a": b}) == -4
    assert difference((a, b)) == -4
    assert len(traces) == 3


def test_results_that_are_no_nodes_and_no_arguments_at_all():
    assert cr.compile(lambda: (1.5, np.arange(2)))()[1].tolist() == [0, 1]
    assert cr.compile(lambda x: 2.0)(np.ones(3)) == 2


def test_lists_numbers_and_numpy_scalars_are_taken():
    add = cr.compile(lambda x, y: x + y)
    assert add([1.0, 2.0], 3.0).dtype == "float32"
    assert add(np.float64(1), np.int32(2)) == 3
    assert add(np.array([1.0, 2.0], ">f8"), 1.0).tolist() == [2, 3]


@pytest.mark.parametrize(
    "fn",
    [lambda x: x, lambda x: x.T, lambda x: x[:, 1:], lambda x: cr.reshape(x, (-1,)), lambda x: (x, x + 1)],
)
def test_results_are_not_views_of_the_arguments(fn):
    x = np.zeros((2, 3), "f")
    for result in cr.trees.flatten(cr.compile(fn)(x))[0]:
        result += 7
    assert not x.any()


def test_a_result_that_is_a_variable_can_be_written_to_and_the_variable_stays():
    w = cr.variable([1.0, 2.0])
    found = cr.compile(lambda: w)()
    found += 1
    assert w.value.tolist() == [1, 2]
    w.assign([5.0, 6.0])
    assert cr.compile(lambda x: w * x)(np.float32(2)).tolist() == [10, 12]


def test_a_compiled_function_reads_what_its_variables_hold_now():
    w = cr.variable(1.0)
    times = cr.compile(lambda x: w * x)
    assert times(3.0) == 3
    w.assign(2.0)
    assert times(3.0) == 6


def test_a_compiled_function_inside_another_and_inside_a_gradient():
    square = cr.compile(lambda x: x * x)
    cube = cr.compile(lambda x: square(x) * x)
    assert cube(2.0) == 8
    assert cr.grad(cube)(2.0) == 12
    assert cr.compile(cr.grad(cr.grad(cube)))(2.0) == 12
    assert isinstance(cube(cr.placeholder(())), cr.Node)


def test_errors_point_at_the_users_line():
    with pytest.raises(ArgumentError, match="choose one of: stepper"):
        cr.compile(cr.tanh, "stoper")
    with pytest.raises(DTypeError, match="int8"):
        cr.compile(cr.negative)(np.ones(2, "int8"))
    with pytest.raises(ShapeError) as caught:
        cr.compile(lambda x, y: x @ y)(np.ones((2, 3), "f"), np.ones((2, 3), "f"))
    assert "test_compile.py" in caught.value.where
    with pytest.raises(TypeError):
        cr.compile(lambda x: x)(1.0, 2.0)


def test_threads_share_a_compiled_function():
    power = cr.compile(lambda x, *, n=1: x**n, cache_size=2)  # so that programs are dropped all the time

    def call(job):
        size, n = job % 5 + 1, job % 3 + 1
        x = np.full(size, 2.0, "f")
        return np.array_equal(power(x, n=n), x**n)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(call, range(400)))


def test_two_threads_run_one_program_with_their_own_values():
    program = cr.compile(lambda x: cr.sum(x @ x))
    program(np.zeros((40, 40), "f"))
    start, found = threading.Barrier(2, timeout=30), {}

    def run(value):
        start.wait()
        found[value] = {float(program(np.full((40, 40), value, "f"))) for _ in range(50)}

    jobs = [threading.Thread(target=run, args=(value,)) for value in (1.0, 2.0)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(60)
    assert found == {1.0: {64_000.0}, 2.0: {256_000.0}}


# -- programs --------------------------------------------------------------------------------------


def program_of_a_step():
    x, w, count = cr.placeholder((2,), name="x"), cr.variable([1.0, 1.0], name="w"), cr.variable(0, "int64")
    return Program([x], [cr.sum(w * x)], {w: w - x, count: count + 1}), w, count


def test_updates_are_computed_from_old_values_and_made_together():
    a, b = cr.variable(1.0), cr.variable(2.0)
    swap = Program([], [a + b], {a: b, b: a})
    assert swap()[0] == 3
    assert (float(a.value), float(b.value)) == (2, 1)
    swap()
    assert (float(a.value), float(b.value)) == (1, 2)


def test_a_pass_that_is_not_finite_changes_nothing():
    w, count = cr.variable([2.0, 3.0], name="w"), cr.variable(np.int64(0), name="count")
    x = cr.placeholder((2,), name="x")
    program = Program([x], [cr.sum(cr.log(x))], {w: w / (x - 1), count: count + 1}, finite=True)
    for wrong, name in (([-1.0, 2.0], "an output"), ([1.0, 2.0], "the new value of w")):
        for attempt in (program, partial(program.run_steps, 3)):
            with pytest.raises(NonFiniteError, match=f"{name} is not finite; nothing was updated"):
                attempt(wrong)
            assert (w.value.tolist(), count.value.item()) == ([2, 3], 0)
    program.run_steps(3, [3.0, 2.0])
    assert (w.value.tolist(), count.value.item()) == ([0.25, 3], 3)
    with pytest.raises(NonFiniteError):  # 3 / 2⁻¹⁰⁰ after some steps, and then too much for a float
        program.run_steps(1000, [2.0, 1.0 + 2.0**-10])
    assert np.isfinite(w.value).all()
    assert w.value[1] > 2.0**110
    assert 3 < count.value < 20


@pytest.mark.parametrize(
    ("arrays", "kind", "message"),
    [
        ((), ArgumentError, "the program takes 1 arrays, 0 were given"),
        (([1.0, 2.0], 3.0), ArgumentError, "the program takes 1 arrays, 2 were given"),
        (([1.0, 2.0, 3.0],), ShapeError, r"has shape \(2,\), the array given has \(3,\)"),
        ((np.array([1j, 2j]),), DTypeError, "is float32, the array given is complex128"),
    ],
)
def test_arrays_that_do_not_fit_change_nothing(arrays, kind, message):
    program, w, _ = program_of_a_step()
    with pytest.raises(kind, match=message):
        program(*arrays)
    assert w.value.tolist() == [1, 1]


def test_the_wrong_count_is_answered_with_the_inputs():
    program, _, _ = program_of_a_step()
    with pytest.raises(ArgumentError) as caught:
        program()
    assert caught.value.mend == "give one for each of: x"
    assert "test_compile.py" in caught.value.where


def test_a_placeholder_that_is_no_input_is_named():
    x, y = cr.placeholder((), name="x"), cr.placeholder((), name="y")
    w = cr.variable(1.0)
    for outputs, updates in (([x * y], None), ([x], {w: w * y})):
        with pytest.raises(ArgumentError, match=r"the program reads .*y.*not among its inputs"):
            Program([x], outputs, updates)


def test_an_update_of_another_shape_or_dtype_is_refused():
    w = cr.variable([1.0, 2.0])
    for new in (cr.sum(w), cr.constant(np.zeros(2))):
        with pytest.raises(ArgumentError, match=r"the update of .* has shape"):
            Program([], [], {w: new})


@pytest.mark.parametrize("view", [lambda x: x, lambda x: x[::-1], lambda x: cr.reshape(x, (3,))])
def test_an_update_never_takes_the_callers_array(view):
    x, w = cr.placeholder((3,)), cr.variable([0.0, 0.0, 0.0])
    program = Program([x], [], {w: view(x)})
    mine = np.array([1.0, 2.0, 3.0], "f")
    program(mine)
    held = w.value.tolist()
    mine[:] = 9  # still the caller's to write to
    assert w.value.tolist() == held
    assert not w.value.flags.writeable


def test_updates_never_share_memory_with_one_another_or_with_constants():
    a, b = cr.variable([1.0, 2.0]), cr.variable([3.0, 4.0])
    start = np.array([5.0, 6.0], "f")
    reset = Program([], [], {a: cr.constant(start), b: a})
    reset()
    assert (a.value.tolist(), b.value.tolist()) == ([5, 6], [1, 2])
    reset()
    assert b.value.tolist() == [5, 6]
    a.assign([7.0, 8.0])
    assert b.value.tolist() == [5, 6]
    assert start.tolist() == [5, 6]


def test_evaluate_takes_an_engine_by_name():
    x = cr.placeholder((2,), name="x")
    np.testing.assert_array_equal(cr.evaluate(x * 2, {x: [1, 2]}, engine="stepper"), [2, 4])
    assert [v.item() for v in cr.evaluate([cr.sum(x), cr.softplus(x)[0] * 0], {x: [1, 2]})] == [3.0, 0.0]
    with pytest.raises(cr.errors.ArgumentError, match="no engine 'abacus'"):
        cr.evaluate(x * 2, {x: [1, 2]}, engine="abacus")
