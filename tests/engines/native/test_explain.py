"""What the engine says of itself: steps, rewrites, what runs in Python, and all of it when asked."""

from __future__ import annotations

import numpy as np

import chainrule as cr
from chainrule.engines.native import Native


class Halve(cr.Op):
    def forward(self, xp: object, x: np.ndarray) -> np.ndarray:
        return x / 2

    def vjp(self, ct: cr.Node, out: cr.Node, x: cr.Node) -> tuple[cr.Node]:
        return (ct / 2,)


def test_ops_without_loops_are_named() -> None:
    halve = cr.define_op(Halve)
    x = cr.placeholder((3, 4))
    text = Native([cr.sort(halve(x)) + 1]).explain()
    assert "called in Python, by the op's own forward: halve, sort" in text
    assert "called in Python" not in Native([cr.exp(x)]).explain()


def test_rewrites_products_and_threads_are_told() -> None:
    x, w = cr.placeholder((64, 300)), cr.placeholder((300, 100))
    program = Native([cr.log(cr.softmax(x @ w))], threads=1)
    text = program.explain()
    assert text.startswith("native engine: ")
    assert "1 thread," in text
    assert "stability: log(softmax(x)) = x - log Σ exp(x)" in text
    assert "product 64×300×100" in text
    assert "buffers:" not in text
    assert "buffers:" in program.explain(whole=True)


def test_a_compiled_function_explains_itself_without_being_evaluated() -> None:
    compiled = cr.compile(lambda x: cr.tanh(x) * 2)
    assert "native engine: 1 step," in compiled.explain(np.zeros((2, 3), np.float32))


def test_a_users_op_runs_within_a_compiled_function() -> None:
    compiled = cr.compile(lambda x: cr.define_op(Halve)(cr.exp(x)) + 1)
    x = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_allclose(compiled(x), np.exp(x) / 2 + 1, rtol=1e-6)
