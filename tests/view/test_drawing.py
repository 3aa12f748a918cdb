"""Drawings hold every node once, with its shape and its name, and nothing overlaps."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.errors import ArgumentError, MissingExtraError
from chainrule.graph import Node, topological
from chainrule.view import Drawing, draw
from chainrule.view.layout import place
from chainrule.view.scene import Oval, Text, text_width

SVG = "{http://www.w3.org/2000/svg}"


def parse(drawing: Drawing) -> ElementTree.Element:
    return ElementTree.fromstring(drawing.svg)


def texts(drawing: Drawing) -> list[str]:
    return [element.text or "" for element in parse(drawing).iter(f"{SVG}text")]


def kinds(drawing: Drawing, kind: str) -> int:
    return sum(kind in group.get("class", "").split() for group in parse(drawing).iter(f"{SVG}g"))


@pytest.fixture
def network() -> Node:
    x = cr.placeholder((8, 4), name="x")
    w, b = cr.variable(np.ones((4, 3), np.float32), name="W"), cr.variable(np.zeros(3, np.float32), name="b")
    hidden = cr.tanh(x @ w + b).named("hidden")
    return cr.softmax(hidden, axis=1)


def test_every_op_shape_and_name_is_there(network: Node) -> None:
    drawing = draw(network)
    shown = texts(drawing)
    for node in topological([network]):
        if node.inputs:
            assert node.op.name in shown
        assert " × ".join(map(str, node.shape)) in shown
        assert node.name is None or node.name in shown
    assert (kinds(drawing, "op"), kinds(drawing, "parameter"), kinds(drawing, "input")) == (4, 2, 1)
    assert kinds(drawing, "edge") == 6
    assert kinds(drawing, "composite") == 1
    root = parse(drawing)
    assert len(list(root.iter(f"{SVG}ellipse"))) == 5  # four ops, and the inner line of the composite
    boxes = [r for r in root.iter(f"{SVG}rect") if "fill-parameter" in r.get("class", "")]
    assert len(boxes) == 2


def test_it_is_accessible(network: Node) -> None:
    root = parse(draw(network))
    assert root.get("role") == "img"
    labels = root.get("aria-labelledby", "").split()
    assert [element.get("id") for element in root[:2]] == labels
    assert root[0].text == "graph of softmax: 4 ops, 2 parameters, 1 inputs and constants"
    titles = [group[0].text or "" for group in root.iter(f"{SVG}g")]
    assert any("test_drawing.py:" in title for title in titles)


def test_a_composite_opens(network: Node) -> None:
    opened = draw(network, fold=False)
    assert kinds(opened, "composite") == 0
    assert "softmax" not in texts(opened)
    assert "exp" in texts(opened)


def test_shared_nodes_are_drawn_once_and_numbers_for_each_reader() -> None:
    a, b = cr.variable(3.0, name="a"), cr.variable(1.0, name="b")
    shown = texts(draw((a * b + 1) * (a * b + 1 + 1)))
    assert shown.count("a") == shown.count("b") == 1
    assert shown.count("multiply") == 2
    assert shown.count("1") == 2


def test_an_input_read_twice_has_two_arrows() -> None:
    x = cr.variable(2.0, name="x")
    assert kinds(draw(x * x), "edge") == 2


def test_derivative_nodes_are_told_apart() -> None:
    x = cr.variable([2.0, 3.0], name="x")
    drawing = draw(cr.gradients(cr.tanh(x).sum(), x))
    assert kinds(drawing, "gradient") > 2
    assert "tanh" in texts(drawing)


def test_names_are_escaped() -> None:
    x = cr.variable([2.0], name="<W & 'b'>")
    drawing = draw(cr.exp(x).named('a "quoted" name'))
    assert {"<W & 'b'>", 'a "quoted" name'} <= set(texts(drawing))


def test_origins_are_added_on_demand(network: Node) -> None:
    assert not any("test_drawing.py" in text for text in texts(draw(network)))
    assert sum("test_drawing.py:" in text for text in texts(draw(network, origins=True))) == 7


@pytest.mark.parametrize(
    ("direction", "axis", "sign"), [("up", 1, -1), ("down", 1, 1), ("right", 0, 1), ("left", 0, -1)]
)
def test_outputs_lie_in_the_direction_asked_for(network: Node, direction: str, axis: int, sign: int) -> None:
    groups = {g.title.split(",")[0]: g for g in draw(network, direction=direction).scene.groups}  # type: ignore[arg-type]
    chain = [groups[name].shapes[0] for name in ("placeholder 'x'", "matmul", "tanh 'hidden'", "softmax")]
    places = [sign * (shape.x, shape.y)[axis] for shape in chain]  # type: ignore[union-attr]
    assert places == sorted(places)


def test_drawings_are_deterministic_and_ids_differ_between_drawings(network: Node) -> None:
    assert draw(network).svg == draw(network).svg
    ids = {parse(draw(node)).get("aria-labelledby") for node in (network, cr.exp(network))}
    assert len(ids) == 2


def test_text_stays_inside_the_shapes_and_the_page(network: Node) -> None:
    scene = draw(cr.exp(network).named("a long name of an output"), origins=True).scene
    for group in scene.groups:
        for shape in group.shapes:
            if isinstance(shape, Text):
                width = text_width(shape.text, shape.size)
                left = {"start": shape.x, "middle": shape.x - width / 2}[shape.anchor]
                assert left >= 0
                assert left + width <= scene.width
                assert shape.y - shape.size >= 0
                assert shape.y <= scene.height
                outline = group.shapes[0]
                if isinstance(outline, Oval) and shape.role != "dims":
                    assert width <= outline.width


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 25), st.integers(0, 2**16), st.floats(0.2, 3.0))
def test_nothing_overlaps(count: int, seed: int, density: float) -> None:
    rng = np.random.default_rng(seed)
    sizes = [tuple(rng.uniform(10, 90, 2)) for _ in range(count)]
    edges = [
        (int(rng.integers(0, target)), target)
        for target in range(1, count)
        for _ in range(int(rng.poisson(density)))
    ]
    placed = place(sizes, edges)
    boxes = list(zip(placed.across, placed.along, sizes, strict=True))
    for (x1, y1, s1), (x2, y2, s2) in itertools.combinations(boxes, 2):
        apart = abs(x1 - x2) >= (s1[0] + s2[0]) / 2 - 1e-6 or abs(y1 - y2) >= (s1[1] + s2[1]) / 2 - 1e-6
        assert apart
    for x, y, size in boxes:
        assert size[0] / 2 - 1e-6 <= x <= placed.breadth - size[0] / 2 + 1e-6
        assert size[1] / 2 - 1e-6 <= y <= placed.length - size[1] / 2 + 1e-6
    for source, target in edges:
        assert placed.along[source] < placed.along[target]


def test_files(network: Node, tmp_path: Path) -> None:
    drawing = draw(network, tmp_path / "net.svg")
    assert (tmp_path / "net.svg").read_text(encoding="utf-8") == drawing.svg == drawing._repr_svg_()
    drawing.save(tmp_path / "net.png")
    assert (tmp_path / "net.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ArgumentError, match=r"name it .svg or .png"):
        drawing.save(tmp_path / "net.pdf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.png", "net.svg"]


def test_too_many_nodes_are_refused() -> None:
    x = cr.variable(1.0)
    node: Node = x
    for _ in range(3001):
        node = cr.tanh(node)
    with pytest.raises(ArgumentError, match="3002 nodes are more than a drawing can show"):
        draw(node)


def test_a_deep_graph_is_drawn() -> None:
    x = cr.variable(1.0)
    node: Node = x
    for step in range(150):
        node = cr.tanh(node * x + float(step))
    assert kinds(draw(node), "op") == 450


def test_a_missing_package_is_named(network: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "igraph", None)
    with pytest.raises(MissingExtraError, match=r"chainrule\[draw\]"):
        draw(network)


def test_an_unknown_direction_is_refused(network: Node) -> None:
    with pytest.raises(ArgumentError, match="one of up, down, right, left"):
        draw(network, direction="sideways")  # type: ignore[arg-type]
