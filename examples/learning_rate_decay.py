"""Learning-rate decay: large steps first, to get near; small ones later, to stay."""

from __future__ import annotations

import numpy as np

import chainrule as cr

# A schedule is a function of the step's number, in graph; give it many to see its course.
steps = cr.constant(np.arange(0.0, 401.0, 100.0))
for name, schedule in {
    "constant": cr.optim.constant(0.4),
    "step_decay": cr.optim.step_decay(0.4, 0.5, every=100),
    "exponential": cr.optim.exponential(0.4, 0.5, every=100),
    "inverse_time": cr.optim.inverse_time(0.4, 0.05),
    "cosine": cr.optim.cosine(0.4, 400),
    "warmup": cr.optim.warmup(100, cr.optim.linear(0.4, 300)),
}.items():
    print(f"{name:12}", " ".join(f"{rate:.3f}" for rate in schedule(steps).value))
# constant     0.400 0.400 0.400 0.400 0.400
# step_decay   0.400 0.200 0.100 0.050 0.025
# exponential  0.400 0.200 0.100 0.050 0.025
# inverse_time 0.400 0.067 0.036 0.025 0.019
# cosine       0.400 0.341 0.200 0.059 0.000
# warmup       0.004 0.400 0.267 0.133 0.000

# What it is for: the mean of noisy numbers, found one number at a time (∇ of (w - x)²/2 is w - x).
numbers = np.random.default_rng(0).normal(3.0, 1.0, 400).astype("float32")
for name, schedule in {"constant": 0.4, "decaying": cr.optim.inverse_time(0.4, 0.4)}.items():
    w = cr.variable(0.0)

    def loss(x: cr.Node, mode: cr.nn.Mode, w: cr.Variable = w) -> cr.Node:
        return 0.5 * cr.sum(cr.square(w - x))

    step = cr.train.TrainingStep(loss, cr.optim.SGD([w], schedule))
    seen = []
    for x in numbers:
        step(x[None])
        seen.append(float(w))
    print(f"{name}: the last 100 estimates lie within {min(seen[-100:]):.1f} … {max(seen[-100:]):.1f}")
# constant: the last 100 estimates lie within 1.8 … 3.8
# decaying: the last 100 estimates lie within 2.9 … 3.0

# The other way to decay: when the validation score stops improving.
optimizer = cr.optim.SGD([cr.variable(1.0)], 0.4)
plateau = cr.optim.ReduceOnPlateau(optimizer, factor=0.5, patience=1)
for score in (1.0, 0.8, 0.81, 0.82, 0.7):
    plateau.observe(score)
    print(f"score {score}: the rate is now {optimizer.learning_rate().item():.1f}")
# score 1.0: the rate is now 0.4
# score 0.8: the rate is now 0.4
# score 0.81: the rate is now 0.4
# score 0.82: the rate is now 0.2
# score 0.7: the rate is now 0.2
