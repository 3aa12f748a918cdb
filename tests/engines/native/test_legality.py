"""What lowering writes and what every pass makes of it is legal by the verifier's rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import chainrule as cr
from chainrule.engines.native import products
from chainrule.engines.native.aside import set_aside
from chainrule.engines.native.fuse import fuse
from chainrule.engines.native.guard import guarded
from chainrule.engines.native.in_place import in_place
from chainrule.engines.native.lowering import lower
from chainrule.engines.native.phases import schedule
from chainrule.engines.native.reuse import reuse
from chainrule.graph import Node, Variable, placeholder
from chainrule.loops import Program, verify, violations
from chainrule.ops import expand
from chainrule.simplify import simplify
from chainrule.train.step import TrainingStep

from ...loops.maker import Case
from ...loops.programs import cases
from ...ops.table import TABLE, Row
from .test_lowered_training import NETWORKS, OPTIMIZERS


def stages(outputs: list[Node], updates: dict[Variable, Node]) -> Iterator[Program]:
    """The program as lowered, and after each pass."""
    lowered = lower(outputs, updates)
    program = lowered.program
    yield program
    for apply_pass in (
        lambda program: in_place(program, lowered.updates),
        lambda program: fuse(program, products.keeps),
        set_aside,
        schedule,
        reuse,
    ):
        program = apply_pass(program)
        yield program


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_every_op_and_its_derivative(row: Row) -> None:
    rng = np.random.default_rng(7)
    for case in row.cases:
        dtype = row.dtypes[0]
        samples = [o.sample(rng, s, dtype) for o, s in zip(row.operands, case.shapes, strict=True)]
        leaves = [cr.variable(sample) for sample in samples]
        targets = [row.function(*leaves, **case.attributes)]
        if row.differentiable and targets[0].dtype.kind == "f":
            floats = [leaf for leaf in leaves if leaf.dtype.kind == "f"]
            targets += [g for g in cr.gradients(cr.sum(targets[0] * targets[0]), floats) if g is not None]
        for program in stages(expand(targets), {}):
            verify(program)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("network", NETWORKS, ids=lambda f: f.__name__)
def test_every_training_step(network: Callable[[], Any], optimizer: str) -> None:
    model, loss, arrays = network()
    step = TrainingStep(loss, OPTIMIZERS[optimizer](model.parameters()), engine="stepper")
    leaves = [placeholder(a.shape, a.dtype) for a in arrays]
    target, updates = step.graph([""] * len(leaves), leaves)
    simple = simplify([target], updates)
    for program in stages(simple.outputs, simple.updates):
        verify(program)
    # Guards refuse a step after it has changed variables, and are the one thing that may.
    finite = Program(tuple([guarded(part) for part in program.steps]))
    assert {violation.rule for violation in violations(finite)} <= {"checks first"}


@settings(deadline=None, max_examples=60)
@given(one=cases())
def test_random_programs_after_each_pass(one: Case) -> None:
    program = one.program
    for apply_pass in (fuse, set_aside, schedule, reuse):
        program = apply_pass(program)
        verify(program)
