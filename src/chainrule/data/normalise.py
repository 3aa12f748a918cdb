"""Inputs brought to mean 0 and variance 1, with figures fitted on the training data alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from chainrule.data.ragged import Array
from chainrule.errors import ArgumentError, DTypeError, ShapeError


@dataclass(frozen=True, eq=False)
class Standardisation:
    """The fitted mean and standard deviation; ``apply`` takes new data through the same map.

    ``y = (x - mean) / std``; both broadcast against the data they were fitted on.
    """

    mean: Array
    std: Array

    def apply(self, array: ArrayLike) -> Array:
        """``(array - mean) / std`` in the dtype of the fitted figures (float64 data stays float64)."""
        x = _numbers(array)
        out = x.astype(np.float64 if x.dtype == np.float64 else self.mean.dtype)
        try:
            out -= self.mean
            out /= self.std
        except ValueError:
            raise ShapeError(
                f"data of shape {x.shape} does not fit figures of shape {self.mean.shape}",
                mend="apply it to data with the same features",
            ) from None
        return out

    def invert(self, array: ArrayLike) -> Array:
        """``array · std + mean``: back to the original units."""
        restored: Array = _numbers(array) * self.std + self.mean
        return restored


def standardise(
    array: ArrayLike, axis: int | tuple[int, ...] | None = 0, *, unit_variance: bool = True
) -> Standardisation:
    """Fit mean and standard deviation over ``axis``; ``.apply`` them to training and test data alike.

    ``mean = Σx/N``,  ``std = √(Σ(x - mean)²/N)``; a constant feature has std 1, so it is only centred.

    Shapes: mean and std keep the reduced axes with length 1.  Sums run in float64; the figures are
    float32, or float64 for float64 data.  With ``unit_variance=False`` the data is only centred.
    Errors: ArgumentError for no data or data that is not finite; DTypeError for data that is no number.
    Source: LeCun et al. 1998, "Efficient BackProp", section 4.3.

    >>> train = np.array([[1.0, 5.0], [3.0, 5.0]])
    >>> fitted = standardise(train)
    >>> fitted.apply(train).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    >>> fitted.apply([[2.0, 6.0]]).tolist()
    [[0.0, 1.0]]
    """
    x = _numbers(array)
    if x.size == 0:
        raise ArgumentError(f"nothing to fit: the data has shape {x.shape}")
    if not np.isfinite(x).all():
        raise ArgumentError("the data has NaN or infinity in it", mend="remove or fill those entries first")
    mean = x.mean(axis=axis, keepdims=True, dtype=np.float64)
    std = x.std(axis=axis, keepdims=True, dtype=np.float64) if unit_variance else np.ones_like(mean)
    # Rounding can leave a constant feature a deviation of a few ulp, which must not be blown up to 1.
    std[x.max(axis=axis, keepdims=True) == x.min(axis=axis, keepdims=True)] = 1.0
    dtype = np.float64 if x.dtype == np.float64 else np.float32
    return Standardisation(mean.astype(dtype), std.astype(dtype))


def _numbers(array: ArrayLike) -> Array:
    x = np.asarray(array)
    if x.dtype.kind not in "biuf":
        raise DTypeError(f"real numbers are needed, not {x.dtype}")
    return x
