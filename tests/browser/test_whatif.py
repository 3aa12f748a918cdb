"""What if: other numbers in an input or a weight, and both passes anew, as the library computes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.view.page import decode, explain

from .modules import opened

pytestmark = pytest.mark.browser


def fork(x: float = 1.0, y: float = 2.0, z: float = 0.0) -> cr.Node:
    a, b, c = (cr.variable(value, name=name) for name, value in [("x", x), ("y", y), ("z", z)])
    return ((a + b).named("a") * cr.maximum(b, c).named("b")).named("f")


W = np.array([[0.5, -1.0, 0.25], [1.5, 0.75, -0.5]])


def layer(w: Any = W) -> cr.Node:
    x = cr.variable(np.array([[1.0, -2.0]]), name="x")
    return cr.nn.cross_entropy(cr.tanh(x @ cr.variable(w, name="W")), [1]).named("L")


def open_section(page: Any) -> None:
    page.locator("#section-whatif > summary").click()


def field(page: Any, name: str) -> Any:
    return page.get_by_role("textbox", name=name, exact=True)


def put(page: Any, name: str, text: str) -> None:
    field(page, name).fill(text)
    field(page, name).press("Enter")


def is_changed(page: Any) -> bool:
    return bool(page.evaluate("document.body.dataset.changed === 'true'"))


def number_at(page: Any, place: str) -> list[float]:
    texts = page.evaluate("(place) => Array.from(chainrule.tensor(place).data, String)", place)
    return [float(text.replace("Infinity", "inf")) for text in texts]


def assert_shows(page: Any, record: dict[str, Any]) -> None:
    """Every place of the page holds what the library recorded for the changed graph."""
    compared = 0
    for node in record["nodes"]:
        places = {f"value:{node['id']}": node["value"], f"gradient:{node['id']}": node["gradient"]}
        for k, term in enumerate(node["terms"]):
            places |= {f"{role}:{node['id']}:{k}": term[role] for role in ("upstream", "local", "downstream")}
        for place, number in places.items():
            if number is not None:
                expected = decode(record["tensors"][number])[0].reshape(-1)
                np.testing.assert_allclose(
                    number_at(page, place), expected, rtol=1e-6, atol=1e-7, err_msg=place
                )
                compared += 1
    assert compared > 10


CHANGES: dict[str, tuple[Callable[[], cr.Node], str, str, Callable[[], cr.Node]]] = {
    "a number": (fork, "y", "2.5", lambda: fork(y=2.5)),
    "a fraction": (fork, "y", "5/4", lambda: fork(y=1.25)),
    "the other branch of the maximum": (fork, "z", "4", lambda: fork(z=4.0)),
    "an entry of a matrix": (layer, "W[0, 2]", "-3", lambda: layer(np.where(W == 0.25, -3.0, W))),
}


@pytest.mark.parametrize("case", CHANGES)
def test_both_passes_are_those_of_the_changed_graph(browser: Any, tmp_path: Path, case: str) -> None:
    build, name, text, changed = CHANGES[case]
    with opened(browser, tmp_path, explain(build())) as page:
        open_section(page)
        if "[" in name:
            page.select_option("#whatif-leaf", label=name.partition("[")[0])
        else:
            page.select_option("#whatif-leaf", label=name)
        put(page, name, text)
        assert is_changed(page)
        assert_shows(page, explain(changed()).record)
        assert f"{name} = " in page.locator(".whatif-sign").text_content()


def test_the_way_back(browser: Any, tmp_path: Path) -> None:
    explanation = explain(fork())
    with opened(browser, tmp_path, explanation) as page:
        open_section(page)
        back = page.get_by_role("button", name="Back to the recorded values")
        assert back.is_disabled()
        put(page, "x", "7")
        assert is_changed(page)
        back.click()
        assert not is_changed(page)
        assert field(page, "x").input_value() == "1"
        assert page.locator(".whatif-sign").is_hidden()
        assert_shows(page, explanation.record)
        put(page, "x", "7")
        put(page, "x", "1")  # by hand: nothing is changed any more
        assert not is_changed(page)
        assert back.is_disabled()


def test_keys_and_slider_change_it(browser: Any, tmp_path: Path) -> None:
    with opened(browser, tmp_path, explain(fork())) as page:
        open_section(page)
        for key, expected in [
            ("ArrowUp", "1.1"),
            ("Shift+ArrowUp", "2.1"),
            ("ArrowDown", "2"),
            ("ArrowDown", "1.9"),
        ]:
            field(page, "x").press(key)
            assert field(page, "x").input_value() == expected
        slider = page.get_by_role("slider", name="x")
        slider.focus()
        slider.press("ArrowRight")
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        moved = float(field(page, "x").input_value())
        assert moved > 1.9
        assert number_at(page, "value:0") == pytest.approx([moved])
        assert slider.get_attribute("aria-valuetext") == field(page, "x").input_value()


def test_what_the_gradient_foretold_stands_beside_what_came(browser: Any, tmp_path: Path) -> None:
    with opened(browser, tmp_path, explain(fork())) as page:
        open_section(page)
        put(page, "x", "1.5")  # f is linear in x: the gradient is right
        assert "2 · 0.5 = 1; f changed by 1." in page.locator(".whatif-result").text_content()


UNREADABLE = {"foo": "has no value here", "1 2": "one number is wanted", "": "nothing is written yet"}


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_is_no_number_changes_nothing(browser: Any, tmp_path: Path, text: str) -> None:
    explanation = explain(fork())
    with opened(browser, tmp_path, explanation) as page:
        open_section(page)
        put(page, "x", text)
        assert field(page, "x").get_attribute("aria-invalid") == "true"
        assert UNREADABLE[text] in page.get_by_role("alert").text_content()
        assert not is_changed(page)
        put(page, "x", "3")
        assert field(page, "x").get_attribute("aria-invalid") is None
        assert page.locator("#whatif-problem").text_content() == ""


def test_a_field_that_was_not_read_gets_its_number_back(browser: Any, tmp_path: Path) -> None:
    with opened(browser, tmp_path, explain(layer())) as page:
        open_section(page)
        page.select_option("#whatif-leaf", label="W")
        put(page, "W[0, 0]", "foo")
        put(page, "W[1, 1]", "2")
        assert field(page, "W[0, 0]").input_value() == "0.5"
        assert field(page, "W[0, 0]").get_attribute("aria-invalid") is None


def test_what_is_not_finite_is_shown_and_traced_to_its_first_node(browser: Any, tmp_path: Path) -> None:
    x = cr.variable(2.0, name="x")
    with opened(browser, tmp_path, explain((cr.log(x).named("l") * x).named("L"))) as page:
        open_section(page)
        put(page, "x", "-1")
        assert "L = nan" in page.locator(".whatif-result").text_content()
        page.get_by_role("button", name="Show l").click()
        assert page.evaluate("chainrule.record.nodes[chainrule.selected].name") == "l"
        put(page, "x", "inf")
        assert np.isposinf(number_at(page, "value:0")).all()
        assert field(page, "x").input_value() == "inf"


def test_a_mask_that_is_meant_is_no_trouble(browser: Any, tmp_path: Path) -> None:
    x = cr.variable([1.0, 2.0, 3.0], name="x")
    masked = cr.where(np.array([True, False, True]), x, -np.inf).named("m")
    with opened(browser, tmp_path, explain(cr.nn.cross_entropy(masked, 0).named("L"))) as page:
        open_section(page)
        put(page, "x[0]", "2")
        assert "Not finite" not in page.locator(".whatif-result").text_content()
        put(page, "x[2]", "nan")
        assert "Not finite, first at x" in page.locator(".whatif-result").text_content()


def test_indices_are_whole_and_in_range(browser: Any, tmp_path: Path) -> None:
    table, rows = cr.variable([1.0, 2.0, 4.0], name="t"), cr.placeholder((2,), "int64", name="i")
    explanation = explain(cr.sum(cr.take(table, rows)).named("L"), {rows: [0, 2]})
    with opened(browser, tmp_path, explanation) as page:
        open_section(page)
        page.select_option("#whatif-leaf", label="i")
        put(page, "i[1]", "1.5")
        assert "whole numbers" in page.get_by_role("alert").text_content()
        put(page, "i[1]", "3")
        assert "the index 3 is outside an axis of length 3" in page.get_by_role("alert").text_content()
        assert not is_changed(page)
        put(page, "i[1]", "1")
        assert "L = 3" in page.locator(".whatif-result").text_content()
        assert number_at(page, "gradient:0") == [1, 1, 0]


def test_of_a_large_matrix_one_entry_at_a_time(browser: Any, tmp_path: Path) -> None:
    w = cr.variable(np.arange(100.0).reshape(10, 10), name="W")
    with opened(browser, tmp_path, explain(cr.sum(w * w).named("L"))) as page:
        open_section(page)
        assert page.locator(".whatif-cells input").count() == 1
        page.get_by_role("spinbutton", name="axis 0").fill("4")
        page.get_by_role("spinbutton", name="axis 0").press("Tab")
        page.get_by_role("spinbutton", name="axis 1").fill("99")  # held to the axis
        page.get_by_role("spinbutton", name="axis 1").press("Tab")
        assert field(page, "W[4, 9]").input_value() == "49"
        put(page, "W[4, 9]", "-1")
        assert number_at(page, "gradient:0")[49] == -2


class Cube(cr.Op):
    def forward(self, xp: Any, x: Any) -> Any:
        return x * x * x

    def vjp(self, ct: cr.Node, out: cr.Node, x: cr.Node) -> tuple[cr.Node]:
        return (ct * 3 * x * x,)


def test_a_graph_that_is_not_offered_says_why(browser: Any, tmp_path: Path) -> None:
    explanation = explain(cr.define_op(Cube)(cr.variable(2.0, name="x")))
    with opened(browser, tmp_path, explanation) as page:
        open_section(page)
        assert "no rule for cube" in page.locator(".section-whatif").text_content()
        assert page.locator(".section-whatif input").count() == 0
