"""What is said when an optimizer is built or used wrongly: every message in full."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ChainruleError, DerivativeError
from chainrule.graph import Node, Variable
from chainrule.optim import SGD, Adafactor, Adam, Optimizer


def variables(*names: str) -> list[Variable]:
    return [cr.variable([1.0, -2.0], name=name) for name in names]


class Broken(Optimizer):
    """A rule that gives what the test tells it to."""

    def __init__(self, parameters: list[Variable], answer: Any, slot: str = "memory") -> None:
        self.answer, self.slot = answer, slot
        super().__init__(parameters)

    def slots(self, parameter: Variable) -> Mapping[str, Any]:
        return {self.slot: np.zeros(parameter.shape)}

    def rule(
        self, parameter: Node, gradient: Node, state: Mapping[str, Node], learning_rate: Node, step: Node
    ) -> tuple[Node, Mapping[str, Node]]:
        return self.answer(parameter, state["memory"])  # type: ignore[no-any-return]


def _whole() -> Variable:
    return cr.variable([1, 2], dtype="int64", name="count")


W, B = variables("W", "B")

ERRORS: list[tuple[str, Callable[[], Any], str, str | None]] = [
    (
        "no parameters",
        lambda: SGD([]),
        "SGD: there are no parameters to train",
        "give the variables of the model; an iterator that was used before is empty now",
    ),
    (
        "not a sequence",
        lambda: SGD(3),  # type: ignore[arg-type]
        "SGD: 3 is no sequence of variables",
        "give a list of variables, such as a module's parameters()",
    ),
    (
        "an array",
        lambda: SGD([W, 2.0]),  # type: ignore[list-item]
        "SGD: parameter 1 is 2.0, not a variable",
        "only a cr.variable can be replaced by its next value",
    ),
    (
        "integers",
        lambda: SGD([_whole()]),
        "SGD: parameter 0, count, is int64; only floats train",
        "make it a float32 or float64 variable, or leave it out",
    ),
    (
        "an empty group",
        lambda: SGD([{"parameters": [W]}, {"learning_rate": 0.1}]),
        "SGD, group 1: there are no parameters",
        "fill the group, or leave it out",
    ),
    (
        "variables among groups",
        lambda: SGD([{"parameters": [W]}, B]),  # type: ignore[list-item]
        "SGD: variables and groups are mixed",
        "put the variables into a group as well: {'parameters': [...]}",
    ),
    (
        "two groups",
        lambda: SGD([{"parameters": [W]}, {"parameters": [B, W]}]),
        "SGD: W is in group 0 and in group 1",
        "a parameter belongs to one group",
    ),
    (
        "an unknown option",
        lambda: SGD([W], momentum=0.9),  # type: ignore[call-arg]
        "SGD: there is no option 'momentum'",
        "the options are clip, constraint, decoupled, l1, l2, penalise, weight_decay",
    ),
    (
        "an unknown option of a group",
        lambda: Adam([{"parameters": [W], "lr": 0.1, "clip": None}]),
        "Adam, group 0: there is no option 'clip', 'lr'",
        "the options are amsgrad, beta1, beta2, constraint, decoupled, epsilon, l1, l2, lazy, learning_rate, "
        "penalise, weight_decay",
    ),
    (
        "beta1",
        lambda: Adam([W], beta1=1.0),
        "Adam: beta1 is 1.0; it must be a finite number, at least 0 and below 1",
        None,
    ),
    (
        "beta1 of a group",
        lambda: Adam([{"parameters": [W], "beta1": -0.5}]),
        "Adam, group 0: beta1 is -0.5; it must be a finite number, at least 0 and below 1",
        None,
    ),
    (
        "amsgrad of a group",
        lambda: Adam([{"parameters": [W], "amsgrad": 2}]),
        "Adam, group 0: amsgrad is 2, elsewhere False",
        None,
    ),
    (
        "decay",
        lambda: Adafactor([W], decay=0.8),
        "Adafactor: decay is 0.8; it must be a finite number, below 0",
        None,
    ),
    (
        "weight decay",
        lambda: SGD([W], weight_decay=float("nan")),
        "SGD: weight_decay is nan; it must be a finite number, at least 0",
        None,
    ),
    (
        "decoupled",
        lambda: SGD([W], decoupled=0.1),  # type: ignore[arg-type]
        "SGD: decoupled is 0.1; it must be True or False",
        None,
    ),
    (
        "penalise",
        lambda: SGD([W], penalise=True),  # type: ignore[arg-type]
        "SGD: penalise is True; it must be a function of a parameter",
        "for example penalise=cr.optim.except_biases",
    ),
    (
        "clip",
        lambda: SGD([W], clip=5.0),  # type: ignore[arg-type]
        "SGD: clip is 5.0",
        "for example clip=Clip(global_norm=5.0)",
    ),
    (
        "a rate below 0",
        lambda: SGD([W], -0.1),
        "SGD: the learning rate is -0.1; it must be a finite number, at least 0",
        None,
    ),
    (
        "a rate that is none",
        lambda: SGD([W], "fast"),  # type: ignore[arg-type]
        "SGD: the learning rate is 'fast', neither a number nor a schedule",
        "give a number such as 0.01, or a schedule such as cosine(0.01, steps=1000)",
    ),
    (
        "a schedule of a vector",
        lambda: SGD([W], lambda step: step * np.ones(3, np.float32)).learning_rate(),
        "SGD: the schedule gave a rate of shape (3,); it must be a scalar",
        None,
    ),
    (
        "too few gradients",
        lambda: SGD([W, B]).updates([cr.constant([1.0, 1.0])]),
        "SGD: 1 gradients for 2 parameters",
        "give one for each, in the order of optimizer.parameters, or a mapping",
    ),
    (
        "a stranger's gradient",
        lambda: SGD([W]).updates({B: cr.constant([1.0, 1.0])}),
        "SGD: a gradient is given for B, which it does not train",
        None,
    ),
    (
        "gradients of other shapes",
        lambda: SGD([W, B]).updates([cr.constant([1.0]), cr.constant(1.0)]),
        "SGD: W has shape (2,), its gradient (1,); B has shape (2,), its gradient ()",
        None,
    ),
    (
        "no rule",
        lambda: Optimizer([W]).updates([cr.constant([1.0, 1.0])]),
        "Optimizer has no rule",
        "define rule(self, parameter, gradient, state, …)",
    ),
    (
        "a rule that forgets its state",
        lambda: Broken([W], lambda p, memory: (p, {})).updates([cr.constant([1.0, 1.0])]),
        "the rule of Broken gave the state [], not ['memory']",
        "give the next value of each of its slots, changed or not",
    ),
    (
        "a rule that changes a shape",
        lambda: Broken([W], lambda p, memory: (p, {"memory": cr.sum(p)})).updates([cr.constant([1.0, 1.0])]),
        "the rule of Broken gave W.memory the shape (); it has (2,)",
        None,
    ),
    (
        "a slot of two words",
        lambda: Broken([W], None, slot="two words"),
        "Broken: a slot cannot be called 'two words'; use a plain word",
        None,
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "what", "mend"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS]
)
def test_errors_say_what_where_and_how_to_mend(make: Callable[[], Any], what: str, mend: str | None) -> None:
    with pytest.raises(ChainruleError) as caught:
        make()
    assert (caught.value.what, caught.value.mend) == (what, mend)


def test_where_no_gradient_flows_at_all_each_parameter_is_named_with_its_reason() -> None:
    w, b = variables("w", "b")
    with pytest.raises(DerivativeError) as caught:
        SGD([w, b]).updates(cr.sum(cr.floor(w)))
    first, of_w, of_b = caught.value.what.splitlines()
    assert first == "SGD: no gradient reaches any of its 2 parameters"
    assert of_w.startswith("  w: every path from w ends at floor (")
    assert of_w.endswith("), which passes nothing back")
    assert of_b == "  b: the output does not depend on b"
    assert "test_errors.py" in str(caught.value.where)


def test_many_parameters_without_a_gradient_are_not_all_listed() -> None:
    parameters = variables(*[f"p{index}" for index in range(20)])
    with pytest.raises(DerivativeError) as caught:
        SGD(parameters).updates([None] * 20)
    lines = caught.value.what.splitlines()
    assert len(lines) == 10
    assert lines[-1] == "  and 12 more"
