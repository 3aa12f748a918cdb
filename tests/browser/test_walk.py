"""The step-through page in a real browser: the walk, keys, links, and what is folded."""

from __future__ import annotations

import re
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.view.layout import _across

from . import networks
from .modules import opened
from .reading import explanations, heading, press, told

pytestmark = pytest.mark.browser


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
