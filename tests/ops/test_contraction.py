"""What the table cannot say of contractions: how the derivatives are built, and the exact error texts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.graph import topological
from chainrule.ops import expand


def op_names(*outputs: cr.Node) -> list[str]:
    return [node.op.name for node in topological(outputs) if node.inputs]


def test_gradient_of_a_matrix_product_is_two_products_of_transposes() -> None:
    x, y = cr.placeholder((4, 3), name="x"), cr.placeholder((3, 5), name="y")
    ct = cr.placeholder((4, 5), name="ct")
    by_x, by_y = cr.gradients(x @ y, [x, y], cotangent=ct)
    assert by_x is ct @ y.T
    assert by_y is x.T @ ct
    assert sorted(op_names(by_x, by_y)) == ["matmul", "matmul", "permute_dims", "permute_dims"]


def test_transposes_are_views() -> None:
    x = cr.placeholder((4, 3))
    array = np.ones((4, 3), np.float32)
    assert np.shares_memory(cr.evaluate(x.T, feed={x: array}), array)


def test_a_batch_against_one_matrix_is_one_product() -> None:
    """The weight's gradient sums over batch and rows inside the product, not after it."""
    x, w = cr.placeholder((8, 7, 3)), cr.placeholder((3, 5))
    gradient = cr.gradients(cr.sum(x @ w), w)
    assert [node.shape for node in topological([gradient]) if node.op.name == "matmul"] == [(3, 5)]


def test_einsum_opens_into_the_matrix_product_it_is() -> None:
    x, y = cr.placeholder((2, 3)), cr.placeholder((3, 4))
    assert expand([cr.einsum("ij,jk->ik", x, y)])[0] is x @ y
    assert expand([cr.tensordot(x, y, axes=1)])[0] is x @ y


def test_einsum_takes_the_cheap_order() -> None:
    """(A·B)·v costs n³; A·(B·v) costs n²: the greedy order finds it."""
    a, b, v = cr.placeholder((50, 60)), cr.placeholder((60, 70)), cr.placeholder((70,))
    (opened,) = expand([cr.einsum("ij,jk,k->i", a, b, v)])
    products = [node.shape for node in topological([opened]) if node.op.name == "matmul"]
    assert all(np.prod(shape) <= 60 for shape in products), products


def test_einsum_does_not_multiply_where_it_can_sum_first() -> None:
    """A letter of one operand alone is summed before the product."""
    x, y = cr.placeholder((2, 30)), cr.placeholder((2, 4))
    (opened,) = expand([cr.einsum("ij,ik->ik", x, y)])
    assert max(node.size for node in topological([opened]) if node.inputs) == 8


LETTERS = "ijkl"


@st.composite
def specifications(draw: st.DrawFn) -> tuple[str, list[tuple[int, ...]]]:
    lengths = {letter: draw(st.integers(0, 3)) for letter in LETTERS}
    operands = draw(st.lists(st.text(LETTERS, max_size=3), min_size=1, max_size=3))
    seen = sorted(set("".join(operands)))
    output = draw(st.permutations(seen))[: draw(st.integers(0, len(seen)))]
    shapes = [tuple(lengths[letter] for letter in operand) for operand in operands]
    return f"{','.join(operands)}->{''.join(output)}", shapes


@settings(deadline=None, max_examples=150)
@given(case=specifications(), seed=st.integers(0, 9))
def test_any_einsum_equals_numpys(case: tuple[str, list[tuple[int, ...]]], seed: int) -> None:
    spec, shapes = case
    rng = np.random.default_rng(seed)
    arrays = [np.asarray(rng.normal(size=shape)) for shape in shapes]
    leaves = [cr.variable(array) for array in arrays]
    node = cr.einsum(spec, *leaves)
    expected = np.einsum(spec, *arrays)
    np.testing.assert_allclose(node.value, expected, rtol=1e-12, atol=1e-12)
    ct = np.asarray(rng.normal(size=node.shape))
    for array, found in zip(arrays, cr.gradients(node, leaves, cotangent=ct), strict=True):
        along = rng.normal(size=array.shape)
        moved = [
            np.einsum(spec, *[a + s * along if a is array else a for a in arrays]) for s in (1e-5, -1e-5)
        ]
        numeric = np.sum((moved[0] - moved[1]) / 2e-5 * ct)
        np.testing.assert_allclose(np.sum(found.value * along), numeric, rtol=1e-5, atol=1e-7)


ERRORS = {
    "matmul": (
        lambda: cr.matmul(cr.variable(np.ones((2, 3)), name="W"), cr.variable(np.ones((2, 3)), name="h")),
        "matmul: shapes (2, 3) and (2, 3): the last axis of the first has length 3, "
        "the last but one axis of the second has 2\n"
        "  input 0: W, shape (2, 3), float64, from {here}\n"
        "  input 1: h, shape (2, 3), float64, from {here}\n"
        "    W  2  3\n"
        "          ^\n"
        "    h  2  3\n"
        "       ^  3 against 2\n"
        "  where: {here}\n"
        "  mend:  transpose the second: x @ y.mT",
    ),
    "first transposed": (
        lambda: cr.variable(np.ones((2, 3))) @ np.ones((2, 5)),
        "mend:  transpose the first: x.mT @ y",
    ),
    "both transposed": (
        lambda: cr.matmul(np.ones((2, 3)), np.ones((4, 2))),
        "mend:  exchange them, or transpose both: y @ x, or x.mT @ y.mT",
    ),
    "scalar": (lambda: cr.matmul(2.0, np.ones(3)), "a scalar has no axis to sum over"),
    "batch": (
        lambda: cr.matmul(np.ones((2, 1, 3)), np.ones((5, 3, 1))),
        "the batch axes, shapes (2,) and (5,) do not broadcast",
    ),
    "bool": (lambda: cr.matmul([[True]], [[True]]), "matmul: operands of bool are not taken"),
    "einsum lengths": (
        lambda: cr.einsum("ij,jk->ik", np.ones((2, 3)), np.ones((2, 4))),
        "einsum: 'ij,jk->ik' of shapes (2, 3), (2, 4): 'j' stands for lengths 2 and 3",
    ),
    "einsum axes": (
        lambda: cr.einsum("ij->i", np.ones(3)),
        "operand 0 has 1 axes, shape (3,), and 2 letters",
    ),
    "einsum count": (lambda: cr.einsum("i,j", np.ones(3)), "2 operands are described, and 1 given"),
    "einsum output": (lambda: cr.einsum("i->j", np.ones(3)), "'j' of the output is in no operand"),
    "einsum twice": (lambda: cr.einsum("i->ii", np.ones(3)), "'i' is twice in the output"),
    "einsum sign": (lambda: cr.einsum("i;j", np.ones(3)), "';' cannot stand here"),
    "einsum nothing": (lambda: cr.einsum("->"), "einsum: there are no operands"),
    "einsum dots": (lambda: cr.einsum("...i->i", np.ones((2, 3))), "the output leaves out the ellipsis"),
    "tensordot": (
        lambda: cr.tensordot(np.ones((2, 3)), np.ones((4, 5)), axes=1),
        "axis 1 of the first has length 3, axis 0 of the second has 4",
    ),
    "vecdot": (
        lambda: cr.vecdot(np.ones(3), np.ones(4)),
        "vecdot: axis -1 has length 3 in shape (3,) and 4 in shape (4,)",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_error_texts(name: str) -> None:
    make, expected = ERRORS[name]
    with pytest.raises(cr.errors.ChainruleError) as caught:
        make()
    text = str(caught.value)
    here = text.rsplit("where: ", 1)[1].splitlines()[0]
    assert "test_contraction.py:" in here
    assert expected.format(here=here) in text
