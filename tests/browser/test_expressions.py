"""What a reader types is read without eval, as numbers, expressions, vectors and matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from .modules import open_modules

pytestmark = pytest.mark.browser


_SCRIPT = """
import { read } from "chainrule/expressions";

window.understood = (text) => {
  try {
    const { shape, data } = read(text);
    return { shape, data: data.map(String) };
  } catch (error) {
    return { error: error.message, kind: error.constructor.name };
  }
};
"""


@pytest.fixture(scope="module")
def modules(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    page = open_modules(browser, tmp_path_factory.mktemp("answers"), _SCRIPT)
    yield page
    page.close()


READ: list[tuple[str, list[int], list[float]]] = [
    ("1/3", [], [1 / 3]),
    ("-2*4", [], [-8]),
    ("−2·4", [], [-8]),
    ("2 ^ -1", [], [0.5]),
    ("-2**2", [], [-4]),
    ("2**3**2", [], [512]),
    ("2²", [], [4]),
    ("2⁻¹", [], [0.5]),
    ("2¹⁰", [], [1024]),
    ("½", [], [0.5]),
    ("1½", [], [1.5]),
    ("-2¾", [], [-2.75]),
    ("⅓ ⅞", [2], [1 / 3, 7 / 8]),
    ("2 ½", [2], [2, 0.5]),
    ("4^½", [], [2]),
    ("１２", [], [12]),
    ("1e-999", [], [0]),
    ("1,5", [2], [1, 5]),
    ("1e-3", [], [0.001]),
    (".5", [], [0.5]),
    ("--2", [], [2]),
    ("8/2/2", [], [2]),
    ("2-3-4", [], [-5]),
    ("√2/2", [], [np.sqrt(2) / 2]),
    ("exp(1) - e", [], [0]),
    ("σ(0)", [], [0.5]),
    ("max(1, 2)", [], [2]),
    ("-inf", [], [-np.inf]),
    ("NaN", [], [np.nan]),
    ("[1, 2, 3]", [3], [1, 2, 3]),
    ("1 2 3", [3], [1, 2, 3]),
    ("1, 2, 3", [3], [1, 2, 3]),
    ("1 -2", [2], [1, -2]),
    ("1 - 2", [], [-1]),
    ("1 - 2 -3", [2], [-1, -3]),
    ("1/2 (1+1)", [2], [0.5, 2]),
    ("[5]", [1], [5]),
    ("[[1, 2], [3, 4]]", [2, 2], [1, 2, 3, 4]),
    ("[1 2; 3 4]", [2, 2], [1, 2, 3, 4]),
    ("1 2\n3 4", [2, 2], [1, 2, 3, 4]),
    ("1; 2", [2, 1], [1, 2]),
]

NOT_READ = {
    "": "nothing is written yet",
    "   ": "nothing is written yet",
    "x": "“x” has no value here",
    "alert(1)": "“alert” has no value here",
    "constructor": "“constructor” has no value here",
    "__proto__": "“_” is not understood",
    "1 +": "missing at the end",
    "(1": "a “)” is missing at the end",
    "[1, 2": "a “]” is missing at the end",
    "2(3)": "a sign is missing between “2” and “(”",
    "1e": "a sign is missing between “1” and “e”",
    "1.5½": "a sign is missing between “1.5” and “(”",
    "1e999": "1e999 is larger than any number here",
    "-1e999": "1e999 is larger than any number here",
    "[]": "there is no number in it",
    " [ ; ] ": "there is no number in it",
    "😀": "“😀” is not understood",
    "[[1, 2], [3]]": "not of equal length",
    "1]": "“]” is not understood",
    "(" * 200: "too many brackets",
    "-" * 200 + "1": "too many signs",
    "1" * 5000: "too long",
    "${1}": "“$” is not understood",
}


@pytest.mark.parametrize(("text", "shape", "data"), READ, ids=[text for text, *_ in READ])
def test_numbers_expressions_vectors_and_matrices_are_read(
    modules: Any, text: str, shape: list[int], data: list[float]
) -> None:
    found = modules.evaluate("(text) => understood(text)", text)
    assert found.get("shape") == shape, found
    values = [float(number.replace("Infinity", "inf")) for number in found["data"]]
    np.testing.assert_allclose(values, data, rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("text", NOT_READ, ids=[repr(text[:20]) for text in NOT_READ])
def test_what_cannot_be_read_is_said_in_words(modules: Any, text: str) -> None:
    found = modules.evaluate("(text) => understood(text)", text)
    assert found.get("kind") == "NotUnderstood", found
    assert NOT_READ[text] in found["error"]


def test_any_text_is_read_or_refused_in_words(modules: Any) -> None:
    rng = np.random.default_rng(0)
    pieces = [
        *"0123456789.eE+-*/^()[],;√σπ∞²⁻½１−· \n",
        "**",
        "max(",
        "exp(",
        "inf",
        "nan",
        "1e9",
        "toString",
        "x",
    ]
    texts = ["".join(rng.choice(pieces, rng.integers(1, 14))) for _ in range(4000)]
    found = modules.evaluate("(texts) => texts.map(understood)", texts)
    for text, one in zip(texts, found, strict=True):
        assert (
            one.get("kind") == "NotUnderstood"
            if "error" in one
            else np.prod(one["shape"]) == len(one["data"])
        ), text
    assert sum("error" not in one for one in found) > 100


def expression(rng: np.random.Generator, depth: int) -> str:
    """A random expression that Python reads as the page does."""
    if depth == 0 or rng.random() < 0.2:
        return str(rng.choice(["1", "2.5", "0.125", "3e-1", "7"]))
    left, right = expression(rng, depth - 1), expression(rng, depth - 1)
    sign = rng.choice(["+", "-", "*", "/", " + ", " - ", " * "])
    forms = [f"{left}{sign}{right}", f"({left}{sign}{right})", f"-({left})", f"({left})**2", f"-{left}"]
    return str(rng.choice(forms))


def test_expressions_have_the_value_that_python_gives_them(modules: Any) -> None:
    rng = np.random.default_rng(1)
    texts = [expression(rng, 4) for _ in range(500)]
    wanted = []
    for text in texts:
        try:
            wanted.append(float(eval(text, {"__builtins__": {}})))
        except (ZeroDivisionError, OverflowError):
            wanted.append(None)
    found = modules.evaluate("(texts) => texts.map(understood)", texts)
    compared = 0
    for text, one, value in zip(texts, found, wanted, strict=True):
        if value is not None:
            assert one.get("shape") == [], (text, one)
            assert float(one["data"][0]) == pytest.approx(value, rel=1e-12), text
            compared += 1
    assert compared > 450
