"""Momentum: v = γv + η·∇J, θ = θ - v.  Across a ravine steps cancel, along it they add up."""

from __future__ import annotations

import chainrule as cr

# A ravine: steep in one direction, nearly flat in the other.  Its lowest place is (0, 0).
SHAPE = cr.constant([1.0, 40.0])


def walk(make: type[cr.optim.Optimizer], steps: int, **options: float) -> list[tuple[float, float]]:
    theta = cr.variable([10.0, 1.0], name="theta")
    loss = 0.5 * cr.sum(SHAPE * theta * theta)
    step = cr.Program([], [loss], make([theta], 0.03, **options).updates(loss))
    path = []
    for _ in range(steps):
        step()
        path.append((float(theta.array[0]), float(theta.array[1])))
    return path


# After 10, 20, … 60 steps.  Alone, the gradient crawls along the flat direction, and a rate of 0.05 would
# make the steep one fly apart.
for name, make, options in [
    ("sgd", cr.optim.SGD, {}),
    ("momentum", cr.optim.Momentum, {"momentum": 0.8}),
    ("nesterov", cr.optim.Nesterov, {"momentum": 0.8}),
]:
    path = walk(make, 60, **options)
    print(f"{name:9}", "  ".join(f"({a:5.2f}, {b:5.2f})" for a, b in path[9:60:10]))
# sgd       ( 7.37,  0.00)  ( 5.44,  0.00)  ( 4.01,  0.00)  ( 2.96,  0.00)  ( 2.18,  0.00)  ( 1.61,  0.00)
# momentum  ( 2.52,  0.37)  (-0.88,  0.12)  (-0.34,  0.04)  ( 0.07,  0.01)  ( 0.04,  0.00)  (-0.00,  0.00)
# nesterov  ( 2.34,  0.01)  (-0.49,  0.00)  (-0.25,  0.00)  ( 0.01,  0.00)  ( 0.02,  0.00)  ( 0.00,  0.00)

# The velocity by hand, the first two steps in the flat direction: ∇J = θ₁.
theta, velocity = 10.0, 0.0
for _ in range(2):
    velocity = 0.8 * velocity + 0.03 * theta
    theta = theta - velocity
print(f"{theta:.4f} {walk(cr.optim.Momentum, 2, momentum=0.8)[1][0]:.4f}")  # 9.1690 9.1690
