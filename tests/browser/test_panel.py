"""The panel in a real browser: every number as in the record, and where each came from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.view.page import decode

from . import networks
from .modules import opened
from .reading import array, explanations, heading, number, press

pytestmark = pytest.mark.browser


def test_every_number_of_the_panel_is_the_records(fork: Any) -> None:
    explanation = explanations("fork")
    press(fork, "End")
    for node in explanation.record["nodes"]:
        fork.evaluate("id => chainrule.visit(id, 'backward')", node["id"])
        assert heading(fork) == (node["name"] or node["symbol"])
        value = fork.locator("section.value > .number").text_content()
        assert number(value) == pytest.approx(float(array(explanation, node["value"])), rel=1e-5)
        total = fork.locator("section.gradient .result .number, section.gradient .total .number").last
        assert number(total.text_content()) == pytest.approx(
            float(array(explanation, node["gradient"])), rel=1e-5
        )
        terms = fork.locator(".term")
        assert terms.count() == len(node["terms"])
        for k, term in enumerate(node["terms"]):
            for what in ("upstream", "local", "downstream"):
                shown = terms.nth(k).locator(f".box.{what} .number").text_content()
                assert number(shown) == pytest.approx(float(array(explanation, term[what])), rel=1e-5)


@pytest.mark.parametrize("name", ["fork", "digits", "text_cnn", "deep"])
def test_the_page_holds_every_number_of_the_record(browser: Any, tmp_path: Path, name: str) -> None:
    explanation = explanations(name)
    with opened(browser, tmp_path, explanation) as page:
        for number_of, tensor in enumerate(explanation.record["tensors"]):
            shown = page.evaluate("k => Array.from(chainrule.store.recorded(k).data, Number)", number_of)
            expected = decode(tensor)[0].reshape(-1).astype(np.float64)
            np.testing.assert_array_equal(np.array(shown, np.float64), expected)


def test_a_weight_of_many_readers_shows_the_first_terms_and_the_rest_when_asked(
    browser: Any, tmp_path: Path
) -> None:
    with opened(browser, tmp_path, networks.unrolled(60)) as page:
        page.evaluate("chainrule.visit(chainrule.record.nodes.find((n) => n.name === 'w').id, 'backward')")
        assert page.locator(".term").count() == 12
        page.get_by_text("48 more terms").click()
        page.locator(".term").nth(59).wait_for()
        assert "Sum over 60 consumers" in page.locator(".sum").text_content()


def test_arrow_keys_read_the_entries_of_a_heat_map(digits: Any) -> None:
    explanation = explanations("digits")
    digits.evaluate("chainrule.visit(4, 'forward')")
    values = array(explanation, explanation.record["nodes"][4]["value"])
    digits.locator("section.value .map").focus()
    reading = digits.locator("section.value .reading")
    press(digits, *["ArrowRight"] * 5, *["ArrowDown"] * 3)
    place, shown = re.fullmatch(r"\[(.*)\] = (.*)", reading.text_content()).groups()
    assert place == "3, 5"
    assert number(shown) == pytest.approx(float(values[3, 5]), rel=1e-5)
    press(digits, "End")
    assert reading.text_content().startswith("[7, 15] = ")
    box = digits.locator("section.value canvas").bounding_box()
    digits.mouse.move(box["x"] + 4, box["y"] + 4)
    assert number(reading.text_content().split("=")[1]) == pytest.approx(float(values[0, 0]), rel=1e-5)


def test_a_large_matrix_shows_its_first_and_last_entries_and_its_statistics(digits: Any) -> None:
    explanation = explanations("digits")
    digits.evaluate("chainrule.visit(1, 'forward')")
    stats = digits.locator("section.value .stats").text_content()
    values = array(explanation, explanation.record["nodes"][1]["value"]).astype(np.float64)
    least, most, norm = re.search(r"min (\S+) · max (\S+) · norm (\S+)", stats).groups()
    assert [number(least), number(most), number(norm)] == pytest.approx(
        [values.min(), values.max(), np.linalg.norm(values)], rel=1e-3
    )
    assert "all finite" in stats
    digits.locator("section.value .map").focus()
    press(digits, "End")
    assert digits.locator("section.value .reading").text_content().startswith("[783, 15] = ")


def test_a_matrix_gradient_comes_with_the_proof_of_its_shape(digits: Any) -> None:
    digits.evaluate("chainrule.visit(6, 'backward')")
    proof = digits.locator(".proof")
    assert proof.locator("math").count() >= 1
    assert "16×16" in proof.text_content()


def test_the_check_stands_entry_by_entry_beside_the_chain_rule(fork: Any) -> None:
    fork.evaluate("chainrule.visit(1, 'backward')")
    assert "✓ agrees" in fork.locator("section.check").text_content()
    cells = fork.locator("section.check tbody td").all_text_contents()
    assert number(cells[0]) == 5.0
    assert number(cells[1]) == pytest.approx(5.0, rel=1e-6)


def test_what_has_no_gradient_says_why(digits: Any) -> None:
    digits.evaluate("chainrule.select(15)")
    assert "int64" in digits.locator("section.gradient .none").text_content()


def test_a_composites_terms_give_way_to_those_of_its_parts(digits: Any) -> None:
    record = explanations("digits").record
    (loss,) = [fold for fold in record["folds"] if fold["kind"] == "composite"]
    digits.evaluate("chainrule.visit(14, 'backward')")
    closed = digits.locator(".term .from .link").all_text_contents()
    assert closed == ["loss (cross_entropy)"]
    digits.evaluate("f => chainrule.toggle(f)", loss["id"])
    parts = [t for t in record["nodes"][14]["terms"] if t["within"] == loss["node"]]
    opened_up = digits.locator(".term .from .link").all_text_contents()
    assert [text.split()[0] for text in opened_up] == [
        record["nodes"][t["consumer"]]["symbol"] for t in parts
    ]
    assert opened_up != closed


# -- provenance -------------------------------------------------------------------------------------------


def test_an_element_lights_what_it_came_from(digits: Any) -> None:
    digits.evaluate("chainrule.visit(4, 'forward')")
    digits.locator("section.value .map").focus()
    press(digits, "ArrowDown", "ArrowRight", "Enter")
    found = digits.evaluate("""() => Object.fromEntries([...chainrule.traced.elements].map(
      ([id, set]) => [id, set === 'all' ? set : [...set].sort((a, b) => a - b)]))""")
    assert found["4"] == [17]
    assert found["3"] == [1]
    assert found["2"] == [17]
    assert found["1"] == [16 * k + 1 for k in range(784)]
    assert found["0"] == [784 + k for k in range(784)]
    assert set(found) == {"0", "1", "2", "3", "4"}
    assert digits.locator(".shape.traced").count() == 5
    assert "v₄[1, 1]" in digits.locator(".traced-list").text_content()
    press(digits, "Escape")
    assert digits.locator(".shape.traced").count() == 0


def test_a_gradient_lights_every_way_by_which_it_came_back(fork: Any) -> None:
    fork.evaluate("chainrule.visit(1, 'backward')")
    fork.locator("section.gradient .total button.number").click()
    assert "along 2 ways" in fork.locator(".traced-list").text_content()
    assert fork.locator(".shape.traced").count() == 4
    assert fork.locator(".wire.traced").count() == 4
