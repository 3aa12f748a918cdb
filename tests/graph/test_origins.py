"""Where nodes say they were written."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule import ops
from chainrule.graph import current_module, module_scope, substitute, topological
from chainrule.graph.origins import Origin

HERE = Path(__file__).name


def line() -> int:
    """The line this is called from."""
    return inspect.currentframe().f_back.f_lineno  # type: ignore[union-attr]


def test_a_node_points_at_the_line_that_wrote_it() -> None:
    x = cr.placeholder((2,))
    node, here = cr.tanh(x) * 2, line()
    assert (Path(node.origin.filename).name, node.origin.line) == (HERE, here)
    assert node.inputs[0].origin.line == here
    assert str(node.origin).endswith(f"{HERE}:{here}")


def test_also_inside_lambdas_and_composed_functions() -> None:
    x = cr.placeholder((2, 3))
    double, here = (lambda y: y + y), line()
    assert double(x).origin.line == here
    spread, here = cr.std(x, axis=1), line()
    assert {node.origin.line for node in topological([spread]) if node.inputs} == {here}


def test_each_line_of_a_long_expression_is_told_apart() -> None:
    x = cr.placeholder(())
    first = line() + 2
    node = (
        cr.sin(x)
        + cr.cos(
            x * 3
        )
    )  # fmt: skip
    sin, cos = node.inputs
    assert (sin.origin.line, cos.origin.line) == (first, first + 1)


def test_the_first_line_that_wrote_a_node_stands() -> None:
    x = cr.placeholder(())
    first, here = cr.sin(x), line()
    assert cr.sin(x) is first
    assert first.origin.line == here


def test_gradients_point_at_what_they_are_the_gradient_of() -> None:
    x = cr.placeholder((3,))
    h, here = cr.tanh(x), line()
    gradient = cr.gradients(cr.sum(h * h * h), x)
    told = {str(node.origin) for node in topological([gradient]) if node.inputs}
    place = next(text for text in told if "gradient of tanh" in text)
    assert place.endswith(f"{HERE}:{here} (gradient of tanh)")
    assert any("gradient of multiply" in text for text in told)


def test_the_gradient_of_a_gradient_keeps_the_first_reason() -> None:
    x = cr.placeholder(())
    second = cr.gradients(cr.gradients(cr.exp(2 * x), x), x)
    assert all("gradient of gradient" not in str(node.origin) for node in topological([second]))


def test_module_scopes_nest() -> None:
    x = cr.placeholder(())
    with module_scope("encoder"):
        assert current_module() == "encoder"
        with module_scope("layers.0"):
            inner = cr.sin(x)
        outer = cr.cos(x)
    assert inner.origin.module == "encoder.layers.0"
    assert outer.origin.module == "encoder"
    assert " in encoder.layers.0" in str(inner.origin)
    assert current_module() == ""
    gradient = cr.gradients(inner, x)
    assert gradient.origin.module == "encoder.layers.0"


def test_a_scope_is_left_when_its_body_fails() -> None:
    try:
        with module_scope("doomed"):
            raise KeyError
    except KeyError:
        pass
    assert current_module() == ""


def test_substituted_and_expanded_nodes_keep_name_and_place() -> None:
    x, y = cr.placeholder((2, 3)), cr.placeholder((2, 3))
    hidden, here = cr.tanh(x).named("hidden"), line()
    moved = substitute([hidden * 5], {x: y})[0].inputs[0]
    assert moved.inputs == (y,)
    assert (moved.name, moved.origin.line) == ("hidden", here)
    traced, here = cr.einsum("ij,kj->ik", x, y), line()
    opened = ops.expand([traced])[0]
    assert opened.origin.line == here
    assert "in einsum" in str(opened.origin)


def test_an_unknown_place_has_a_text() -> None:
    assert str(Origin(None, 0)) == "<unknown>:0"


def test_nodes_of_code_without_a_file_say_so() -> None:
    space = {"cr": cr}
    exec(compile("\n\nnode = cr.sin(cr.placeholder(()))", "<string>", "exec"), space)
    assert str(space["node"].origin) == "<string>:3"


def test_a_loop_of_many_nodes_shares_one_origin() -> None:
    h = cr.variable(np.ones(1))
    found = set()
    for _ in range(50):
        h = cr.sin(h)
        found.add(id(h.origin))
    assert len(found) == 1
