"""A wrong answer is told in which way it is wrong, and a question hides what would answer it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.view.page import decode, explain

from .modules import open_modules

pytestmark = pytest.mark.browser


_SCRIPT = """
import { diagnose } from "chainrule/diagnoses";
import { read } from "chainrule/expressions";
import { places, run } from "chainrule/interpreter";
import { hidden, hints, parsed, prompt } from "chainrule/questions";
import { Store } from "chainrule/store";

const looking = (record) => {
  const shown = places(record.program, run(record.program));
  return (place) => shown.get(place) ?? null;
};
window.verdict = (record, text, answer) => {
  const { place, entry } = parsed(text);
  return diagnose(record, place, looking(record), read(answer), entry);
};
window.askedOfRecord = (record, text) => {
  const store = new Store(record);
  return hints(record, parsed(text), (place) => store.tensor(place));
};
window.asked = (record, text) => ({
  prompt: prompt(record, parsed(text), looking(record)),
  hints: hints(record, parsed(text), looking(record)),
  hidden: [...hidden(record, parsed(text))].sort(),
});
"""


@pytest.fixture(scope="module")
def modules(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    page = open_modules(browser, tmp_path_factory.mktemp("answers"), _SCRIPT)
    yield page
    page.close()


# -- graphs, and the answers to them -----------------------------------------------------------------


def fork() -> cr.Node:
    """f = (x + y)·max(y, z) at (1, 2, 0): a = 3, b = 2, f = 6; the gradient is (2, 5, 0)."""
    x, y, z = (cr.variable(value, name=name) for name, value in [("x", 1.0), ("y", 2.0), ("z", 0.0)])
    return ((x + y).named("a") * cr.maximum(y, z).named("b")).named("f")


def chain() -> cr.Node:
    """L = c(a + 2b) at a = 3, b = 1, c = −2: the gradient is (−2, −4, 5)."""
    a, b, c = (cr.variable(value, name=name) for name, value in [("a", 3.0), ("b", 1.0), ("c", -2.0)])
    d = (2 * b).named("d")
    return (c * (a + d).named("e")).named("L")


def layer() -> cr.Node:
    """L = mean((x W + k)²), x of shape (2, 3), W of (3, 2), k of (2,)."""
    x = cr.constant(np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 3.0]])).named("x")
    w = cr.variable(np.array([[1.0, -1.0], [0.5, 2.0], [0.0, 1.0]]), name="W")
    k = cr.variable(np.array([0.25, -0.5]), name="k")
    h = ((x @ w).named("p") + k).named("h")
    return cr.mean(cr.square(h).named("s")).named("L")


def square() -> cr.Node:
    """L = Σ tanh(A B) for square matrices."""
    a = cr.variable(np.array([[0.5, -1.0], [0.25, 2.0]]), name="A")
    b = cr.variable(np.array([[1.0, 0.5], [-0.5, 0.75]]), name="B")
    weights = cr.constant(np.array([[1.0, 3.0], [-2.0, 0.5]]))
    return cr.sum(cr.tanh((a @ b).named("C")).named("T") * weights).named("L")


GRAPHS: dict[str, Callable[[], cr.Node]] = {"fork": fork, "chain": chain, "layer": layer, "square": square}
_RECORDS: dict[str, dict[str, Any]] = {}


def record_of(name: str) -> dict[str, Any]:
    if name not in _RECORDS:
        _RECORDS[name] = explain(GRAPHS[name](), check=False).record
    return _RECORDS[name]


def numbered(record: dict[str, Any], place: str) -> str:
    """ "gradient:y" or "local:y:a" (the term of y through a) with the numbers of the record."""
    body, at, entry = place.partition("@")
    kind, name, *through = body.split(":")
    ids = {node["name"]: node["id"] for node in record["nodes"] if node["name"]}
    found = f"{kind}:{ids[name]}"
    if through:
        terms = record["nodes"][ids[name]]["terms"]
        found += f":{[term['consumer'] for term in terms].index(ids[through[0]])}"
    return found + at + entry


def shown(array: Any) -> str:
    return str(np.asarray(array).tolist())


def gradients(name: str) -> dict[str, Any]:
    """The gradients of a graph's named nodes, by the library."""
    output = GRAPHS[name]()
    nodes = {node.name: node for node in cr.graph.topological([output]) if node.name}
    return {
        key: cr.gradients(output, node).value for key, node in nodes.items() if node.op.name != "constant"
    }


_L, _S = gradients("layer"), gradients("square")
_H = np.array([[2.25, 2.5], [0.75, 4.5]])  # x W + k
_T = 1 - np.tanh(np.array([[1.0, -0.5], [-0.75, 1.625]])) ** 2

VERDICTS: list[tuple[str, str, str, str]] = [
    ("fork", "gradient:y", "5", "right"),
    ("fork", "gradient:y", "2 + 3*1", "right"),
    ("fork", "gradient:y", "10/2", "right"),
    ("fork", "gradient:y", "4.999", "right"),
    ("fork", "gradient:y", "5.004", "right"),  # 5.00 when rounded
    ("fork", "gradient:y", "5.02", "close"),
    ("fork", "gradient:y", "inf", "not finite"),
    ("fork", "gradient:y", "0/0", "not finite"),
    ("layer", "gradient:W", "1 2; 3 nan; 0 0", "not finite"),
    ("fork", "gradient:y", "6", "another node"),  # the value of f
    ("fork", "gradient:y", "[5]", "right"),
    ("fork", "gradient:y", "-5", "sign"),
    ("fork", "gradient:y", "3", "missing branch"),
    ("fork", "gradient:y", "2", "missing branch"),
    ("fork", "gradient:y", "1", "sign"),  # the term through b taken from the one through a
    ("fork", "gradient:y", "4", "upstream forgotten"),  # in one of the two terms
    ("fork", "gradient:y", "5.1", "close"),
    ("fork", "gradient:y", "2.5", "factor"),
    ("fork", "gradient:y", "17", "wrong"),
    ("fork", "gradient:y", "1 2", "shape"),
    ("fork", "gradient:x", "2", "right"),
    ("fork", "gradient:x", "1", "upstream forgotten"),
    ("fork", "gradient:a", "2", "right"),
    ("fork", "gradient:a", "3", "value for gradient"),
    ("fork", "gradient:z", "0", "right"),
    ("fork", "gradient:z", "3", "local forgotten"),
    ("fork", "value:a", "3", "right"),
    ("fork", "value:a", "2", "another operation"),
    ("fork", "value:b", "0", "another operation"),
    ("fork", "value:f", "5", "another operation"),
    ("fork", "value:f", "1", "gradient for value"),
    ("fork", "value:f", "3", "an input"),
    ("fork", "local:a:f", "2", "right"),
    ("fork", "local:a:f", "3", "other input"),
    ("fork", "local:a:f", "6", "value for derivative"),
    ("chain", "gradient:a", "-2", "right"),
    ("chain", "gradient:a", "2", "sign"),
    ("chain", "gradient:b", "-4", "right"),
    ("chain", "gradient:b", "2", "upstream forgotten"),
    ("chain", "gradient:b", "-2", "local forgotten"),
    ("chain", "gradient:b", "4", "sign"),
    ("chain", "gradient:d", "-4", "another node"),  # that of b, one step too far
    ("chain", "gradient:c", "5", "right"),
    ("chain", "gradient:c", "-2", "value for gradient"),
    ("chain", "local:b:d", "2", "right"),
    ("chain", "local:b:d", "-4", "upstream included"),
    ("chain", "local:b:d", "-2", "sign"),
    ("chain", "value:L", "10", "sign"),
    ("layer", "gradient:W", shown(_L["W"]), "right"),
    ("layer", "gradient:W", shown(_L["W"].T), "transpose"),
    ("layer", "gradient:W", shown(-_L["W"]), "sign"),
    ("layer", "gradient:W", shown(_L["W"] * 4), "sum instead of mean"),
    ("layer", "gradient:W", shown(_L["W"] / 4), "mean instead of sum"),
    ("layer", "gradient:W", shown(_L["W"] * 7), "factor"),
    ("layer", "gradient:W", "[[1, -1], [0.5, 2], [0, 1]]", "value for gradient"),
    ("layer", "gradient:W", shown(np.where(np.eye(3, 2) > 0, 9, _L["W"])), "some entries"),
    ("layer", "gradient:W@3", str(_L["W"][1, 1]), "right"),
    ("layer", "gradient:W@1", str(_L["W"][1, 0]), "transpose"),
    ("layer", "gradient:W@3", str(-_L["W"][1, 1]), "sign"),
    ("layer", "gradient:W@3", str(_L["W"][2, 1]), "another entry"),
    ("layer", "gradient:k", shown(_L["k"]), "right"),
    ("layer", "gradient:k", "; ".join(map(str, _L["k"])), "right"),  # a vector may be written as a column
    ("layer", "gradient:k", shown(_L["h"]), "not summed"),
    ("layer", "gradient:h", shown(_H / 2), "right"),
    ("layer", "gradient:h", shown(_H * 2), "upstream forgotten"),
    ("layer", "gradient:h", "[[0.25, 0.25], [0.25, 0.25]]", "local forgotten"),
    ("layer", "value:p", "[[1, 2], [3, 4], [5, 6]]", "shape"),
    ("square", "gradient:A", shown(_S["A"]), "right"),
    ("square", "gradient:A", shown(_S["A"].T), "transpose"),
    ("square", "value:C", "[[0.625, 0], [-0.0625, 2]]", "order"),
    ("square", "gradient:C", shown(_T), "upstream forgotten"),
    ("square", "gradient:C", "[[1, 3], [-2, 0.5]]", "local forgotten"),
    ("square", "local:C:T", shown(_T), "right"),
    ("square", "local:C:T", shown(np.tanh([[1.0, -0.5], [-0.75, 1.625]])), "value for derivative"),
]


@pytest.mark.parametrize(("graph", "place", "answer", "kind"), VERDICTS, ids=lambda part: part[:28])
def test_the_verdict_says_in_which_way(modules: Any, graph: str, place: str, answer: str, kind: str) -> None:
    record = record_of(graph)
    given = [record, numbered(record, place), answer]
    found = modules.evaluate("(given) => verdict(...given)", given)
    assert found["kind"] == kind, found
    assert found["right"] is (kind == "right")
    assert found["message"].endswith((".", "?"))


@pytest.mark.parametrize("graph", GRAPHS)
def test_every_value_gradient_and_local_derivative_is_right_as_recorded(modules: Any, graph: str) -> None:
    record = record_of(graph)
    for node in record["nodes"]:
        for place, number in [
            (f"value:{node['id']}", node["value"]),
            (f"gradient:{node['id']}", node["gradient"]),
        ]:
            if number is None or not node["dtype"].startswith("float"):
                continue
            answer = shown(decode(record["tensors"][number])[0])
            found = modules.evaluate("(given) => verdict(...given)", [record, place, answer])
            assert found["kind"] == "right", (place, found)


# -- what is asked -----------------------------------------------------------------------------------


def test_a_value_hides_what_is_computed_from_it_and_the_backward_pass(modules: Any) -> None:
    record = record_of("fork")
    ids = {node["name"]: node["id"] for node in record["nodes"] if node["name"]}
    hidden = set(modules.evaluate("(given) => asked(...given)", [record, f"value:{ids['a']}"])["hidden"])
    assert {f"value:{ids['a']}", f"value:{ids['f']}"} <= hidden
    assert not {f"value:{ids[name]}" for name in "xyzb"} & hidden
    assert {f"gradient:{number}" for number in ids.values()} <= hidden
    assert f"local:{ids['b']}:0" in hidden  # it is the value of a


def test_a_gradient_hides_what_comes_after_it_and_not_what_it_is_made_of(modules: Any) -> None:
    record = record_of("fork")
    ids = {node["name"]: node["id"] for node in record["nodes"] if node["name"]}
    asked = modules.evaluate("(given) => asked(...given)", [record, f"gradient:{ids['a']}"])
    hidden = set(asked["hidden"])
    assert asked["prompt"] == "What is ∂f/∂a, the gradient with respect to a?"
    assert {f"gradient:{ids['a']}", f"downstream:{ids['a']}:0", f"gradient:{ids['x']}"} <= hidden
    assert {f"upstream:{ids['x']}:0", f"upstream:{ids['y']}:0"} <= hidden  # both are the gradient of a
    assert not {f"upstream:{ids['a']}:0", f"local:{ids['a']}:0", f"gradient:{ids['b']}"} & hidden
    assert not any(place.startswith("value") for place in hidden)


def test_a_local_derivative_is_hidden_with_the_product_that_tells_it(modules: Any) -> None:
    record = record_of("chain")
    place = numbered(record, "local:b:d")
    ids = {node["name"]: node["id"] for node in record["nodes"] if node["name"]}
    hidden = set(modules.evaluate("(given) => asked(...given)", [record, place])["hidden"])
    assert hidden == {place, f"downstream:{ids['b']}:0", f"gradient:{ids['b']}"} | {
        item for item in hidden if item.endswith(":0") or item.startswith("gradient")
    }
    assert f"upstream:{ids['b']}:0" not in hidden


def test_hints_climb_from_words_to_numbers_to_the_answer(modules: Any) -> None:
    record = record_of("fork")
    hints = modules.evaluate("(given) => asked(...given)", [record, numbered(record, "gradient:y")])["hints"]
    assert len(hints) == 4
    assert "y is used 2 times, by b and a" in hints[0]
    assert "through a: ∂f/∂a" in hints[1]
    assert "through a: upstream 2 × local 1" in hints[2]
    assert "through b: upstream 3 × local 1" in hints[2]
    assert hints[3] == "The answer: 5."


def test_hints_about_an_entry_name_the_entries_that_it_reads(modules: Any) -> None:
    record = record_of("layer")
    hints = modules.evaluate("(given) => asked(...given)", [record, numbered(record, "value:p@1")])["hints"]
    # p = x W with x = [[1, 2, 0], …]: row 0 of x, column 1 of W.
    assert hints[2] == ("x[0, 0] = 1, x[0, 1] = 2, x[0, 2] = 0, W[0, 1] = −1, W[1, 1] = 2, W[2, 1] = 1.")
    assert hints[3] == "The answer: 3."
    hints = modules.evaluate("(given) => asked(...given)", [record, numbered(record, "gradient:h@1")])[
        "hints"
    ]
    assert hints[2] == "through s: upstream 0.25 × local 5."


def test_hints_do_without_what_the_record_has_cut(modules: Any) -> None:
    x = cr.constant(np.full((1, 300), 0.5)).named("x")
    h = (x @ cr.variable(np.ones((300, 300)), name="W")).named("h")
    record = explain(cr.sum(cr.tanh(h)).named("L"), check=False).record
    weights = next(node for node in record["nodes"] if node["name"] == "W")
    assert record["tensors"][weights["value"]]["rows"] is not None
    given = [record, numbered(record, "value:h@7")]
    assert modules.evaluate("(given) => askedOfRecord(...given)", given)[2:] == [
        "x = (1 × 300), W = (300 × 300).",
        "The answer: 150.",
    ]
