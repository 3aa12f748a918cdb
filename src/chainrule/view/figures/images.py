"""Images side by side, a line of text below each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...errors import ArgumentError
from .canvas import Path, figure_at

_COLUMNS = 6


def plot_images(
    images: NDArray[np.generic], captions: Sequence[str], path: Path, title: str = "Images"
) -> None:
    """Draw grey images, (images, rows, columns), each with its caption, into an .svg or .png file.

    The darkest number of each image is white and the brightest black, as ink on paper.

    Raises ``ArgumentError`` for no images, for other than a caption each, or other than three axes.
    """
    if images.ndim != 3 or not len(images) or len(images) != len(captions):
        raise ArgumentError(
            f"plot_images: images of shape {images.shape} and {len(captions)} captions",
            mend="give (images, rows, columns), and a caption for each",
        )
    columns = min(_COLUMNS, len(images))
    rows = math.ceil(len(images) / columns)
    with figure_at(path, (1.35 * columns, 1.65 * rows), title, f"{title}: {'; '.join(captions)}") as figure:
        grid = figure.subplots(rows, columns, squeeze=False).flatten()
        for axes, image, caption in zip(grid, images, captions, strict=False):
            axes.imshow(image, cmap="Greys", interpolation="nearest")
            axes.set_title(caption, fontsize=7.5)
        for axes in grid:
            axes.set_axis_off()
