from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import chainrule as cr
from chainrule.errors import ArgumentError, ShapeError
from chainrule.optim import Adadelta, Optimizer, max_norm
from chainrule.train import TrainingStep

MATRICES = npst.arrays(
    np.float64, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.floats(-50, 50)
)


@settings(deadline=None, max_examples=50)
@given(MATRICES, st.floats(0.1, 60), st.sampled_from([0, 1, -1, (0, 1)]))
def test_vectors_are_shortened_to_the_limit_and_short_ones_stay(
    weights: np.ndarray, limit: float, axis: int | tuple[int, ...]
) -> None:
    found = max_norm(limit, axis)(cr.constant(weights)).value
    norms = np.sqrt(np.sum(weights**2, axis=axis, keepdims=True))
    np.testing.assert_allclose(found, weights * np.minimum(1, limit / np.maximum(norms, 1e-300)), rtol=1e-12)
    kept = np.broadcast_to(norms <= limit * (1 - 1e-12), weights.shape)
    assert found[kept].tobytes() == weights[kept].tobytes()


@pytest.mark.parametrize("engine", ["stepper", "native"])
@pytest.mark.parametrize("rule", [cr.optim.SGD, cr.optim.AdamW, Adadelta])
def test_it_holds_after_every_step_and_only_in_its_group(rule: type[Optimizer], engine: str) -> None:
    """Beside the same run without a constraint: each new value is the other's, brought back."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 3))
    start = rng.normal(size=(3, 2))
    held, free = cr.variable(start, name="held"), cr.variable(start, name="free")

    def loss(x: cr.Node) -> cr.Node:
        return cr.mean(cr.exp(-0.1 * (x @ held))) + cr.mean(cr.exp(-0.1 * (x @ free)))

    groups = [{"parameters": [held], "constraint": max_norm(0.5)}, {"parameters": [free]}]
    step = TrainingStep(loss, rule(groups, 0.5), engine=engine)
    step((x,))
    norms = np.sqrt(np.sum(free.value**2, axis=0))
    np.testing.assert_allclose(held.value, free.value * np.minimum(1, 0.5 / norms), rtol=1e-12)
    assert norms.min() > 0.5
    for _ in range(5):
        step((x,))
        assert np.sqrt(np.sum(held.value**2, axis=0)).max() <= 0.5 * (1 + 1e-12)


def test_what_does_not_fit_is_refused_with_the_mend() -> None:
    w = cr.variable([1.0])
    with pytest.raises(ArgumentError, match="max_norm: limit is 0"):
        max_norm(0)
    with pytest.raises(ArgumentError, match=r"constraint=cr\.optim\.max_norm"):
        cr.optim.SGD([w], constraint=3.0)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="a group of its own"):
        cr.optim.SGD([w], constraint=max_norm(1.0, axis=1)).updates(cr.sum(w * w))
