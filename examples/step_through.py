"""Both passes over L = c(a + 2b), one node at a time: the lecture's example, and one with a shared input."""

from __future__ import annotations

import chainrule as cr

# L = c(a + 2b) at a = 3, b = 1, c = -2, with names for what lies between.
a, b, c = cr.variable(3.0, name="a"), cr.variable(1.0, name="b"), cr.variable(-2.0, name="c")
d = (2 * b).named("d")
e = (a + d).named("e")
L = (c * e).named("L")

# Downwards, `value` is the forward pass.  Upwards, each node receives its upstream gradient, multiplies
# it by its local derivative, and passes the product on: L has 1, e has 1 × c, a has that × 1, and so on.
trace = cr.step_through(L)
print(trace)
# node  rule   value  upstream × local  gradient
# ──────────────────────────────────────────────
# c            -2     L: 1 × 5          5
# a            3      e: -2 × 1         -2
# 2            2
# b            1      d: -2 × 2         -4
# d     2 * b  2      e: -2 × 1         -2
# e     a + d  5      L: 1 × -2         -2
# L     c * e  -10                      1

# A trace is data: the backward pass in its order, with every product that was taken.
for step in trace.backward:
    for part in step.contributions:
        product = f"{part.upstream:g} × {part.local:g} = {part.downstream:g}"
        print(f"{step.node.label} ← {part.consumer.label}: {product}")
# e ← L: 1 × -2 = -2
# d ← e: -2 × 1 = -2
# b ← d: -2 × 2 = -4
# a ← e: -2 × 1 = -2
# c ← L: 1 × 5 = 5

# f = (x + y) · max(y, z): two nodes read y, so its gradient is the sum of what comes back from both.
x, y, z = cr.variable(1.0, name="x"), cr.variable(2.0, name="y"), cr.variable(0.0, name="z")
f = (x + y) * cr.maximum(y, z)
shared = cr.step_through(f)[y]
print(
    " + ".join(f"{part.downstream:g}" for part in shared.contributions), "=", f"{shared.gradient:g}"
)  # 3 + 2 = 5
print(*[f"{g.item():g}" for g in cr.evaluate(cr.gradients(f, [x, y, z]))])  # 2 5 0
