from __future__ import annotations

import contextlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.cli.bindings import read_binding
from chainrule.cli.expressions import FUNCTIONS, ExpressionError, read_expression


@pytest.mark.parametrize(
    ("text", "values", "value", "gradients"),
    [
        ("c*(a+2*b)", {"a": 3, "b": 1, "c": -2}, -10, [-2, -4, 5]),
        ("(x+y)*max(y,z)", {"x": 1, "y": 2, "z": 0}, 6, [2, 5, 0]),
        ("(a*b+1)*(a*b+2)", {"a": 2, "b": 3}, 56, [45, 30]),
        ("exp((2*x)*x**2)", {"x": 0.5}, math.exp(0.25), [6 * 0.25 * math.exp(0.25)]),
        ("x**3", {"x": 4}, 64, [48]),
        ("-x/4 + +1", {"x": 2}, 0.5, [-0.25]),
        ("d = 2*b; e = a + d\nc*e", {"a": 3, "b": 1, "c": -2}, -10, [-2, -4, 5]),
        ("ln(x)", {"x": 2}, math.log(2), [0.5]),
        ("σ(x)", {"x": 0}, 0.5, [0.25]),
        ("pick(x, 1)", {"x": [4, 5, 6]}, 5, [[0, 1, 0]]),
        ("x[-1]*x[0]", {"x": [4, 5, 6]}, 24, [[6, 0, 4]]),
        ("sum(x[1:])", {"x": [4, 5, 6]}, 11, [[0, 1, 1]]),
        ("dot(x, [1, 10, 100])", {"x": [1, 2, 3]}, 321, [[1, 10, 100]]),
        ("sum(x @ [[1, 2], [3, 4]])", {"x": [1, 1]}, 10, [[3, 7]]),
        ("sum([a, b]**2)", {"a": 1, "b": 2}, 5, [2, 4]),
        ("max(x)", {"x": [1, 3, 3]}, 3, [[0, 1, 0]]),
        ("sum(max(x, axis=1, keepdims=True))", {"x": [[1, 2], [4, 3]]}, 6, [[[0, 1], [1, 0]]]),
        ("where(x > 0, x, 2*x)", {"x": -3}, -6, [2]),
        ("mean(x)", {"x": [1, 2, 3, 4]}, 2.5, [[0.25] * 4]),
    ],
)
def test_values_and_gradients(
    text: str, values: dict[str, object], value: float, gradients: list[object]
) -> None:
    found = read_expression(text, values)
    assert float(found.output) == pytest.approx(value, rel=1e-14)
    assert list(found.variables) == list(values)
    slopes = cr.gradients(found.output, list(found.variables.values()))
    for slope, expected in zip(slopes, gradients, strict=True):
        np.testing.assert_allclose(slope.value, expected, rtol=1e-14)


def test_results_keep_the_names_they_were_given() -> None:
    output = read_expression("d = 2*b; L = d + 1", {"b": 1}).output
    assert (output.name, output.inputs[0].name) == ("L", "d")


def test_a_power_tower_is_a_float_and_not_a_number_of_a_billion_digits() -> None:
    assert float(read_expression("9**9**9", {}).output) == math.inf


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_can_be_called(name: str) -> None:
    arguments = {1: "x", 2: "x, x", 3: "x > 0, x, x"}[FUNCTIONS[name].least]
    special = {
        "pick": "x, 0",
        "outer": "x, x",
        "cross_entropy": "x, 1",
        "clip": "x, 0.1, 0.4",
        "transpose": "[x, x]",
    }
    output = read_expression(f"sum({name}({special.get(name, arguments)}))", {"x": [0.25, 0.5]}).output
    assert np.isfinite(float(output))


ERRORS: list[tuple[str, dict[str, object], str]] = [
    (
        "c*(a+2*d)",
        {"a": 3, "b": 1, "c": -2},
        "'d' has no value\n  c*(a+2*d)\n         ^\n  mend:  give it a value: d=1",
    ),
    ("a*(b", {}, "this cannot be read: '(' was never closed\n  a*(b\n    ^"),
    ("a b", {}, "this cannot be read: invalid syntax\n  a b\n    ^"),
    ("x.real", {"x": 1}, "an attribute (a dot and a name) cannot stand in an expression\n  x.real\n  ^"),
    (
        "sun(x)",
        {"x": 1},
        "there is no function 'sun'\n  sun(x)\n  ^\n  mend:  did you mean sum or sin?",
    ),
    ("2*exp(x, x)", {"x": 1}, "exp takes 1 argument(s), not 2\n  2*exp(x, x)\n    ^"),
    (
        "sum(x, axes=0)",
        {"x": [1]},
        "sum has no option 'axes'\n  sum(x, axes=0)\n              ^\n"
        "  mend:  its options are: axis, keepdims",
    ),
    (
        "exp(x, axis=0)",
        {"x": [1]},
        "exp has no option 'axis'\n  exp(x, axis=0)\n              ^\n  mend:  exp takes none",
    ),
    ("sum(x, axis=0.5)", {"x": [1]}, "axis is a whole number\n  sum(x, axis=0.5)\n              ^"),
    ("x[0.5]", {"x": [1]}, "an index is a whole number\n  x[0.5]\n    ^"),
    ("ä + b", {"ä": 1}, "'b' has no value\n  ä + b\n      ^\n  mend:  give it a value: b=1"),
    ("x + 'a'", {"x": 1}, "'a' is no real number\n  x + 'a'\n      ^"),
    ("x + 1j", {"x": 1}, "1j is no real number\n  x + 1j\n      ^"),
    (
        "0 < x < 1",
        {"x": 1},
        "only a single comparison is known\n  0 < x < 1\n  ^\n  mend:  the signs are < <= > >= == !=",
    ),
    (
        "x % 2",
        {"x": 1},
        "this operator is not known\n  x % 2\n  ^\n  mend:  the operators are + - * / ** @",
    ),
    ("exp", {}, "'exp' has no value\n  exp\n  ^\n  mend:  write exp(…)"),
    ("x = 1; x", {"x": 1}, "'x' has a value already\n  x = 1; x\n  ^\n  mend:  choose another name"),
    (
        "x; x",
        {"x": 1},
        "only name = expression may stand before the last expression\n  x; x\n  ^\n"
        '  mend:  for example "d = 2*b; c*(a + d)"',
    ),
    ("x*2", {"x": 1, "y": 2}, "'y' has a value and is not in the expression"),
    (" ", {}, 'the expression is empty\n  mend:  for example: chainrule explain "x**3" x=4'),
    ("x" * 5000, {}, "the expression has 5,000 characters; 4,000 are read"),
    ("+".join("x" * 1000), {"x": 1}, "the expression has more than 1,000 parts"),
    (
        "x + outer(x, x)",
        {"x": [1.0] * 400},
        "an array of 160,000 numbers; 100,000 are the most\n  x + outer(x, x)\n      ^",
    ),
]


@pytest.mark.parametrize(("text", "values", "message"), ERRORS, ids=[text[:20] for text, _, _ in ERRORS])
def test_errors_point_at_the_column(text: str, values: dict[str, object], message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        read_expression(text, values)
    assert str(caught.value) == message
    assert caught.value.exit_code == 2


def test_errors_of_the_library_point_at_the_column_too() -> None:
    with pytest.raises(ExpressionError, match=r"lengths|length") as caught:
        read_expression("1 + x @ y", {"x": [1, 2], "y": [1, 2, 3]})
    assert "\n  1 + x @ y\n      ^" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "().__class__",
        "(lambda: 1)()",
        "[x for x in [1]]",
        "exp.__globals__",
        "f'{1}'",
        "open('x')",
        "x if 1 else 2",
        "x and x",
        "(y := 1)",
        "{1: 2}",
        "{1}",
        "...",
        "*x",
        "sum(*x)",
        "import os",
        "del x",
        "x += 1",
        "def f(): pass",
        "global x",
        "sum(x, **x)",
        "x.y = 1",
        "x[0] = 1",
        "x: 1 = 2",
        "await x",
        "(yield)",
        "'a' * 3",
        "not x",
        "~x",
    ],
)
def test_nothing_but_arithmetic_is_taken(text: str) -> None:
    with pytest.raises(ExpressionError):
        read_expression(text, {"x": [1.0]})


@pytest.mark.parametrize(
    "text", ["(" * 3000, "-" * 3000 + "1", "[" * 150 + "]" * 150, "1\x00", "9" * 4000, "((" * 90]
)
def test_deep_and_long_texts_are_refused_or_read(text: str) -> None:
    try:
        read_expression(text, {})
    except ExpressionError as error:
        assert len(str(error)) < 10_000  # noqa: PT017  # both outcomes are right, a crash is not


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet="xyσ0123456789.+-*/@()[]{},:;='\"_ \n#<>!~%&|^lambdaexpsum", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ExpressionError):
        assert read_expression(text, {"x": 1.5, "y": [1.0, 2.0]}).output.size >= 0


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("a=3", "a", 3.0),
        ("a = -0.5", "a", -0.5),
        ("w=[[1, 2], [-3, 4]]", "w", [[1.0, 2.0], [-3.0, 4.0]]),
        ("x=(1, 2)", "x", [1.0, 2.0]),
        ("x=1e3", "x", 1000.0),
        ("σ=+2", "σ", 2.0),
    ],
)
def test_bindings(text: str, name: str, value: object) -> None:
    assert read_binding(text) == (name, value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "'a' gives no value\n  mend:  write name=value, such as a=3 or x=[1,2]"),
        ("2=3", "'2=3' gives no value\n  mend:  write name=value, such as a=3 or x=[1,2]"),
        ("a=", "the value of a is no number\n  a=\n    ^\n  mend:  write 3, -0.5 or [1, 2]"),
        ("a=b", "this is no number\n  a=b\n    ^\n  mend:  write 3, -0.5 or [1, 2]"),
        ("a=[1, exp(2)]", "this is no number\n  a=[1, exp(2)]\n        ^\n  mend:  write 3, -0.5 or [1, 2]"),
        ("a=[[1], [2, 3]]", "the lists of a are not of equal length\n  a=[[1], [2, 3]]\n    ^"),
        ("a='x'", "this is no number\n  a='x'\n    ^\n  mend:  write 3, -0.5 or [1, 2]"),
    ],
)
def test_bindings_that_are_none(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        read_binding(text)
    assert str(caught.value) == message
