"""How much does a vectorised gradient gain on one written element by element?

One layer, s = Σ tanh(W·x + b): the same graph once over arrays and once over single numbers, a node for
each, as a first implementation of backpropagation would have it; both run by the stepper.  The
gradients are compared before the times are printed.

    python benchmarks/vectorised.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
from machine import machine

import chainrule as cr
from chainrule.engines.stepper import Stepper


def arrays(w: np.ndarray, b: np.ndarray, x: np.ndarray) -> Stepper:
    weights, bias = cr.variable(w), cr.variable(b)
    score = cr.sum(cr.tanh(weights @ cr.constant(x) + bias))
    return Stepper(cr.gradients(score, [weights, bias]))


def numbers(w: np.ndarray, b: np.ndarray, x: np.ndarray) -> Stepper:
    weights = [[cr.variable(value) for value in row] for row in w]
    bias = [cr.variable(value) for value in b]
    inputs = [cr.constant(value) for value in x]
    score = None
    for row, shift in zip(weights, bias, strict=True):
        total: cr.Node = shift
        for weight, value in zip(row, inputs, strict=True):
            total = total + weight * value
        unit = cr.tanh(total)
        score = unit if score is None else score + unit
    leaves = [weight for row in weights for weight in row] + bias
    return Stepper(cr.gradients(score, leaves))


def best(run: Callable[[], object], repeats: int) -> float:
    found = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        found.append(time.perf_counter() - began)
    return min(found)


def main() -> None:
    print(machine())
    print(f"{'layer':>9}  {'by element':>12}  {'vectorised':>12}  {'ratio':>8}")
    rng = np.random.default_rng(0)
    for size in (4, 16, 64, 128):
        w, b, x = rng.normal(size=(size, size)) / size, rng.normal(size=size), rng.normal(size=size)
        fast, slow = arrays(w, b, x), numbers(w, b, x)
        by_array, by_number = fast.run({}), slow.run({})
        flat = np.concatenate([part.reshape(-1) for part in by_array])
        np.testing.assert_allclose(flat, np.array(by_number), rtol=1e-9, atol=1e-12)
        slow_time, fast_time = best(partial(slow.run, {}), 3), best(partial(fast.run, {}), 50)
        print(
            f"{f'{size}×{size}':>9}  {slow_time * 1e3:>9.2f} ms  {fast_time * 1e3:>9.4f} ms  "
            f"{slow_time / fast_time:>7.0f}×"
        )


if __name__ == "__main__":
    main()
