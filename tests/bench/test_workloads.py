"""The workloads: shapes and counts by hand, and the FLOPs against those of the graph itself."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from chainrule.bench import WORKLOADS, Work, Workload, work, workload_named
from chainrule.errors import ArgumentError
from chainrule.graph import Node, placeholder, topological
from chainrule.ops.composite import Composite
from chainrule.train import TrainingStep

PARAMETERS = {
    "mlp16": 784 * 16 + 16 + 16 * 16 + 16 + 16 * 10 + 10,
    "mlp128": 784 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10,
    "ner": 20_000 * 50 + 250 * 100 + 100 + 100,
    "pos": 20_000 * 64 + 320 * 128 + 128 + 128 * 17 + 17,
    "nlm": 10_000 * 64 + 256 * 256 + 256 + 256 * 10_000 + 10_000,
    "cnn": 20_000 * 300 + (3 + 4 + 5) * 300 * 100 + 3 * 100 + 300 * 2 + 2,
}
SHAPES = {
    "mlp16": [(32, 784), (32,)],
    "mlp128": [(64, 784), (64,)],
    "ner": [(32, 2, 5)],
    "pos": [(64, 5), (64,)],
    "nlm": [(256, 4), (256,)],
    "cnn": [(50, 56), (50,)],
}


@pytest.mark.parametrize("name", WORKLOADS)
def test_parameters_and_batches_are_those_of_the_table(name: str) -> None:
    workload = WORKLOADS[name]
    assert workload.parameter_count() == PARAMETERS[name]
    data, order = workload.data(), workload.order()
    assert [array[order[0]].shape for array in data] == SHAPES[name]
    assert order.shape == (workload.batches, workload.batch)
    assert sorted(order.ravel()) == list(range(len(data[0])))


def test_a_corrupted_window_differs_in_its_middle_word_alone() -> None:
    (pairs,) = WORKLOADS["ner"].data()
    same = pairs[:, 0] == pairs[:, 1]
    assert same[:, [0, 1, 3, 4]].all()
    assert same[:, 2].mean() < 0.01


def test_a_model_starts_the_same_or_from_what_it_is_given() -> None:
    workload = WORKLOADS["mlp16"]
    first, second = ([v.array for v in workload.model().parameters()] for _ in range(2))
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
    given = [np.full_like(array, 0.5) for array in first]
    assert all((v.array == 0.5).all() for v in workload.model(given).parameters())
    with pytest.raises(ValueError, match="shorter"):
        workload.model(given[:-1])


def products(nodes: list[Node]) -> int:
    """The FLOPs of every matrix product that these nodes rest on, those inside composites included."""
    total, seen = 0, set()
    for node in topological(nodes):
        if isinstance(node.op, Composite):
            inner = node.op.build(*[placeholder(i.shape, i.dtype) for i in node.inputs], **node.attributes)
            total += products([inner])
        elif node.op.name == "matmul" and node not in seen:
            seen.add(node)
            left, right = node.inputs
            total += 2 * math.prod(left.shape) * right.shape[-1] if right.ndim > 1 else 2 * left.size
    return total


@pytest.mark.parametrize("name", [name for name in WORKLOADS if name != "cnn"])
def test_the_flops_are_those_of_the_step_s_graph(name: str) -> None:
    workload = WORKLOADS[name]
    model = workload.model()
    step = TrainingStep(workload.loss(model), workload.new_optimizer(model))
    leaves = [placeholder(a[workload.order()[0]].shape, a.dtype) for a in workload.data()]
    loss, updates = step.graph([""] * len(leaves), leaves)
    assert products([loss, *updates.values()]) == work(workload).flops


def test_the_flops_of_a_text_cnn_are_those_of_its_winning_places() -> None:
    """Worked out by hand: 2 sentences of 6 words of 4 numbers, 3 filters each of 2 and 3 words, 2 classes."""
    forward = 2 * (2 * 4) * 3 * (2 * 5) + 2 * (3 * 4) * 3 * (2 * 4)
    backward = 2 * (2 * 2 * 4) * (2 * 3) + 2 * (2 * 3 * 4) * (2 * 3)
    classes = 3 * 2 * 2 * 6 * 2
    small = tiny_cnn()
    assert work(small).flops == forward + backward + classes


def tiny_cnn() -> Workload:
    sizes = {
        "words": 50,
        "width": 4,
        "window": 6,
        "filters": 3,
        "filter_sizes": [2, 3],
        "classes": 2,
        "dropout": 0.5,
    }
    return replace(WORKLOADS["cnn"], sizes=sizes, batch=2, batches=3)


@pytest.mark.parametrize(
    ("name", "numbers", "arrays"),
    [("mlp16", 13_002, 1), ("mlp128", 109_386, 3), ("pos", 1_323_281, 3), ("nlm", 3_275_792, 3)],
)
def test_dense_updates_read_and_write_everything(name: str, numbers: int, arrays: int) -> None:
    inputs = 4 * sum(math.prod(shape) for shape in SHAPES[name])
    assert work(WORKLOADS[name]).bytes == 2 * 4 * numbers * arrays + inputs


def test_sparse_updates_touch_the_rows_that_are_looked_up() -> None:
    small = tiny_cnn()
    words = small.data()[0]
    touched = np.mean([len(set(words[rows].ravel())) for rows in small.order()])
    others = small.parameter_count() - 50 * 4
    inputs = 4 * (2 * 6 + 2)
    assert work(small) == Work(work(small).flops, 2 * 4 * 3 * round(others + touched * 4) + inputs)


def test_an_unknown_workload_is_answered_with_the_nearest() -> None:
    with pytest.raises(ArgumentError, match="did you mean mlp16"):
        workload_named("mpl16")
    with pytest.raises(ArgumentError, match="choose one of: mlp16, mlp128, ner, pos, nlm, cnn"):
        workload_named("xyz")
