"""Practice: numbers are hidden, asked and judged; an exercise page begins with all of them hidden."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.view.page import decode, explain

from .modules import opened

pytestmark = pytest.mark.browser


def fork() -> cr.Node:
    """(x + y)·max(y, z), with numbers that stand nowhere else on the page."""
    x, y, z = (cr.variable(value, name=name) for name, value in [("x", 1.37), ("y", 2.59), ("z", 0.11)])
    return ((x + y).named("a") * cr.maximum(y, z).named("b")).named("f")


def small() -> cr.Node:
    """L = Σ tanh(x W + k)², with a composite and matrices that are shown entry by entry."""
    x = cr.constant(np.array([[0.731, -1.213]])).named("x")
    w = cr.variable(np.array([[0.417, -0.569], [1.327, 0.853]]), name="W")
    k = cr.variable(np.array([0.291, -0.173]), name="k")
    return cr.mean(cr.square(cr.nn.softplus((x @ w).named("p") + k)).named("s")).named("L")


def layer() -> cr.Node:
    rng = np.random.default_rng(0)
    x = cr.constant(rng.normal(size=(3, 4))).named("x")
    h = cr.tanh((x @ cr.variable(rng.normal(size=(4, 5)), name="W")).named("p")).named("h")
    return cr.nn.cross_entropy(h, [0, 1, 2]).named("L")


def tensor_of(record: dict[str, Any], place: str) -> Any:
    kind, number, *term = place.partition("@")[0].split(":")
    node = record["nodes"][int(number)]
    held = node["terms"][int(term[0])] if term else node
    array = decode(record["tensors"][held[kind]])[0]
    entry = place.partition("@")[2]
    return array.reshape(-1)[int(entry)] if entry else array


def answer_of(record: dict[str, Any], place: str) -> str:
    return str(np.asarray(tensor_of(record, place)).tolist())


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def verdict(page: Any) -> str:
    return str(page.locator("#practice-verdict").text_content())


def current(page: Any) -> str:
    return str(page.evaluate("chainrule.practice.current.text"))


def hidden(page: Any) -> set[str]:
    return set(page.evaluate("[...(chainrule.store.hidden ?? [])]"))


def open_section(page: Any) -> None:
    if page.locator("#section-practice").get_attribute("open") is None:
        page.locator("#section-practice > summary").click()


@pytest.mark.parametrize("build", [fork, layer], ids=["fork", "layer"])
def test_an_exercise_from_its_first_question_to_its_last(browser: Any, tmp_path: Path, build: Any) -> None:
    explanation = explain(build(), exercise=True)
    record = explanation.record
    asked = record["exercise"]["hide"]
    with opened(browser, tmp_path, explanation) as page:
        assert current(page) == asked[0]
        for number, place in enumerate(asked):
            assert current(page) == place
            assert place.partition("@")[0] in hidden(page)
            page.locator("textarea").fill(answer_of(record, place))
            press(page, "Check")
            assert verdict(page).startswith("✓ Right.")
            assert place.partition("@")[0] not in hidden(page)
            assert (
                page.locator(".practice-score")
                .text_content()
                .endswith(
                    f"{number + 1} of {number + 1} right, {number + 1} at the first try without a hint."
                )
            )
            if number + 1 < len(asked):
                press(page, "Next question")
        assert hidden(page) == set()
        assert page.locator(".practice-score").text_content().startswith("That was all.")


#: All that the page says, to the eye and to the ear.
_TOLD = """[document.querySelector("#app").innerText, document.querySelector("#live").textContent,
  ...Array.from(document.querySelectorAll("#app [aria-label]"), (one) => one.getAttribute("aria-label")),
].join(" ")"""


@pytest.mark.parametrize("build", [fork, small], ids=["fork", "small"])
def test_an_exercise_shows_none_of_what_it_asks(browser: Any, tmp_path: Path, build: Any) -> None:
    explanation = explain(build(), exercise=True)
    record = explanation.record
    with opened(browser, tmp_path, explanation) as page:
        concealed = hidden(page)
        assert {place.partition("@")[0] for place in record["exercise"]["hide"]} <= concealed
        secrets = numbers_at(record, concealed) - numbers_at(record, places_of(record) - concealed)
        assert len(secrets) >= 3
        told = ""
        for node in record["nodes"]:
            for phase in ("forward", "backward"):
                page.evaluate("([id, phase]) => chainrule.visit(id, phase)", [node["id"], phase])
                page.evaluate(
                    "document.querySelectorAll('#panel details').forEach((d) => { d.open = true; })"
                )
                told += page.evaluate(_TOLD)
        assert not [secret for secret in secrets if secret in told]
        assert page.locator(".section-whatif").get_by_text("nothing can be changed here").count() == 1
        assert page.locator("#whatif-leaf").is_hidden()


def places_of(record: dict[str, Any]) -> set[str]:
    """Every place of a page that shows a tensor."""
    found = set()
    for node in record["nodes"]:
        found |= {f"{kind}:{node['id']}" for kind in ("value", "gradient") if node[kind] is not None}
        for k, term in enumerate(node["terms"]):
            roles = [role for role in ("upstream", "local", "downstream") if term[role] is not None]
            found |= {f"{role}:{node['id']}:{k}" for role in roles}
    return found


def numbers_at(record: dict[str, Any], places: set[str]) -> set[str]:
    """The numbers there as a page writes them, as far as they are long enough to be told from others."""
    known = places & places_of(record)
    entries = [abs(float(x)) for place in known for x in np.ravel(tensor_of(record, place))]
    return {text for text in (f"{x:.4g}" for x in entries) if len(text.strip("0.")) > 2}


def test_wrong_answers_are_told_and_hints_lead_to_the_answer(browser: Any, tmp_path: Path) -> None:
    explanation = explain(fork())
    record = explanation.record
    y = next(node["id"] for node in record["nodes"] if node["name"] == "y")
    with opened(browser, tmp_path, explanation) as page:
        open_section(page)
        page.evaluate("(id) => chainrule.select(id)", y)
        page.locator("#practice-choice").select_option(label="its gradient")
        press(page, "Hide it and ask me")
        assert current(page) == f"gradient:{y}"
        assert "∂f/∂y" in page.locator("#practice-question").text_content()
        assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"
        page.keyboard.type("-6.55")
        page.keyboard.press("Enter")
        assert verdict(page).startswith("✗ The sign is wrong.")
        page.locator("textarea").fill("3.96")
        page.keyboard.press("Enter")
        assert "A branch is missing" in verdict(page)
        page.locator("textarea").fill("a + b")
        page.keyboard.press("Enter")
        assert "I cannot read that" in verdict(page)
        assert page.locator("textarea").get_attribute("aria-invalid") == "true"
        for rung in range(3):
            press(page, "Hint")
            assert page.locator(".practice-hints li").count() == rung + 1
        press(page, "Show the answer")
        assert page.locator(".practice-hints li").last.text_content() == "The answer: 6.55."
        assert hidden(page) == set()
        assert "0 of 1 right" in page.locator(".practice-score").text_content()


def test_a_local_derivative_and_a_value_may_be_asked_too(browser: Any, tmp_path: Path) -> None:
    with opened(browser, tmp_path, explain(fork())) as page:
        open_section(page)
        a = page.evaluate("chainrule.record.nodes.find((node) => node.name === 'a').id")
        page.evaluate("(id) => chainrule.select(id)", a)
        offered = page.locator("#practice-choice option").all_text_contents()
        assert offered == ["its value", "the local derivative of f by it", "its gradient"]
        page.locator("#practice-choice").select_option(index=1)
        press(page, "Hide it and ask me")
        page.locator("textarea").fill("2.59")
        press(page, "Check")
        assert verdict(page) == "✓ Right. The local derivative is 2.59."


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("1e999", "✗ I cannot read that: 1e999 is larger than any number here."),
        ("6,55", "✗ I cannot read that: one number is asked, and a comma parts two: write 6.55."),
        ("inf", "✗ That is ∞; what is asked is a finite number."),
        ("nan", "✗ That is NaN; what is asked is a finite number."),
        ("6½", "✗ Close: the way is right."),
        ("6.55", "✓ Right."),
    ],
)
def test_odd_answers_are_told_what_is_odd(browser: Any, tmp_path: Path, answer: str, said: str) -> None:
    with opened(browser, tmp_path, explain(fork())) as page:
        open_section(page)
        page.evaluate("chainrule.select(chainrule.record.nodes.find((node) => node.name === 'y').id)")
        page.locator("#practice-choice").select_option(label="its gradient")
        press(page, "Hide it and ask me")
        page.locator("textarea").fill(answer)
        press(page, "Check")
        assert verdict(page).startswith(said)
        tries = 0 if "I cannot read" in said else 1
        assert page.evaluate("chainrule.practice.current.tries") == tries


def test_stopping_shows_everything_again(browser: Any, tmp_path: Path) -> None:
    with opened(browser, tmp_path, explain(fork())) as page:
        open_section(page)
        press(page, "Ask me something")
        assert hidden(page)
        press(page, "Stop")
        assert hidden(page) == set()
        assert page.locator("textarea").is_hidden()
        assert page.locator("#whatif-leaf").count() == 1


def test_other_numbers_make_a_new_exercise(browser: Any, tmp_path: Path) -> None:
    explanation = explain(fork())
    with opened(browser, tmp_path, explanation) as page:
        open_section(page)
        press(page, "Other numbers")
        place = current(page)
        assert page.evaluate("document.body.dataset.changed") == "true"
        now = page.evaluate("(place) => chainrule.tensor(place).data[0]", place)
        assert now != pytest.approx(float(tensor_of(explanation.record, place)))
        page.locator("textarea").fill(str(now))
        press(page, "Check")
        assert verdict(page).startswith("✓ Right.")


def test_a_matrix_is_written_on_several_lines(browser: Any, tmp_path: Path) -> None:
    w = cr.variable(np.array([[1.5, -2.0], [0.5, 3.0]]), name="W")
    with opened(browser, tmp_path, explain(cr.sum(w * w).named("L"))) as page:
        open_section(page)
        page.evaluate("chainrule.select(0)")
        page.locator("#practice-choice").select_option(label="its gradient")
        press(page, "Hide it and ask me")
        page.keyboard.type("3 -4")
        page.keyboard.press("Enter")
        page.keyboard.type("1 6")
        assert verdict(page) == ""  # Enter is a new row here
        page.keyboard.press("Control+Enter")
        assert verdict(page).startswith("✓ Right.")


def test_the_verdict_is_spoken_and_every_field_has_a_name(browser: Any, tmp_path: Path) -> None:
    with opened(browser, tmp_path, explain(fork(), exercise=True)) as page:
        assert page.locator("#practice-verdict").get_attribute("role") == "status"
        question = page.locator("#practice-question").text_content()
        assert page.get_by_role("textbox", name=question).count() == 1
        assert page.evaluate("document.activeElement.id") == "practice-question"
