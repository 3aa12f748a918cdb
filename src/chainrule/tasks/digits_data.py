"""Images of digits: a folder of IDX files as MNIST has them, or the 8×8 digits of scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import load_idx, permutation
from ..errors import DataError, MissingExtraError

Images = NDArray[np.float32]
Labels = NDArray[np.int64]

SKLEARN_DIGITS = "sklearn-digits"

_PARTS = {"train": "train", "test": "t10k"}
_AXES = {"images": 3, "labels": 1}
_MOST_VALIDATION = 5000


@dataclass(frozen=True)
class Split:
    """Images (N, height, width) with values from 0 to 1, and their classes (N,)."""

    images: Images
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Digits:
    """Training, validation and test images.  The test images decide nothing; they are only scored."""

    source: str
    train: Split
    validation: Split
    test: Split
    classes: int

    @property
    def image(self) -> tuple[int, ...]:
        """The shape of an image."""
        return self.train.images.shape[1:]


def load_digits(path: str | None) -> Digits:
    """The digits in the folder ``path``, or scikit-learn's 1,797 digits of 8×8 where there is none.

    A folder holds ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the same with ``t10k``,
    as they are or with ``.gz``, or with a dot before ``idx``.  The last 5,000 training images, or the
    last tenth where that is less, are the validation set.  scikit-learn's come without a test set: a
    fixed fifth of them is one.

    Errors: ``DataError`` naming the file; ``MissingExtraError`` without scikit-learn.
    """
    if path:
        folder = Path(path)
        if not folder.exists():
            raise DataError("no such folder", path=path, mend="name the folder with the IDX files")
        train, test = (_read_part(folder, part) for part in _PARTS)
        if train.images.shape[1:] != test.images.shape[1:]:
            raise DataError(
                f"training images are {_by(train.images)}, test images {_by(test.images)}", path=path
            )
        source = str(folder)
    else:
        train, test = _bundled()
        source = "scikit-learn's 8×8 digits"
    classes = int(train.labels.max()) + 1
    if test.labels.max() >= classes:
        raise DataError(f"class {test.labels.max()} is in the test labels only", path=path)
    held_out = min(_MOST_VALIDATION, len(train) // 10)
    if held_out == 0:
        raise DataError(
            f"{len(train)} training images leave none for validation", path=path, mend="give 10 or more"
        )
    return Digits(
        source,
        Split(train.images[:-held_out], train.labels[:-held_out]),
        Split(train.images[-held_out:], train.labels[-held_out:]),
        test,
        classes,
    )


def load_test(path: str | None) -> tuple[str, Split]:
    """The test images alone, as :func:`load_digits` has them."""
    if not path:
        return "scikit-learn's 8×8 digits", _bundled()[1]
    return path, _read_part(Path(path), "test")


def read_images(path: str | Path) -> Images:
    """The images of an IDX file, scaled to 0 … 1."""
    return _scaled(_read(Path(path), 3), path)


def _read_part(folder: Path, part: str) -> Split:
    if not folder.is_dir():
        raise DataError("no such folder" if not folder.exists() else "this is no folder", path=folder,
                        mend="name the folder with the IDX files")  # fmt: skip
    images_path, labels_path = (_find(folder, _PARTS[part], kind) for kind in _AXES)
    images, labels = _read(images_path, 3), _read(labels_path, 1)
    if len(images) != len(labels):
        raise DataError(f"{len(labels):,} labels for {len(images):,} images", path=labels_path)
    if not len(images):
        raise DataError("there are no images", path=images_path)
    if labels.dtype.kind not in "iu" or labels.min() < 0:
        raise DataError("labels are not classes 0, 1, 2, …", path=labels_path)
    return Split(_scaled(images, images_path), labels.astype(np.int64))


def _find(folder: Path, part: str, kind: str) -> Path:
    names = [f"{part}-{kind}{sign}idx{_AXES[kind]}-ubyte{end}" for sign in "-." for end in ("", ".gz")]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{names[0]} is missing, also as {', '.join(names[1:])}", path=folder)


def _read(path: Path, axes: int) -> NDArray[Any]:
    array = load_idx(path)
    if array.ndim != axes:
        found = " × ".join(map(str, array.shape))
        raise DataError(f"holds an array of {found}; {axes} axes were expected", path=path)
    return array


def _scaled(images: NDArray[Any], path: str | Path) -> Images:
    if images.dtype != np.uint8:
        raise DataError(f"pixels are {images.dtype}; bytes were expected", path=path)
    return images.astype(np.float32) / np.float32(255)


def _bundled() -> tuple[Split, Split]:
    """scikit-learn's digits in an order of their own, four fifths and one fifth."""
    try:
        from sklearn.datasets import load_digits as bundled
    except ImportError:
        raise MissingExtraError(
            "scikit-learn", "digits", "the built-in set of digits (--data names a folder instead)"
        ) from None
    found = bundled()
    order = permutation(len(found.target), seed=0, epoch=0)
    images = (found.images[order] / 16).astype(np.float32)
    labels = found.target[order].astype(np.int64)
    count = len(labels) // 5
    return Split(images[count:], labels[count:]), Split(images[:count], labels[:count])


def _by(images: Images) -> str:
    return "×".join(map(str, images.shape[1:]))
