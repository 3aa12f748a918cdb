"""Vectors made by counting, which those that were learned are compared with; kept in the run folder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..data import Ragged, WordPairs, WordVectors
from ..errors import RunFolderError
from ..models import count_vectors
from ..train import RunFolder
from ..train.tensors import load_tensors, save_tensors
from .word2vec_options import Word2VecConfig

COUNTED = "counted.safetensors"


def counted(
    sentences: Ragged, counts: NDArray[np.int64], words: Sequence[str], config: Word2VecConfig
) -> WordVectors:
    """Vectors of the pairs that skip-gram would be given; id n of ``sentences`` is ``words[n - 1]``."""
    seed = config.training.seed
    pairs = WordPairs(
        sentences,
        counts,
        window=config.model.window,
        size=1,
        threshold=config.data.subsample,
        seed=seed,
        stretch=config.data.stretch,
    )
    matrix = count_vectors(pairs.arrays[0], pairs.arrays[1], len(words) + 1, config.model.width, seed=seed)
    return WordVectors(words, matrix[1:])


def save_counted(vectors: WordVectors, folder: RunFolder) -> None:
    """Write the vectors to a run folder."""
    save_tensors(folder.path / COUNTED, {"vectors": np.asarray(vectors.matrix)}, {})


def load_counted(folder: RunFolder, words: Sequence[str]) -> WordVectors | None:
    """What :func:`save_counted` wrote for these words; None where the run has none.

    Raises ``RunFolderError`` for a file that is damaged or does not fit.
    """
    path = folder.path / COUNTED
    if not path.is_file():
        return None
    found = load_tensors(path)[0].get("vectors", np.zeros(()))
    if found.ndim != 2 or len(found) != len(words):
        raise RunFolderError(
            f"{COUNTED} does not fit the vocabulary", where=str(path), mend="restore it, or train again"
        )
    return WordVectors(words, found)
