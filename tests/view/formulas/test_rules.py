"""Every op and composite renders in three forms, and what is printed is what is computed."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product

import numpy as np
import pytest
from tests.ops.table import TABLE, Case, Row
from tests.view.formulas.reading import read

import chainrule as cr
import chainrule.functions as F
from chainrule.differentiate.sweep import sweep
from chainrule.dtypes import is_float
from chainrule.graph import Constant, Node, topological
from chainrule.ops import Composite, Elementwise
from chainrule.view.formulas import Math, Writer, evaluate, local_rule, symbol, value_rule

CONVENTIONS = ("row", "column")
LEAVES = "abcdefgh"


Make = Callable[[], Sequence[Node]]


def table_cases() -> Iterator[tuple[str, Make]]:
    """What the functions of the op table build, on random float64 operands."""
    for row in TABLE:
        for case in row.cases:
            if not any(0 in shape for shape in case.shapes):
                yield f"{row.name} {case}", partial(built, row, case)


def built(row: Row, case: Case) -> Sequence[Node]:
    rng = np.random.default_rng(7)
    arrays = [o.sample(rng, s, "float64") for o, s in zip(row.operands, case.shapes, strict=False)]
    leaves = [cr.variable(a) if a.dtype.kind == "f" else cr.constant(a) for a in arrays]
    found = row.function(*leaves, **case.attributes)
    return [found] if isinstance(found, Node) else list(found)


class Maker:
    """Variables of standard normal numbers, the same each time a case is built."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(8)

    def __call__(self, *shape: int) -> Node:
        return cr.variable(self.rng.normal(size=shape))


TARGETS, EVEN = [0, 2, 1], np.full((3, 4), 0.25)
COMPOSITES: dict[str, Callable[[Maker], Node]] = {
    "softmax": lambda v: F.softmax(v(3, 4)),
    "softmax of a vector": lambda v: F.softmax(v(5)),
    "axis 0": lambda v: F.softmax(v(3, 4), 0),
    "log_softmax": lambda v: F.log_softmax(v(3, 4)),
    "logsumexp": lambda v: F.logsumexp(v(3, 4), -1),
    "of all": lambda v: F.logsumexp(v(5)),
    "masked": lambda v: F.masked_softmax(v(3, 4), np.arange(12).reshape(3, 4) % 3 > 0),
    "cross_entropy": lambda v: F.cross_entropy(v(3, 4), TARGETS),
    "of one": lambda v: F.cross_entropy(v(5), 3),
    "summed": lambda v: F.cross_entropy(v(3, 4), TARGETS, reduction="sum"),
    "none": lambda v: F.cross_entropy(v(3, 4), TARGETS, reduction="none"),
    "of probabilities": lambda v: F.cross_entropy(v(3, 4), cr.variable(EVEN)),
    "smoothed": lambda v: F.cross_entropy(v(3, 4), TARGETS, label_smoothing=0.1),
    "ignoring": lambda v: F.cross_entropy(v(3, 4), TARGETS, ignore_index=1),
    "weighted": lambda v: F.cross_entropy(v(3, 4), TARGETS, class_weights=np.arange(1.0, 5.0)),
    "nll": lambda v: F.nll_loss(v(3, 4), TARGETS),
    "binary": lambda v: F.binary_cross_entropy_with_logits(v(3, 4), cr.variable(EVEN), reduction="none"),
    "layer_norm": lambda v: F.layer_norm(v(3, 4)),
    "rms_norm": lambda v: F.rms_norm(v(3, 4)),
    "conv1d": lambda v: F.conv1d(v(7, 3), v(2, 3, 4)),
    "conv2d": lambda v: F.conv2d(v(2, 5, 5, 3), v(2, 2, 3, 4), stride=2, padding=1),
    "max_pool": lambda v: F.max_pool1d(v(6, 2), 2),
    "average_pool": lambda v: F.average_pool2d(v(4, 4, 2), 2),
    "over time": lambda v: F.max_over_time(v(7, 3)),
    "dropout": lambda v: F.dropout(v(3, 4), 0.5, cr.random.key(0)),
    "attention": lambda v: F.scaled_dot_product_attention(v(3, 4), v(5, 4), v(5, 2)),
    "causal": lambda v: F.scaled_dot_product_attention(v(2, 3, 4), v(2, 3, 4), v(2, 3, 2), causal=True),
    "embedding": lambda v: F.embedding(np.array([[1, 2], [0, 1]]), v(4, 3)),
    "bilinear": lambda v: F.bilinear(v(2), v(3), v(2, 3, 4)),
    "crf": lambda v: F.crf_log_partition(v(2, 3, 4), v(4, 4)),
    "crf path": lambda v: F.crf_path_score(v(2, 3, 4), np.array([[0, 1, 2]] * 2), v(4, 4)),
    "margin": lambda v: F.max_margin(v(3), v(3)),
    "huber": lambda v: F.huber_loss(v(3), v(3)),
    "kl": lambda v: F.kl_divergence(v(3, 4), EVEN),
}


def composite_cases() -> Iterator[tuple[str, Make]]:
    for name, activation in F.ACTIVATIONS.items():
        if name != "identity":
            yield name, lambda activation=activation: [activation(Maker()(3, 4))]
    for name, make in COMPOSITES.items():
        yield name, lambda make=make: [make(Maker())]


CASES = dict([*table_cases(), *composite_cases()])
ALL = pytest.mark.parametrize("case", CASES)


def nodes_of(case: str) -> list[Node]:
    """Every op node of what a case builds."""
    return [node for node in topological(CASES[case]()) if node.inputs]


def names_of(node: Node) -> dict[Node, str]:
    names = {node: "h"}
    for place, child in enumerate(node.inputs):
        names.setdefault(child, LEAVES[place % 7])
    return names


def rules(node: Node, convention: str) -> Iterator[Math]:
    yield value_rule(node, names_of(node), convention=convention)
    for index in range(len(node.inputs)):
        yield local_rule(node, index, names_of(node), convention=convention)


@ALL
def test_three_forms(case: str) -> None:
    for node, convention in product(nodes_of(case), CONVENTIONS):
        for rule in rules(node, convention):
            assert rule.text().strip(), node
            element = ET.fromstring(rule.mathml())
            assert (element.tag, len(element)) == ("math", 1)
            empty = [
                e.tag
                for e in element.iter()
                if not len(e) and not (e.text or "").strip() and e.tag != "mspace"
            ]
            assert not empty, rule.mathml()
            check_latex(rule.latex())


def check_latex(text: str) -> None:
    """Braces and delimiters pair up, no script is doubled, and nothing is left that LaTeX would eat."""
    plain = text.replace("\\{", "").replace("\\}", "")
    depth = 0
    for character in plain:
        depth += (character == "{") - (character == "}")
        assert depth >= 0, text
    assert depth == 0, text
    assert plain.count("\\left") == plain.count("\\right"), text
    assert not re.search(r"[\^_]\s*[\^_]|\}\^\{[^{}]*\}\^\{", plain), text
    outside = re.sub(r"\\begin\{cases\}.*?\\end\{cases\}", "", plain)
    assert not re.search(r"(?<!\\)[%&#$]", outside), text


# -- what is printed is what is computed ---------------------------------------------------------------


def same(found: object, wanted: np.ndarray, what: str) -> None:
    array = np.asarray(found, float)
    array = array.reshape(wanted.shape) if array.size == wanted.size else np.broadcast_to(array, wanted.shape)
    np.testing.assert_allclose(array, wanted.astype(float), rtol=1e-6, atol=1e-9, err_msg=what)


def contribution(node: Node, index: int, upstream: np.ndarray) -> np.ndarray:
    found: list[Node] = []
    floats = {child for child in node.inputs if is_float(child.dtype)}

    def observe(consumer: Node, place: int, part: Node) -> None:
        if consumer is node and place == index:
            found.append(part)

    sweep({node: cr.constant(upstream)}, list(floats), observe)
    return found[0].value if found else np.zeros(node.inputs[index].shape)


def bound(node: Node) -> dict[str, np.ndarray]:
    names = names_of(node)
    return {names[each]: each.value for each in (node, *node.inputs)}


IN_WORDS = {"convolution", "max_pool", "average_pool", "dropout", "prod"}
"""Ops whose derivatives are named, or too long to be written out."""


@pytest.mark.parametrize("convention", CONVENTIONS)
@ALL
def test_rules_compute_what_the_engine_does(case: str, convention: str) -> None:
    for node in nodes_of(case):
        check_rules(node, convention)


def check_rules(node: Node, convention: str) -> None:
    values = bound(node)
    rule = value_rule(node, names_of(node), convention=convention)
    found = evaluate(rule, values, convention)
    if found is not None:
        same(found, node.value, f"value of {node.op.name}: {rule}")
    if not is_float(node.dtype):
        return
    upstream = np.random.default_rng(3).normal(size=node.shape).astype(node.dtype)
    for index, child in enumerate(node.inputs):
        if not is_float(child.dtype) or isinstance(child, Constant):
            continue
        if (
            isinstance(node.op, Composite)
            and not node.op.has_own_derivative()
            and any(child is other for other in node.inputs[:index])
        ):
            continue  # the sum went to the first place that names it
        rule = local_rule(node, index, names_of(node), convention=convention)
        found = evaluate(rule, {**values, "ȳ": upstream}, convention)
        if found is None:
            assert node.op.name in IN_WORDS or "∂" in rule.text()
        else:
            same(found, contribution(node, index, upstream), f"{node.op.name}, input {index}: {rule}")


@ALL
def test_text_of_elementwise_rules_reads_as_what_it_means(case: str) -> None:
    """Another reader of the text, with SciPy's functions, gets the value and every derivative."""
    for node in nodes_of(case):
        if isinstance(node.op, Elementwise) or node.op.name == "where":
            check_text(node)


def check_text(node: Node) -> None:
    values = bound(node)
    for convention in CONVENTIONS:
        text = value_rule(node, names_of(node), convention=convention).text()
        if " " in text and re.search(r"\w [\w(]", re.sub(r" (if|else|mod) ", "+", text)):
            continue  # a column times a row, written as a product of matrices
        same(read(text, values), node.value, text)
    if not is_float(node.dtype):
        return
    upstream = np.random.default_rng(4).normal(size=node.shape).astype(node.dtype)
    for index, child in enumerate(node.inputs):
        if not is_float(child.dtype) or child.shape != node.shape:
            continue
        text = local_rule(node, index, names_of(node)).text()
        same(read(text, {**values, "ȳ": upstream}), contribution(node, index, upstream), text)


SPELLED = [
    "softmax", "softmax of a vector", "axis 0", "log_softmax", "logsumexp", "of all", "cross_entropy",
    "of one", "summed", "of probabilities", "nll", "binary", "layer_norm", "rms_norm",
]  # fmt: skip


@pytest.mark.parametrize("name", SPELLED)
def test_definitions_of_composites_are_what_they_compute(name: str) -> None:
    node = next(node for node in nodes_of(name) if isinstance(node.op, Composite))
    text = value_rule(node, names_of(node)).text()
    assert node.op.name not in text, f"{text} says nothing"
    same(read(text, bound(node)), node.value, text)


SUMS = {
    "scalar products": (lambda x, y: cr.sum(x[:, None, :] * y, axis=-1), (4, 8), (4, 6, 8)),
    "of one row": (lambda x, y: cr.sum(x[2] * y, axis=0), (3, 5), (5,)),
    "of columns": (lambda x, y: cr.sum(x[:, :, None] * y, axis=(0, 1)), (2, 3), (2, 3, 4)),
    "of a fraction": (lambda x, y: cr.sum((x - y) / (1 + cr.square(y)), axis=1), (3, 4), (4,)),
}


@pytest.mark.parametrize("name", SUMS)
def test_letters_stand_at_the_axes_that_are_summed(name: str) -> None:
    """A sum's text, read by letters, is the sum: also of arrays with axes of their own."""
    make, *shapes = SUMS[name]
    numbers = np.random.default_rng(6)
    x, y = (cr.variable(numbers.normal(size=shape)) for shape in shapes)
    node = make(x, y)
    text = Writer({x: symbol("x", x.ndim), y: symbol("y", y.ndim)})(node).text()
    same(read(text, {"x": x.value, "y": y.value}), node.value, text)
