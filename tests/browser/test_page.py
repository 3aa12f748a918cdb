"""The page in a browser, seen otherwise: without scripts, on a narrow screen, by wheel, fingers, keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from . import networks
from .modules import opened
from .reading import explanations, heading, press

pytestmark = pytest.mark.browser


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
