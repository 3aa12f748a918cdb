"""The step-through page in a real browser: the walk, keys, links, folding, and numbers as in the record."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.view.layout import _across
from chainrule.view.page import Explanation, decode

from . import networks
from .modules import opened

pytestmark = pytest.mark.browser

explanations = functools.cache(lambda name: getattr(networks, name)())


@pytest.fixture
def fork(browser: Any, tmp_path: Path) -> Iterator[Any]:
    with opened(browser, tmp_path, explanations("fork")) as page:
        yield page


@pytest.fixture
def digits(browser: Any, tmp_path: Path) -> Iterator[Any]:
    with opened(browser, tmp_path, explanations("digits")) as page:
        yield page


@pytest.fixture
def deep(browser: Any, tmp_path: Path) -> Iterator[Any]:
    with opened(browser, tmp_path, explanations("deep")) as page:
        page.emulate_media(reduced_motion="reduce")
        yield page


def told(page: Any) -> str:
    return str(page.locator("#walk .count").text_content())


def heading(page: Any) -> str:
    return str(page.locator("#node-title").text_content())


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def number(text: str) -> float:
    plain = text.strip().strip("[]").replace("−", "-").replace("∞", "inf")
    return float(plain)


def array(explanation: Explanation, tensor: int) -> Any:
    return decode(explanation.record["tensors"][tensor])[0]


# -- the walk ---------------------------------------------------------------------------------------------


def test_the_walk_goes_forward_then_back_and_every_step_has_an_address(fork: Any) -> None:
    seen = [(told(fork), heading(fork))]
    for _ in range(11):
        press(fork, "ArrowRight")
        seen.append((told(fork), heading(fork)))
    record = explanations("fork").record
    names = [node["name"] or node["symbol"] for node in record["nodes"]]
    forward = [(f"forward {k + 1} of 6", names[n]) for k, n in enumerate(record["walk"]["forward"])]
    backward = [(f"backward {k + 1} of 6", names[n]) for k, n in enumerate(record["walk"]["backward"])]
    assert seen == forward + backward
    assert fork.url.endswith("#backward-6")
    press(fork, "ArrowRight")
    assert told(fork) == "backward 6 of 6"
    assert fork.get_by_role("button", name="Next step").is_disabled()
    press(fork, "ArrowLeft", "ArrowLeft")
    assert fork.url.endswith("#backward-4")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("Home", "forward 1 of 6"),
        ("End", "backward 6 of 6"),
        ("b", "backward 1 of 6"),
        ("f", "forward 1 of 6"),
    ],
)
def test_keys_go_to_the_ends_and_the_passes(fork: Any, key: str, expected: str) -> None:
    press(fork, "ArrowRight", "ArrowRight", key)
    assert told(fork) == expected


def test_the_scrubber_is_a_slider_that_says_where_it_is(fork: Any) -> None:
    slider = fork.get_by_role("slider", name="Step of the walk")
    slider.fill("7")
    assert told(fork) == "backward 2 of 6"
    assert slider.get_attribute("aria-valuetext").startswith("backward 2 of 6: ")
    slider.press("ArrowLeft")
    assert told(fork) == "backward 1 of 6"
    assert fork.locator("#live").text_content() == "backward 1: f (multiply), gradient 1"


def test_play_goes_on_by_itself_and_space_stops_it(fork: Any) -> None:
    press(fork, "Space")
    fork.wait_for_function("() => chainrule.walk.position > 0")
    press(fork, "Space")
    assert fork.get_by_role("button", name="Play").is_visible()
    assert not fork.evaluate("chainrule.walk.playing")


def test_one_shape_is_lit_and_numbers_appear_as_the_passes_reach_them(fork: Any) -> None:
    assert fork.locator(".mark.forward text").all_text_contents() == ["1"]
    press(fork, "ArrowRight", "ArrowRight")
    lit = fork.locator("[aria-current=step]")
    assert (lit.count(), lit.get_attribute("data-state")) == (1, "forward")
    assert fork.locator(".wire[data-lit=forward]").count() == 2  # x and y go into a
    assert fork.locator(".mark.backward text").count() == 0
    press(fork, "End", "ArrowLeft")
    assert fork.locator(".mark.forward text").count() == 6
    press(fork, "b")
    assert fork.locator(".mark.backward text").all_text_contents() == ["1"]


def test_products_stand_on_the_wires_of_the_backward_pass(fork: Any) -> None:
    fork.evaluate("chainrule.visit(1, 'backward')")
    assert sorted(fork.locator(".note text").all_text_contents()) == ["2 × 1", "3 × 1"]
    assert fork.locator(".wire[data-lit=backward]").count() == 2


@pytest.mark.parametrize(
    ("address", "where", "name"),
    [
        ("#forward-3", "forward 3 of 6", "a"),
        ("#backward-1", "backward 1 of 6", "f"),
        ("#node-4", "forward 1 of 6", "b"),
        ("#forward-99", "forward 1 of 6", "x"),
        ("#nonsense", "forward 1 of 6", "x"),
    ],
)
def test_links_lead_to_a_step_or_a_node(fork: Any, address: str, where: str, name: str) -> None:
    fork.goto(fork.url.split("#")[0] + address)
    fork.reload()
    fork.wait_for_selector("html[data-ready]", state="attached")
    assert (told(fork), heading(fork)) == (where, name)


def test_a_link_opens_what_hides_its_step(deep: Any) -> None:
    hidden = deep.evaluate(
        "chainrule.record.nodes.findIndex(({ id }) => chainrule.graph.representative(id).hidden)"
    )
    deep.evaluate("id => { location.hash = `#node-${id}`; }", hidden)
    deep.wait_for_function("id => chainrule.selected === id", arg=hidden)
    assert not deep.evaluate("id => chainrule.graph.representative(id).hidden", hidden)


# -- folding ----------------------------------------------------------------------------------------------


def shapes(page: Any) -> list[str]:
    return list(page.evaluate("[...chainrule.graph.shapes.keys()].sort()"))


def overlaps(page: Any) -> list[Any]:
    """Pairs of closed shapes that cover each other."""
    boxes = page.evaluate(
        "() => chainrule.graph.scene.items.map((box) => [box.x, box.y, box.width, box.height])"
    )
    return [
        (one, other)
        for one, other in combinations(boxes, 2)
        if all(abs(one[k] - other[k]) < (one[k + 2] + other[k + 2]) / 2 - 0.5 for k in (0, 1))
    ]


def test_equal_layers_stand_as_one_shape_with_their_count(deep: Any) -> None:
    label = deep.locator(".shape.repeat").get_attribute("aria-label")
    assert label.startswith("blocks × 6, ")


def test_a_fold_opens_in_place_by_click_and_closes_again(deep: Any) -> None:
    before = shapes(deep)
    press(deep, "0")
    deep.locator(".shape.repeat .opener").click()
    assert deep.locator(".frame.repeat").count() == 1
    assert len(shapes(deep)) > len(before)
    assert overlaps(deep) == []
    deep.get_by_role("button", name="close all").click()
    assert all(f in shapes(deep) for f in before if f.startswith("0:"))


def test_a_fold_opens_and_closes_by_key_and_keeps_the_focus(deep: Any) -> None:
    shape = deep.locator(".shape.repeat")
    shape.focus()
    press(deep, "Enter")
    assert deep.evaluate("document.activeElement.classList.contains('frame')")
    assert deep.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    press(deep, "Enter")
    assert deep.evaluate("document.activeElement.classList.contains('repeat')")
    assert deep.locator(".frame.repeat").count() == 0


@pytest.mark.parametrize("name", ["fork", "digits", "text_cnn", "deep"])
def test_everything_open_nothing_covers_anything(browser: Any, tmp_path: Path, name: str) -> None:
    with opened(browser, tmp_path, explanations(name)) as page:
        assert overlaps(page) == []
        left = page.evaluate("chainrule.graph.openAll()")
        assert left == 0
        assert overlaps(page) == []
        shown = page.evaluate("new Set(chainrule.graph.scene.items.map((item) => item.node)).size")
        folds = explanations(name).record["folds"]
        opened_composites = sum(fold["node"] is not None for fold in folds)
        assert shown == len(explanations(name).record["nodes"]) - opened_composites


_WALKED = "() => { chainrule.walk.first(); let n = 1; while (chainrule.walk.step(1)) n += 1; return n; }"
"""How many steps there are from the first to the last."""


def test_the_walk_passes_over_what_is_closed_and_through_what_is_open(deep: Any) -> None:
    deep.get_by_role("button", name="close all").click()
    closed = deep.evaluate(_WALKED)
    deep.evaluate("chainrule.graph.openAll()")
    everything = deep.evaluate(_WALKED)
    record = explanations("deep").record
    composites = {fold["node"] for fold in record["folds"] if fold["node"] is not None}
    walked = [n for n in record["walk"]["forward"] + record["walk"]["backward"] if n not in composites]
    assert everything == len(walked)
    assert closed < 20 < everything


def test_a_long_graph_is_cut_and_says_what_it_does_not_draw(browser: Any, tmp_path: Path) -> None:
    with opened(browser, tmp_path, networks.long_chain(3300)) as page:
        assert len(shapes(page)) <= 170
        page.get_by_role("button", name="open all").click()
        note = page.locator("#note").text_content()
        assert re.search(r"folds? stay closed: at most 3,000 shapes", note)
        assert len(shapes(page)) <= 3000


def test_places_are_those_of_the_layout_in_python(fork: Any) -> None:
    rng = np.random.default_rng(3)
    rows = [list(range(5)), list(range(5, 9)), [9, 10, 11, 12], [13]]
    links = [(a, int(rng.integers(r[0], r[-1] + 1))) for row, r in pairwise(rows) for a in row]
    widths = [float(w) for w in rng.integers(20, 200, 14)]
    widths[11] = widths[12] = 0.0  # bend points
    order = [*range(11), 13, 11, 12]  # items come first, then bend points
    number_of = {old: new for new, old in enumerate(order)}
    rows = [[number_of[v] for v in row] for row in rows]
    links = [(number_of[a], number_of[b]) for a, b in links]
    widths = [widths[old] for old in order]
    there = fork.evaluate(
        "async ([rows, widths, links]) => { const { across } = await import('chainrule/placing');"
        " return Array.from(across(rows, widths, links, 12, 12)); }",
        [rows, widths, links],
    )
    np.testing.assert_allclose(there, _across(rows, widths, links, 12, 26.0), atol=1e-6)


# -- the panel --------------------------------------------------------------------------------------------


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


# -- seen otherwise ---------------------------------------------------------------------------------------


def test_without_scripts_the_page_is_a_drawing_and_a_table(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    explanations("fork").save(file)
    page = browser.new_page(java_script_enabled=False)
    page.goto(file.as_uri())
    assert page.locator("#steps svg").is_visible()
    assert page.locator("#steps tbody tr").count() == 6
    assert not page.locator("#app").is_visible()
    page.close()


def test_a_narrow_screen_needs_no_scrolling_sideways(digits: Any) -> None:
    digits.set_viewport_size({"width": 360, "height": 740})
    for link in ("forward-5", "backward-22"):
        digits.evaluate("link => { location.hash = link; }", link)
        digits.wait_for_function("link => location.hash === '#' + link", arg=link)
        assert digits.evaluate("document.documentElement.scrollWidth") <= 360


def test_zoom_and_pan_by_mouse_wheel_and_keys(fork: Any) -> None:
    def scale() -> float:
        return float(fork.evaluate("chainrule.graph.camera.scale"))

    start = scale()
    press(fork, "+")
    assert scale() == pytest.approx(1.25 * start)
    press(fork, "-", "0")
    fork.wait_for_function("start => Math.abs(chainrule.graph.camera.scale - start) < 1e-9", arg=start)
    box = fork.locator("#stage").bounding_box()
    x, y = box["x"] + 30, box["y"] + box["height"] - 30
    fork.mouse.move(x, y)
    fork.mouse.wheel(0, -200)
    assert scale() > start
    before = fork.evaluate("[chainrule.graph.camera.x, chainrule.graph.camera.y]")
    fork.mouse.down()
    fork.mouse.move(x + 40, y - 25, steps=4)
    fork.mouse.up()
    after = fork.evaluate("[chainrule.graph.camera.x, chainrule.graph.camera.y]")
    assert [b - a for a, b in zip(before, after, strict=True)] == pytest.approx([40, -25])
    moved = scale()
    fork.get_by_role("button", name="Zoom in").focus()
    press(fork, "Enter")
    assert scale() == pytest.approx(1.25 * moved)


def test_a_drag_that_ends_on_a_shape_does_not_select_it(fork: Any) -> None:
    shape = fork.locator(".shape[data-node='4'] .body")
    box = shape.bounding_box()
    fork.mouse.move(box["x"] + 5 + box["width"] / 2, box["y"] + box["height"] / 2)
    fork.mouse.down()
    fork.mouse.move(box["x"] + 45 + box["width"] / 2, box["y"] + box["height"] / 2, steps=5)
    fork.mouse.up()
    assert heading(fork) == "x"
    shape.click()
    assert heading(fork) == "b"


def test_two_fingers_bring_the_picture_nearer(fork: Any) -> None:
    start = fork.evaluate("chainrule.graph.camera.scale")
    box = fork.locator("#stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch = fork.context.new_cdp_session(fork)

    def fingers(kind: str, reach: float) -> None:
        points = [{"x": x - reach, "y": y}, {"x": x + reach, "y": y}] if kind != "touchEnd" else []
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", 40)
    for reach in (50, 60, 70, 80):
        fingers("touchMove", reach)
    fingers("touchEnd", 0)
    assert fork.evaluate("chainrule.graph.camera.scale") == pytest.approx(2 * start, rel=0.1)
    assert fork.evaluate("chainrule.graph.camera.pointers.size") == 0


def test_the_graph_is_walked_by_keys_alone(fork: Any) -> None:
    fork.locator(".shape[tabindex='0']").focus()
    names = []
    for key in ("ArrowUp", "ArrowUp", "ArrowDown"):
        press(fork, key)
        names.append(fork.evaluate("document.activeElement.getAttribute('aria-label')").split(",")[0])
    assert names[:2] == ["add", "multiply"]
    assert heading(fork) == "a"


def test_a_notebook_shows_the_page_in_a_frame(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "notebook.html"
    file.write_text(f"<!DOCTYPE html><title>notebook</title>{explanations('fork')._repr_html_()}", "utf-8")
    page = browser.new_page()
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.goto(file.as_uri())
    inner = page.frame_locator("iframe")
    inner.locator("html[data-ready]").wait_for(state="attached")
    inner.locator("#walk").get_by_role("button", name="Next step").click()
    assert inner.locator("#walk .count").text_content() == "forward 2 of 6"
    assert trouble == []
    page.close()


def test_numbers_that_are_not_finite_are_counted_and_stand_out(browser: Any, tmp_path: Path) -> None:
    with opened(browser, tmp_path, networks.not_finite()) as page:
        page.evaluate("chainrule.visit(1, 'forward')")
        assert "1 NaN, 1 ∞" in page.locator("section.value .stats").text_content()
        assert page.locator("section.value td").all_text_contents()[:3] == ["−∞", "0", "NaN"]
