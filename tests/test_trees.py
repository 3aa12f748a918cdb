"""Trees of values: flattened, and put together again as they were."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.trees import flatten, rebuild_tree


class Pair(NamedTuple):
    left: Any
    right: Any


TREES = st.recursive(
    st.text(max_size=2) | st.floats(allow_nan=False) | st.none(),
    lambda children: (
        st.lists(children.filter(lambda c: not isinstance(c, float)), max_size=3)
        | st.tuples(children, children)
        | st.dictionaries(st.text(max_size=2), children, max_size=3)
        | st.builds(Pair, children, children)
    ),
    max_leaves=12,
)


@given(tree=TREES)
def test_a_tree_comes_back_as_it_was(tree: Any) -> None:
    leaves, shape = flatten(tree)
    back = rebuild_tree(shape, leaves)
    assert back == tree
    assert type(back) is type(tree)
    names = [f"leaf {number}" for number in range(len(leaves))]
    assert flatten(rebuild_tree(shape, names))[0] == names


CASES: list[tuple[Any, list[Any]]] = [
    (3.0, [3.0]),
    ([1.0, 2.0], [[1.0, 2.0]]),
    ([[1.0], [2.0]], [[[1.0], [2.0]]]),
    ((1.0, 2.0), [1.0, 2.0]),
    ({"b": 1, "a": (2, [3, 4])}, [1, 2, [3, 4]]),
    ([], []),
    (((), {}), []),
]


@pytest.mark.parametrize(("tree", "leaves"), CASES, ids=repr)
def test_leaves_from_left_to_right(tree: Any, leaves: list[Any]) -> None:
    assert flatten(tree)[0] == leaves


def test_arrays_and_named_tuples() -> None:
    array = np.ones(3)
    leaves, shape = flatten([Pair(array, 1.0), array])
    assert leaves[0] is array
    assert len(leaves) == 3
    back = rebuild_tree(shape, leaves)
    assert isinstance(back[0], Pair)
    assert back[0].left is array
