from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from chainrule.view.page.tensors import Tensors, decode

DTYPES = ("float32", "float64", "int32", "int64", "uint32", "bool")


def stored(array: np.ndarray, most_bytes: int = 10**9, rows: np.ndarray | None = None) -> dict:
    store = Tensors()
    number = store.add(array, rows)
    return store.encoded(most_bytes)[number]


@given(st.sampled_from(DTYPES).flatmap(lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0, min_side=0))))
@settings(deadline=None, max_examples=60)
def test_a_small_array_comes_back_bit_for_bit(array: np.ndarray) -> None:
    found, rows, columns = decode(stored(array))
    assert (rows, columns) == (None, None)
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes()


@pytest.mark.parametrize("shape", [(50_000,), (300, 400), (7, 50, 90), (30_000, 1), (2, 40_000)])
def test_of_a_large_one_come_the_two_ends_and_exact_statistics(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    tensor = stored(array)
    found, rows, columns = decode(tensor)
    plane = array.reshape(-1, shape[-1]) if len(shape) > 1 else array.reshape(1, -1)
    rows = list(range(plane.shape[0])) if rows is None else rows
    columns = list(range(plane.shape[1])) if columns is None else columns
    assert found.tobytes() == plane[np.ix_(rows, columns)].tobytes()
    assert found.size < 20_000 < array.size
    for kept, length in ((rows, plane.shape[0]), (columns, plane.shape[1])):
        assert kept[0] == 0
        assert kept[-1] == length - 1
    assert (tensor["min"], tensor["max"]) == (array.min(), array.max())
    assert tensor["norm"] == pytest.approx(np.linalg.norm(array.astype(np.float64).ravel()), rel=1e-12)
    assert tensor["nonfinite"] == {"nan": 0, "inf": 0}


def test_arrays_are_cut_until_all_of_them_fit() -> None:
    store = Tensors()
    rng = np.random.default_rng(0)
    for _ in range(20):
        store.add(rng.normal(size=(100, 100)))
    for most, side in ((10**9, 100), (20 * 64 * 64 * 8, 44), (20 * 16 * 16 * 8, 16), (1, 2)):
        found = [decode(tensor)[0].size for tensor in store.encoded(most)]
        assert found == [side * side] * 20


def test_of_a_table_the_rows_that_are_looked_up_are_kept() -> None:
    table = np.arange(40_000.0).reshape(10_000, 4)
    wanted = np.array([17, 5_000, 9_998])
    found, rows, _ = decode(stored(table, rows=wanted))
    assert rows == [0, 17, 5_000, 9_998, 9_999]
    assert (found == table[rows]).all()


def test_equal_arrays_are_one() -> None:
    store = Tensors()
    a = np.arange(6.0)
    numbers = [store.add(a), store.add(a.copy()), store.add(a.reshape(2, 3)), store.add(a.astype(np.float32))]
    assert numbers == [0, 0, 1, 2]


@pytest.mark.parametrize(
    ("values", "least", "greatest", "norm", "nan", "inf", "zeros"),
    [
        ([3.0, -4.0, 0.0], -4.0, 3.0, 5.0, 0, 0, 1),
        ([np.nan, np.inf, -np.inf, 2.0], 2.0, 2.0, 2.0, 1, 2, 0),
        ([np.nan], None, None, 0.0, 1, 0, 0),
        ([1e300, 1e300], 1e300, 1e300, 2**0.5 * 1e300, 0, 0, 0),
        ([], None, None, 0.0, 0, 0, 0),
    ],
)
def test_statistics_are_of_the_finite_entries(
    values: list[float], least: float, greatest: float, norm: float, nan: int, inf: int, zeros: int
) -> None:
    tensor = stored(np.array(values))
    assert (tensor["min"], tensor["max"]) == (least, greatest)
    assert tensor["norm"] == pytest.approx(norm, rel=1e-12)
    assert (tensor["nonfinite"], tensor["zeros"]) == ({"nan": nan, "inf": inf}, zeros)
