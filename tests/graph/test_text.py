"""The text form of graphs, letter by letter."""

from __future__ import annotations

import chainrule as cr
from chainrule.graph import format_graph


def test_a_network_in_text() -> None:
    x = cr.placeholder((4, 3), name="x")
    w, b = cr.variable([[1.0] * 2] * 3, name="W"), cr.variable([0.0, 0.0], name="b")
    h = cr.tanh(x @ w + b).named("hidden")
    loss = cr.mean(cr.sum(h * h, axis=1))
    assert format_graph(loss, origins=False) == (
        "%0 = placeholder x       (4, 3)  float32\n"
        "%1 = variable W          (3, 2)  float32\n"
        "%2 = matmul(%0, %1)      (4, 2)  float32\n"
        "%3 = variable b          (2,)    float32\n"
        "%4 = add(%2, %3)         (4, 2)  float32\n"
        "%5 = tanh(%4)  # hidden  (4, 2)  float32\n"
        "%6 = multiply(%5, %5)    (4, 2)  float32\n"
        "%7 = sum(%6, axis=(1,))  (4,)    float32\n"
        "%8 = sum(%7, axis=(0,))  ()      float32\n"
        "%9 = constant 4.0        ()      float32\n"
        "%10 = divide(%8, %9)     ()      float32"
    )


def test_several_outputs_share_their_lines() -> None:
    x = cr.placeholder((), name="x")
    text = format_graph([cr.sin(x), cr.cos(x)], origins=False)
    assert text == (
        "%0 = placeholder x  ()  float32\n"
        "%1 = sin(%0)        ()  float32\n"
        "%2 = cos(%0)        ()  float32"
    )  # fmt: skip


def test_origins_stand_last() -> None:
    node = cr.sin(cr.placeholder((), name="x"))
    assert all(
        line.rsplit("  ", 1)[1].startswith(node.origin.place[:8]) for line in format_graph(node).splitlines()
    )
    assert format_graph([]) == ""
