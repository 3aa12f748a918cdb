"""An op of one's own: two methods, a check, and what the check says when the derivative is wrong."""

from __future__ import annotations

import chainrule as cr


class Swish(cr.Elementwise):
    """x·σ(βx), with a slope β that can be learned."""

    formula = "swish({x}, {y})"

    def forward(self, xp, x, beta):
        return x / (1 + xp.exp(-beta * x))

    def vjp(self, ct, out, x, beta):
        s = cr.sigmoid(beta * x)
        slope = s * (1 - s)
        return ct * (s + beta * x * slope), ct * x * x * slope


swish = cr.define_op(Swish)

# It broadcasts, has a place in pictures and tables, and its derivatives are right, the second ones too.
x, beta = cr.variable([-1.0, 0.5, 2.0], name="x"), cr.variable(1.5, name="β")
print(swish(x, beta).value.round(4))  # [-0.1824  0.3396  1.9051]
report = cr.check_gradients(swish, [-1.0, 0.5, 2.0], 1.5, order=2)
print(len(report.entries), report.worst.difference < 1e-6)  # 28 True

# Written in graph ops, the derivative is graph too: it can be differentiated again, drawn, compiled.
print(cr.hessian(lambda b: cr.sum(swish(x, b)))(1.5).round(4))  # -0.4316


class Wrong(Swish):
    """The same, with σ' taken for σ(1 + σ)."""

    name = "wrong_swish"

    def vjp(self, ct, out, x, beta):
        s = cr.sigmoid(beta * x)
        slope = s * (1 + s)
        return ct * (s + beta * x * slope), ct * x * x * slope


wrong = cr.define_op(Wrong)


def network(x: cr.Node, beta: cr.Node) -> cr.Node:
    return cr.sum(cr.tanh(wrong(x, beta)))


# The check names the op, the input and the entry, with both values.
try:
    cr.check_gradients(network, [-1.0, 0.5, 2.0], 1.5)
except cr.errors.GradientCheckError as error:
    print(error.what)
    # the derivative rule of 'wrong_swish' is wrong
    #   wrong_swish, input 0 (x, shape (3,)), entry [0], whose value is -1: derivative of output entry [0]
    #     analytic -0.1411313695   numerical -0.04129415431   ratio 3.41771
    #   smallest failing shapes: x (1,), beta ()
    #     at x = [-1.], beta = 1.5
    #     the rule's Jacobian [[-0.1411,  0.2157]], by differences [[-0.0413,  0.1491]]
    # seen from outside (first derivatives):
    #   derivative of  with respect to   at       analytic      numerical  difference
    #   network        x[0]              -1  -0.1365369187  -0.0399498468     9.7e-02
    #   network        x[1]             0.5    1.370329076   0.7524405437     4.5e-01
    #   network        x[2]               2   0.5537653606  0.09223963041     4.6e-01
    #   network        beta             1.5    1.093976595   0.2082547296     8.1e-01
