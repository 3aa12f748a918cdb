"""Folds hold every node once, and their pictures have no cycle, whatever the modules are called."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.view.page.arrangement import layouts
from chainrule.view.page.folding import MOST_ITEMS, fold

Record = dict[str, Any]


def node(number: int, inputs: list[int], module: str = "", op: str = "add", kind: str = "op") -> Record:
    return {"id": number, "op": op, "inputs": inputs, "kind": kind, "shape": [2], "module": module}


def chain(modules: list[str], *, parameters: bool = True) -> list[Record]:
    """One op after the other, each with a parameter, written in the modules given."""
    nodes = [node(0, [], kind="input", op="x")]
    last = 0
    for module in modules:
        inputs = [last]
        if parameters:
            nodes.append(node(len(nodes), [], module, "W", "parameter"))
            inputs.append(len(nodes) - 1)
        nodes.append(node(len(nodes), inputs, module, "matmul"))
        last = len(nodes) - 1
    return nodes


def members(folds: list[Record], number: int) -> set[int]:
    found = set(folds[number]["nodes"])
    for inner in folds[number]["folds"]:
        found |= members(folds, inner)
    return found


def check(nodes: list[Record], folds: list[Record]) -> None:
    assert sorted(k for fold in folds for k in fold["nodes"]) == [record["id"] for record in nodes]
    for number, record in enumerate(folds):
        assert record["id"] == number
        assert (record["parent"] is None) == (number == 0)
        assert all(nodes[k]["fold"] == number for k in record["nodes"])
        assert all(folds[inner]["parent"] == number for inner in record["folds"])
        ops = [k for k in record["nodes"] if nodes[k]["inputs"]]
        assert len(ops) + len(record["folds"]) <= MOST_ITEMS + 60
    for layout in layouts(nodes, folds):
        layer = {v: k for k, row in enumerate(layout["rows"]) for v in row}
        assert sorted(layer) == list(range(layout["vertices"]))
        for _, source, target, _, bends in layout["edges"]:
            way = [layer[v] for v in (source, *bends, target)]
            assert way == sorted(set(way)), "an edge goes down: the folded picture has a cycle"


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Record], dict[int, tuple[list[int], int]]]:
    count = draw(st.integers(1, 40))
    names = st.sampled_from(["", "a", "b", "a.0", "a.1", "a.1.c", "b.a", "d.0", "d.1", "d.2"])
    nodes = []
    for number in range(count):
        inputs = draw(st.lists(st.integers(0, number - 1), max_size=3)) if number else []
        kind = "op" if inputs else draw(st.sampled_from(["input", "parameter", "constant"]))
        nodes.append(node(number, inputs, draw(names), draw(st.sampled_from(["add", "exp"])), kind))
    return nodes, {}


@given(graphs())
@settings(deadline=None, max_examples=150)
def test_any_graph_folds_without_a_cycle(
    made: tuple[list[Record], dict[int, tuple[list[int], int]]],
) -> None:
    nodes, parts = made
    check(nodes, fold(nodes, parts))


def test_modules_fold_and_single_ops_do_not() -> None:
    nodes = chain(["enc.a", "enc.a", "enc.b", "head"])
    folds = fold(nodes, {})
    check(nodes, folds)
    assert [(f["name"], f["kind"]) for f in folds] == [("", "root"), ("enc", "module"), ("a", "module")]
    assert len(folds[1]["nodes"]) == 2  # enc.b's op and its parameter
    assert {nodes[k]["module"] for k in folds[0]["nodes"]} == {"", "head"}


def test_two_calls_of_one_module_stay_apart() -> None:
    nodes = chain(["cell", "cell", "other", "cell", "cell"], parameters=False)
    folds = fold(nodes, {})
    check(nodes, folds)
    assert [(f["name"], f["nodes"]) for f in folds[1:]] == [("cell", [1, 2]), ("cell", [4, 5])]


def test_an_interleaved_module_is_joined_again_where_no_way_leads_out_and_back() -> None:
    nodes = [
        node(0, [], kind="input"), node(1, [0], "m"), node(2, [0], ""), node(3, [2], "m"),
        node(4, [1, 3], "m"), node(5, [4]),
    ]  # fmt: skip
    folds = fold(nodes, {})
    check(nodes, folds)
    assert folds[1]["nodes"] == [1, 3, 4]


def test_equal_layers_fold_with_a_count_with_what_stands_between() -> None:
    modules = [part for k in range(12) for part in (f"layers.{k}", f"layers.{k}", "")]
    nodes = chain([*modules, "head", "head", "head"])
    folds = fold(nodes, {})
    check(nodes, folds)
    (repeat,) = [f for f in folds if f["kind"] == "repeat"]
    assert (repeat["name"], repeat["count"]) == ("layers", 12)
    assert len([f for f in folds if f["parent"] == repeat["id"] and f["kind"] == "module"]) == 12
    assert len(folds[0]["nodes"]) + len(folds[0]["folds"]) <= 5


def test_unlike_layers_do_not_fold_together() -> None:
    nodes = chain(["l.0", "l.0", "l.1", "l.1", "l.1", "l.2", "l.2", "l.2", "l.2"])
    assert all(f["kind"] != "repeat" for f in fold(nodes, {}))


def test_a_composite_stands_on_its_level_and_its_parts_inside() -> None:
    nodes = [
        node(0, [], kind="input"), node(1, [0], op="exp"), node(2, [1], op="sum"),
        node(3, [1, 2], op="divide"), node(4, [0], op="softmax", kind="composite"), node(5, [4], op="log"),
    ]  # fmt: skip
    folds = fold(nodes, {4: ([1, 2, 3], 3)})
    check(nodes, folds)
    assert folds[0]["nodes"] == [0, 4, 5]
    assert (folds[1]["nodes"], folds[1]["node"], folds[1]["output"]) == ([1, 2, 3], 4, 3)
    top, inner = layouts(nodes, folds)
    assert top["items"] == [[0, -1], [4, 1], [5, -1]]
    assert [edge[:3] for edge in top["edges"]] == [[0, 0, 1], [4, 1, 2]]
    assert (inner["inputs"], inner["outputs"]) == ([0], [4])


def test_composites_in_composites_pass_their_value_out_through_both() -> None:
    nodes = [
        node(0, [], kind="input"), node(1, [0]), node(2, [1]), node(3, [0], op="inner", kind="composite"),
        node(4, [0], op="outer", kind="composite"), node(5, [4]),
    ]  # fmt: skip
    folds = fold(nodes, {3: ([1, 2], 2), 4: ([3], 3)})
    check(nodes, folds)
    _, outer, inner = layouts(nodes, folds)
    assert (outer["items"], outer["outputs"]) == ([[3, 2]], [4])
    assert inner["outputs"] == [3]


def test_a_number_is_written_beside_each_reader() -> None:
    nodes = [
        node(0, [], kind="input"), node(1, [], kind="constant", op="2") | {"shape": []},
        node(2, [0, 1]), node(3, [2, 1]),
    ]  # fmt: skip
    (top,) = layouts(nodes, fold(nodes, {}))
    assert sorted(item for item in top["items"]) == [[0, -1], [1, -1], [1, -1], [2, -1], [3, -1]]


@pytest.mark.parametrize("count", [1000, 10_000])
def test_a_long_graph_without_modules_is_cut_into_runs(count: int) -> None:
    draw = random.Random(0)
    ops = draw.choices(["add", "exp", "tanh", "sum", "mul"], k=count)
    nodes = [node(0, [], kind="input")]
    nodes += [node(k, [k - 1, draw.randrange(max(0, k - 9), k)], op=ops[k]) for k in range(1, count)]
    folds = fold(nodes, {})
    check(nodes, folds)
    assert {f["kind"] for f in folds} == {"root", "part"}


def test_an_unrolled_loop_folds_into_its_steps() -> None:
    nodes = [node(0, [], kind="input"), node(1, [], kind="parameter")]
    for _ in range(200):
        last = len(nodes) - 1 if len(nodes) > 2 else 0
        nodes.append(node(len(nodes), [last, 1], op="matmul"))
        nodes.append(node(len(nodes), [len(nodes) - 1], op="exp"))
        nodes.append(node(len(nodes), [len(nodes) - 1], op="tanh"))
    folds = fold(nodes, {})
    check(nodes, folds)
    (repeat,) = [f for f in folds if f["kind"] == "repeat"]
    assert repeat["count"] == 200


def test_a_value_that_many_read_runs_up_as_one_line() -> None:
    nodes = [node(0, [], kind="parameter", op="w"), node(1, [0])]
    nodes += [node(k, [k - 1, 0]) for k in range(2, 30)]
    (top,) = layouts(nodes, fold(nodes, {}))
    chains = {target: bends for _, source, target, _, bends in top["edges"] if source == 0}
    longest = chains[29]
    assert len(longest) == 28
    assert all(bends == longest[: len(bends)] for bends in chains.values())
    assert top["vertices"] == len(nodes) + len(longest)
