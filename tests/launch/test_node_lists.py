"""Slurm's lists of nodes, as ``scontrol show hostnames`` would write them out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.errors import ConfigurationError
from chainrule.launch.node_lists import expand, first_node

LISTS = {
    "n1": ["n1"],
    "n1,n2": ["n1", "n2"],
    "n[001-003,7],gpu-2": ["n001", "n002", "n003", "n7", "gpu-2"],
    "n[8-11]": ["n8", "n9", "n10", "n11"],
    "n[08-11]": ["n08", "n09", "n10", "n11"],
    "n[098-101]": ["n098", "n099", "n100", "n101"],
    "r[0-1]n[8-9]": ["r0n8", "r0n9", "r1n8", "r1n9"],
    "a[1,3]-ib,b": ["a1-ib", "a3-ib", "b"],
    "n[5]": ["n5"],
    "node-1.cluster.example,node-2.cluster.example": ["node-1.cluster.example", "node-2.cluster.example"],
    "[1-2]": ["1", "2"],
}


@pytest.mark.parametrize("text", LISTS)
def test_lists(text: str) -> None:
    assert expand(text) == LISTS[text]
    assert first_node(text) == LISTS[text][0]


@pytest.mark.parametrize(
    "text",
    ["", ",", "n1,,n2", "n1,", "n[1", "n1]", "n[[1]]", "n[]", "n[1-]", "n[-1]", "n[3-1]", "n[a-b]",
     "n[1-2-3]", "n[1,,2]", "n[²]", "n[1-99999999999]", "n[1-9999]m[1-9999]"],
)  # fmt: skip
def test_damaged_lists(text: str) -> None:
    with pytest.raises(ConfigurationError, match="no list of nodes"):
        expand(text)


@given(st.integers(0, 5000), st.integers(1, 60), st.integers(1, 6))
@settings(deadline=None, max_examples=50)
def test_a_range_is_its_numbers(low: int, count: int, width: int) -> None:
    high = low + count - 1
    expected = [f"n{number:0{width}d}" for number in range(low, high + 1)]
    assert expand(f"n[{low:0{width}d}-{high:0{width}d}]") == expected
    assert expand(",".join(expected)) == expected
