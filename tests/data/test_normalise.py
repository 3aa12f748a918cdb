from __future__ import annotations

import numpy as np
import pytest

from chainrule.data import standardise
from chainrule.errors import ArgumentError, DTypeError, ShapeError


@pytest.mark.parametrize("axis", [0, None, (0, 1), (0, 2), -1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int64])
def test_fitted_data_has_mean_0_and_variance_1(axis: int | tuple[int, ...] | None, dtype: type) -> None:
    data = np.random.default_rng(0).integers(0, 200, (40, 5, 6)).astype(dtype)
    fitted = standardise(data, axis)
    y = fitted.apply(data)
    assert y.dtype == (np.float64 if dtype is np.float64 else np.float32)
    np.testing.assert_allclose(y.mean(axis=axis), 0, atol=1e-5)
    np.testing.assert_allclose(y.var(axis=axis), 1, atol=1e-4)
    np.testing.assert_allclose(fitted.invert(y), data, rtol=1e-4, atol=1e-3)


def test_the_figures_of_the_training_data_are_used_on_other_data() -> None:
    fitted = standardise(np.array([[0.0, 10.0], [2.0, 30.0]]))
    assert fitted.apply([[5.0, 40.0]]).tolist() == [[4.0, 2.0]]


def test_a_constant_feature_is_only_centred() -> None:
    data = np.full((1000, 2), 0.1)  # 0.1 is not exact: its computed deviation is a rounding error
    data[:, 1] = np.arange(1000)
    fitted = standardise(data)
    assert fitted.std[0, 0] == 1.0
    np.testing.assert_allclose(fitted.apply(data)[:, 0], 0, atol=1e-12)


def test_a_small_deviation_about_a_large_mean_is_kept() -> None:
    data = 1e9 + np.array([[-1.0], [1.0]])
    assert standardise(data).apply(data).tolist() == [[-1.0], [1.0]]


def test_centring_alone() -> None:
    data = np.array([[1.0], [5.0]])
    assert standardise(data, unit_variance=False).apply(data).tolist() == [[-2.0], [2.0]]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (np.zeros((0, 3)), ArgumentError),
        ([1.0, np.nan], ArgumentError),
        ([np.inf, -np.inf], ArgumentError),
        (["a"], DTypeError),
        ([1j], DTypeError),
    ],
)
def test_refusals(data: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        standardise(data)  # type: ignore[arg-type]


def test_data_with_other_features_is_refused() -> None:
    with pytest.raises(ShapeError):
        standardise(np.eye(3)).apply(np.zeros((2, 4)))
