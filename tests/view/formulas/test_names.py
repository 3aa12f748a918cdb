"""Names that users give come out whole in every form, whatever they hold; numbers read as numbers."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.view.formulas.test_rules import check_latex

from chainrule.view.formulas import Fraction, Power, Product, Sum, number, parse, symbol, with_numbers
from chainrule.view.formulas.tidy import tidy
from chainrule.view.formulas.tree import Transpose


@settings(deadline=None, max_examples=150)
@given(st.text(min_size=1, max_size=12), st.integers(0, 2))
@example("<script>alert(1)</script>", 1)
@example("\\input{secret}", 0)
@example("a&b", 2)
@example("layers.0.weight", 2)
@example("%4", 0)
@example("x_", 1)
@example("__", 0)
@example("⁽¹⁾", 1)
@example("δ⁽¹⁰⁾", 1)
@example("W_xh", 2)
def test_any_name(name: str, ndim: int) -> None:
    x = symbol(name, ndim)
    for formula in (x, Transpose(x), Power(x, number(2)), Product((x, Fraction(x, x)))):
        element = ET.fromstring(formula.mathml())
        assert not {e.tag for e in element.iter()} & {"script", "b", "a", "img"}
        check_latex(formula.latex())
        assert name in formula.text()


@pytest.mark.parametrize(
    ("name", "latex"),
    [
        ("x", "x"), ("W1", "W_{1}"), ("W_xh", "W_{\\text{xh}}"), ("δ⁽²⁾", "\\delta^{(2)}"), ("ȳ", "\\bar{y}"),
        ("p̂", "\\hat{p}"), ("z₁", "z_{1}"), ("loss", "\\mathit{loss}"), ("W⁽ˡ⁺¹⁾", "W^{(\\ell+1)}"),
        ("%4", "\\text{\\%4}"), ("h_0", "h_{0}"), ("s_c", "s_{c}"),
    ],
)  # fmt: skip
def test_parts_of_names(name: str, latex: str) -> None:
    assert symbol(name).latex() == latex


@pytest.mark.parametrize(
    ("value", "text", "latex"),
    [
        (0.5, "0.5", "0.5"), (-2.0, "−2", "-2"), (1e-5, "1e−05", "10^{-5}"),
        (2.5e-9, "2.5e−09", "2.5 \\cdot 10^{-9}"),
        (np.float32(0.1), "0.1", "0.1"), (np.inf, "∞", "\\infty"), (-np.inf, "−∞", "-\\infty"),
        (np.nan, "NaN", "\\text{NaN}"), (3, "3", "3"), (True, "true", "\\text{true}"),
        (1e22, "1e+22", "10^{22}"),
    ],
)  # fmt: skip
def test_numbers(value: float, text: str, latex: str) -> None:
    formula = number(value)
    assert (formula.text(), formula.latex()) == (text, latex)
    assert ET.fromstring(formula.mathml()).tag == "math"


def test_with_numbers() -> None:
    rule = Product((symbol("ȳ", 1), Sum((number(1), Power(symbol("h", 1), number(2))), (1, -1))))
    short = with_numbers(rule, {"ȳ": np.array([1.0, -2.0]), "h": np.array([0.123456, 0.5])})
    assert short.text() == "[1, −2] ⊙ (1 − [0.1235, 0.5]²)"
    assert with_numbers(rule, {"h": np.zeros(5)}).text() == "ȳ ⊙ (1 − h²)"
    assert (
        with_numbers(symbol("W", 2), {"W": np.array([[1.0, 2.0], [3.0, 4.0]])}).text() == "[[1, 2], [3, 4]]"
    )


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        ("{x} ** {y} ** 2", "{x}^({y}²)"), ("-{x} ** 2", "−{x}²"), ("({x} + 1) * 2", "({x} + 1)·2"),
        ("{x} - ({y} - 1)", "{x} − ({y} − 1)"), ("{x} / {y} / 2", "{x} / {y} / 2"),
        ("{x} / ({y} / 2)", "{x} / ({y} / 2)"), ("max(0, {x})", "max(0, {x})"),
        ("|{x}| + ⌊{y}⌋", "|{x}| + ⌊{y}⌋"),
        ("not {x} and {y}", "¬{x} ∧ {y}"), ("√({x} + 1)", "√({x} + 1)"), ("{x}ᵀ @ {y}", "{x}ᵀ {y}"),
        ("{x}[{y}]²", "{x}[{y}]²"), ("{x} > 0 or {y} <= 1", "{x} > 0 ∨ {y} ≤ 1"), ("1e-3 * {x}", "0.001·{x}"),
    ],
)  # fmt: skip
def test_formulas_of_ops_keep_their_structure(formula: str, text: str) -> None:
    found = parse(formula)
    assert found is not None
    assert found.text() == text


@pytest.mark.parametrize("words", ["the {x} before", "{x} +", "({x}", "{x} ? {y}", "", "max {x}", "{x}}"])
def test_words_are_no_formula(words: str) -> None:
    assert parse(words) is None


@pytest.mark.parametrize(
    ("scale", "text"),
    [
        (2 / 3, "2·x / 3"), (0.25, "x / 4"), (0.3, "0.3·x"), (-1.5, "−1.5·x"), (np.inf, "∞·x"),
        (1 / 3e4, "x / 30000"),
        (2 / np.sqrt(np.pi), "2·x / √π"), (np.sqrt(2 / np.pi), "√(2 / π)·x"), (1 / np.log(2), "x / log(2)"),
        (3.14159, "3.14159·x"), (0.0, "0"), (np.float32(1 / 7), "x / 7"),
    ],
)  # fmt: skip
def test_numbers_of_products(scale: float, text: str) -> None:
    assert tidy(Product((number(scale), symbol("x", 1)))).text() == text
