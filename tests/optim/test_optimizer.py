"""What all update rules share: groups, gradients, state, dtypes, errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.engines.stepper import Stepper
from chainrule.errors import ArgumentError, NonFiniteError
from chainrule.graph import Node, Variable, topological
from chainrule.optim import SGD, Adafactor, Adagrad, Adam, AdamW, Clip, Momentum, Optimizer, RMSProp

from .logistic_problem import fresh, loss_of, row
from .test_trajectories import OURS


def variables(*names: str) -> list[Variable]:
    return [cr.variable([1.0, -2.0], name=name) for name in names]


# -- what the updates are ------------------------------------------------------------------------------


def test_updates_are_parameters_then_state_then_the_counter() -> None:
    a, b = variables("a", "b")
    optimizer = Momentum([a, b])
    updates = optimizer.updates(cr.sum(a * b))
    velocities = [optimizer.state["a.velocity"], optimizer.state["b.velocity"]]
    assert list(updates) == [a, b, *velocities, optimizer.step]
    assert all(new.shape == old.shape and new.dtype is old.dtype for old, new in updates.items())


def test_a_parameter_without_a_gradient_is_left_alone_with_its_state() -> None:
    used, unused = variables("used", "unused")
    optimizer = Adam([used, unused], weight_decay=0.5, l2=0.5)
    updates = optimizer.updates(cr.sum(used * used))
    assert unused not in updates
    assert optimizer.state["unused.mean"] not in updates
    Stepper([], updates).run({})
    assert unused.array.tolist() == [1.0, -2.0]


@pytest.mark.parametrize("form", ["loss", "sequence", "mapping", "partial mapping"])
def test_gradients_may_be_given_in_three_forms(form: str) -> None:
    a, b = variables("a", "b")
    loss = cr.sum(a * a * 3.0)
    found = cr.gradients(loss, [a, b])
    given: dict[str, Any] = {
        "loss": loss,
        "sequence": found,
        "mapping": {a: found[0], b: None},
        "partial mapping": {a: found[0]},
    }
    Stepper([], SGD([a, b], 0.5).updates(given[form])).run({})
    assert (a.array.tolist(), b.array.tolist()) == ([-2.0, 4.0], [1.0, -2.0])


def test_scalars_of_the_step_are_computed_once_for_all_parameters() -> None:
    def scalar_ops(count: int) -> int:
        parameters = variables(*[f"p{index}" for index in range(count)])
        gradients = [cr.placeholder(2) for _ in parameters]
        updates = AdamW(parameters, optim.warmup(10, optim.cosine(0.1, 100))).updates(gradients)
        return sum(1 for node in topological(updates.values()) if node.inputs and not node.shape)

    assert scalar_ops(1) == scalar_ops(5)


@pytest.mark.parametrize(("amsgrad", "expected"), [(False, 13), (True, 14)])
def test_adam_takes_thirteen_passes_over_a_parameter(amsgrad: bool, expected: int) -> None:
    (p,) = variables("p")
    updates = Adam([p], amsgrad=amsgrad).updates([cr.placeholder(2)])
    assert sum(1 for node in topological(updates.values()) if node.inputs and node.shape) == expected


def test_a_shared_parameter_is_trained_once() -> None:
    a, b = variables("a", "b")
    optimizer = SGD([a, b, a], 0.5)
    assert optimizer.parameters == (a, b)
    Stepper([], optimizer.updates(cr.sum(a))).run({})
    assert a.array.tolist() == [0.5, -2.5]


def test_nodes_of_an_update_say_which_parameter_they_belong_to() -> None:
    (w,) = variables("layers.0.weight")
    new = SGD([w]).updates([cr.placeholder(2)])[w]
    assert new.origin.module == "optimizer.layers.0.weight"


# -- groups --------------------------------------------------------------------------------------------


def test_a_group_overrides_common_options_and_the_rules_own() -> None:
    a, b, c = variables("a", "b", "c")
    optimizer = RMSProp(
        [
            {"parameters": [a]},
            {"parameters": [b], "learning_rate": optim.exponential(1.0, 0.5), "momentum": 0.5},
            {"parameters": c, "centered": True, "rho": 0.0, "weight_decay": 0.25, "decoupled": True},
        ],
        learning_rate=0.5,
        rho=0.75,
        epsilon=0.0,
    )
    assert {name for name in optimizer.state if "." in name} == {
        "a.squares", "b.squares", "b.velocity", "c.squares", "c.mean",
    }  # fmt: skip
    gradients = [cr.constant([2.0, 4.0]) for _ in range(3)]
    # g / √(0.25 g²) = 2 for the first two; the third's variance is g² - g² = 0 under a root.
    updates = optimizer.updates(gradients)
    assert updates[a].value.tolist() == [0.0, -3.0]
    assert updates[b].value.tolist() == [-1.0, -4.0]
    assert np.isneginf(updates[c].value).all()
    assert (float(optimizer.learning_rate(0)), float(optimizer.learning_rate(1))) == (0.5, 1.0)


def test_penalties_and_decay_leave_out_what_penalise_says() -> None:
    weight, bias = cr.variable([[2.0]], name="weight"), cr.variable([2.0], name="bias")
    flat = [cr.constant([[0.0]]), cr.constant([0.0])]
    for options in (
        {"weight_decay": 0.5},
        {"weight_decay": 0.5, "decoupled": True},
        {"l2": 0.25},
        {"l1": 1.0},
    ):
        optimizer = SGD([weight, bias], 1.0, penalise=optim.except_biases, **options)  # type: ignore[arg-type]
        updates = optimizer.updates(flat)
        assert (float(updates[weight]), float(updates[bias])) == (1.0, 2.0), options


def test_clipping_is_over_all_groups_after_penalties_and_before_weight_decay() -> None:
    a, b = cr.variable(3.0), cr.variable(0.0)
    optimizer = SGD(
        [{"parameters": [a], "l2": 0.5, "weight_decay": 1.0}, {"parameters": [b]}],
        1.0,
        clip=Clip(global_norm=1.0),
    )
    updates = optimizer.updates([cr.constant(0.0), cr.constant(4.0)])
    # (0 + 2·0.5·3, 4) has norm 5; a's decay of 3 comes on top.
    np.testing.assert_allclose([float(updates[a]), float(updates[b])], [3.0 - 0.6 - 3.0, -0.8], rtol=1e-6)


# -- dtypes --------------------------------------------------------------------------------------------


def test_parameters_of_both_float_types_keep_their_own() -> None:
    narrow, wide = cr.variable([1.0], name="narrow"), cr.variable([1.0], dtype="float64", name="wide")
    optimizer = Adam([narrow, wide], optim.cosine(0.1, 10), weight_decay=0.1, clip=Clip(global_norm=1.0))
    assert optimizer.learning_rate().dtype.name == "float64"
    loss = cr.sum(cr.astype(narrow, "float64") * wide)
    step = Stepper([loss], optimizer.updates(loss))
    for _ in range(3):
        step.run({})
    assert (narrow.array.dtype.name, wide.array.dtype.name) == ("float32", "float64")
    assert optimizer.state["narrow.mean"].dtype.name == "float32"
    assert optimizer.state["wide.mean"].dtype.name == "float64"


def test_a_plain_number_from_a_schedule_keeps_all_its_digits() -> None:
    optimizer = SGD([cr.variable(1.0, dtype="float64")], lambda step: 0.1)  # type: ignore[arg-type,return-value]
    assert optimizer.learning_rate().value == np.float64(0.1)


@pytest.mark.parametrize("t", [1, 10, 1000, 100_000, 10_000_000])
def test_bias_corrections_are_exact_in_float32_at_any_step(t: int) -> None:
    w = cr.variable([1.0])
    optimizer = Adam([w], learning_rate=1.0, beta1=0.9, beta2=0.9999, epsilon=0.0)
    optimizer.step.assign(t - 1)
    optimizer.state["0.mean"].assign([0.5])
    optimizer.state["0.squares"].assign([0.25])
    found = 1.0 - optimizer.updates([cr.constant([0.5])])[w].value.astype(np.float64)
    expected = 0.5 / (1 - 0.9**t) / np.sqrt(0.25 / (1 - 0.9999**t))
    np.testing.assert_allclose(found, expected, rtol=3e-6)


# -- state ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OURS)
def test_training_resumes_bit_for_bit(name: str) -> None:
    def build() -> tuple[list[Variable], Optimizer, Stepper]:
        parameters = fresh()
        optimizer = OURS[name](parameters)
        loss = loss_of(*parameters)
        return parameters, optimizer, Stepper([loss], optimizer.updates(loss))

    def run(step: Stepper, times: int) -> None:
        for _ in range(times):
            step.run({})

    parameters, optimizer, step = build()
    run(step, 7)
    held, saved = [p.array.copy() for p in parameters], optimizer.state_dict()
    run(step, 5)
    resumed, other, other_step = build()
    for parameter, array in zip(resumed, held, strict=True):
        parameter.assign(array)
    other.load_state_dict(saved)
    run(other_step, 5)
    assert row(resumed).tobytes() == row(parameters).tobytes()
    assert {k: v.tobytes() for k, v in other.state_dict().items()} == {
        k: v.tobytes() for k, v in optimizer.state_dict().items()
    }


def test_state_is_named_by_the_parameter_or_its_number() -> None:
    parameters = [*variables("w", "twin", "twin", "7"), cr.variable(0.0)]
    assert list(Momentum(parameters).state) == [
        "step", "learning_rate_scale",
        "w.velocity", "1.velocity", "2.velocity", "3.velocity", "4.velocity",
    ]  # fmt: skip


def test_a_state_dict_is_a_copy() -> None:
    (w,) = variables("w")
    optimizer = Momentum([w])
    saved = optimizer.state_dict()
    saved["w.velocity"][:] = 7.0
    assert optimizer.state["w.velocity"].array.tolist() == [0.0, 0.0]


def test_a_state_that_does_not_fit_is_refused_whole_and_completely() -> None:
    (w,) = variables("w")
    optimizer = Adam([w])
    saved = optimizer.state_dict()
    saved["w.mean"] = np.ones(3, np.float32)
    saved["w.squares"] = np.ones(2)
    saved["w.velocity"] = np.ones(2, np.float32)
    saved["step"] = np.asarray(5)
    del saved["learning_rate_scale"]
    with pytest.raises(ArgumentError) as caught:
        optimizer.load_state_dict(saved)
    assert caught.value.what.splitlines() == [
        "Adam: this state does not fit",
        "  missing: learning_rate_scale",
        "  not of this optimizer: w.velocity",
        "  w.mean is float32 (2,); given is float32 (3,)",
        "  w.squares is float32 (2,); given is float64 (2,)",
    ]
    assert optimizer.step.array == 0


# -- values that are not finite ------------------------------------------------------------------------


def test_a_gradient_that_is_not_finite_reaches_its_parameter_and_no_other() -> None:
    a, b = variables("a", "b")
    bad = [cr.constant([np.float32("nan"), 1.0]), cr.constant([1.0, 1.0])]
    for kind in (SGD, Momentum, Adagrad, Adam):
        updates = kind([a, b]).updates(bad)
        assert np.isnan(updates[a].value).tolist() == [True, False]
        assert np.isfinite(updates[b].value).all()
    together = SGD([a, b], clip=Clip(global_norm=1.0)).updates(bad)
    assert np.isnan(together[b].value).all()


def test_a_loop_can_refuse_a_step_before_anything_is_replaced() -> None:
    (w,) = variables("w")
    optimizer = Adam([w])
    loss = cr.sum(cr.log(w))  # of -2

    def accept(outputs: list[Any], new: dict[Variable, Any]) -> None:
        if not np.isfinite(outputs[0]):
            raise NonFiniteError(f"the loss is {outputs[0]}")

    with pytest.raises(NonFiniteError, match="the loss is nan"):
        Stepper([loss], optimizer.updates(loss)).run({}, accept)
    assert w.array.tolist() == [1.0, -2.0]
    assert not any(held.array.any() for name, held in optimizer.state.items() if "scale" not in name)


def test_a_centered_variance_that_rounds_below_zero_is_zero() -> None:
    """Under a constant gradient E[g²] - E[g]² tends to 0 and comes out negative for some."""
    w = cr.variable(np.zeros(64, np.float32))
    gradient = cr.constant(np.linspace(0.1, 3.0, 64, dtype=np.float32))
    optimizer = RMSProp([w], rho=0.5, centered=True)
    step = Stepper([], optimizer.updates([gradient]))
    for _ in range(60):
        step.run({})
    squares, mean = optimizer.state["0.squares"].array, optimizer.state["0.mean"].array
    assert (squares < mean * mean).any()
    assert np.isfinite(w.array).all()


@pytest.mark.parametrize("kind", [Adagrad, Adam, RMSProp, Adafactor, optim.Adadelta])
def test_a_gradient_of_zeros_moves_nothing(kind: Callable[[list[Variable]], Optimizer]) -> None:
    matrix = cr.variable([[1.0, -2.0], [0.0, 0.5]])
    updates = kind([matrix]).updates([cr.constant(np.zeros((2, 2), np.float32))])
    assert updates[matrix].value.tolist() == matrix.array.tolist()


@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 0), (1, 1), (2, 3, 4)])
@pytest.mark.parametrize("name", OURS)
def test_parameters_of_any_shape(shape: tuple[int, ...], name: str) -> None:
    parameters = [cr.variable(np.full(shape, 0.5, np.float32), name=f"p{index}") for index in range(3)]
    optimizer = OURS[name](parameters)
    gradients = [cr.constant(np.full(shape, 0.25, np.float32)) for _ in parameters]
    Stepper([], optimizer.updates(gradients)).run({})
    for parameter in parameters:
        assert parameter.array.shape == shape
        assert (parameter.array < 0.5).all()


# -- rules of one's own --------------------------------------------------------------------------------


def test_a_rule_may_keep_integers_and_is_cast_back_to_the_parameters_dtype() -> None:
    class Counting(Optimizer):
        def slots(self, parameter: Variable) -> Mapping[str, Any]:
            return {"seen": np.zeros(parameter.shape, np.int64)}

        def rule(
            self, parameter: Node, gradient: Node, state: Mapping[str, Node], learning_rate: Node, step: Node
        ) -> tuple[Node, Mapping[str, Node]]:
            seen = state["seen"] + cr.astype(cr.not_equal(gradient, 0.0), "int64")
            return cr.astype(parameter, "float64") - cr.astype(seen, "float64"), {"seen": seen}

    (w,) = variables("w")
    optimizer = Counting([w])
    step = Stepper([], optimizer.updates([cr.constant([0.0, 3.0])]))
    step.run({})
    step.run({})
    assert optimizer.state["w.seen"].array.tolist() == [0, 2]
    assert (w.array.tolist(), w.array.dtype.name) == ([1.0, -5.0], "float32")


def test_options_from_numpy_do_not_widen_the_step() -> None:
    (w,) = variables("w")
    optimizer = Adam([w], np.float64(0.1), beta1=np.float64(0.5), weight_decay=np.float64(0.1))
    updates = optimizer.updates([cr.placeholder(2)])
    assert {node.dtype.name for node in topological(updates.values())} == {"float32", "int64"}


def test_repr_shows_rule_size_and_options() -> None:
    assert repr(Momentum(variables("w"))) == "Momentum(1 parameters, momentum=0.9, rate_in_velocity=True)"
