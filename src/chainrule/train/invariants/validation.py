"""What a validation does, seen from outside: in which mode it runs the model, and on which rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...compile import Program, watch_runs
from ...graph import Array, Constant
from ...nn import Mode, Module, watch_calls
from .alarm import Alarm

_ROWS = 1024
"""Rows of one kind that are looked for among the training rows."""
_FEWEST = 8
"""Fewer rows say nothing."""


class Seen:
    """What was noted while a validation ran."""

    def __init__(self) -> None:
        self.training: str | None = None
        """What was run in training mode."""
        self.rows: dict[tuple[tuple[int, ...], str], list[Array]] = {}
        """Arrays that models and programs were given, by the shape of a row and the type."""
        self._taken: dict[tuple[tuple[int, ...], str], int] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Note what is called inside."""
        with watch_calls(self._call), watch_runs(self._run):
            yield

    def _run(self, program: Program, arrays: Sequence[Any]) -> None:
        if program.dropout is not None:
            self.training = f"a program with dropout ({program.dropout})"
        self._take(arrays)

    def _call(self, module: Module, inputs: Sequence[Any], mode: Mode | None) -> None:
        if mode is not None and mode.training and any(m.depends_on_mode for _, m in module.named_modules()):
            self.training = type(module).__name__
        self._take([x.array if isinstance(x, Constant) else x for x in inputs])

    def _take(self, arrays: Sequence[Any]) -> None:
        for array in arrays:
            if isinstance(array, np.ndarray) and array.ndim and len(array) and array.dtype.kind in "iuf":
                kind = (array.shape[1:], array.dtype.str)
                wanted = _ROWS - self._taken.get(kind, 0)
                if wanted > 0:
                    some = array[_spread(len(array), wanted)]
                    self.rows.setdefault(kind, []).append(some)
                    self._taken[kind] = self._taken.get(kind, 0) + len(some)


def mode_alarm(seen: Seen) -> Iterator[Alarm]:
    """A model that was validated as if it were trained."""
    if seen.training is not None:
        yield Alarm(
            "evaluation",
            f"the validation runs {seen.training} in training mode: dropout is on, and batch norm takes the "
            "statistics of the batch",
            "validate=",
            "call the model without a mode, or with mode=cr.nn.EVALUATE",
        )


def leak_alarm(seen: Seen, training: Sequence[Array], examples: int) -> Iterator[Alarm]:
    """Validation rows among the training rows, more than rows repeat among the training rows themselves.

    ``training`` are the arrays of a large batch out of ``examples`` rows.
    """
    for part in training:
        if part.ndim == 0 or len(part) < _FEWEST or part.dtype.kind not in "iuf":
            continue
        held_out = seen.rows.get((part.shape[1:], part.dtype.str))
        if held_out is None or sum(map(len, held_out)) < _FEWEST:
            continue
        known, asked = _hashes(part), np.concatenate([_hashes(rows) for rows in held_out])
        values, counts = np.unique(known, return_counts=True)
        repeated = float(counts[counts > 1].sum() / len(known))
        hits = np.isin(asked, values)
        share, covered = float(hits.mean()), min(1.0, len(known) / max(examples, 1))
        if hits.sum() >= 5 and share > repeated + 0.1 * covered + 0.1 * repeated**0.5:
            whole = min(1.0, (share - repeated) / ((1 - repeated) * covered))
            yield Alarm(
                "leak",
                f"about {whole:.0%} of the validation rows are training rows: the validation score says "
                "nothing about new data",
                "validate=",
                "split the rows before anything else, and validate on those that are not trained on",
            )
            return


def _hashes(rows: Array) -> NDArray[np.uint64]:
    """One number for each row, equal where rows are equal bit for bit."""
    flat = np.ascontiguousarray(rows).reshape(len(rows), -1)
    words = flat.view(np.uint64 if flat.dtype.itemsize == 8 else f"u{flat.dtype.itemsize}")
    mixed = words.astype(np.uint64) * _MIX
    mixed ^= mixed >> np.uint64(29)
    weights = np.random.PCG64(len(words[0])).random_raw(words.shape[1]) | np.uint64(1)
    total: NDArray[np.uint64] = (mixed * weights).sum(axis=1, dtype=np.uint64)
    return total


_MIX = np.uint64(0x9E3779B97F4A7C15)


def _spread(count: int, most: int) -> NDArray[np.int64]:
    return np.arange(count) if count <= most else np.linspace(0, count - 1, most).astype(np.int64)
