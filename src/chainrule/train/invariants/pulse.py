"""How the layers fare as training goes on: sizes of weights, gradients and updates, and units out of use."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engines import Stepper
from ...graph import Array
from .layers import dead, saturated
from .start import Run

_EVERY = 10
"""Each of the first epochs is read, later ones at steps of a tenth: the cost stays a small part of a run."""


def is_read(epoch: int) -> bool:
    """Whether layers are looked at after this epoch, counted from 1.

    >>> [epoch for epoch in range(1, 60) if is_read(epoch)]
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 21, 24, 27, 30, 33, 37, 41, 46, 51, 57]
    """
    at = 1
    while at < epoch:
        at += max(1, -(-at // _EVERY))
    return at == epoch


class Pulse:
    """Readings of the layers on the sample of a run's probe, dropout included; nothing of the run changes."""

    def __init__(self, run: Run) -> None:
        self._run = run
        updates = run.optimizer.updates(run.probe.loss)
        self._moving = [p for p in run.probe.flowing if p in updates]
        self._stepper = Stepper([updates[p] for p in self._moving])

    def read(self) -> dict[str, Any]:
        """``parameters``: name → ``weight`` and ``gradient``, root mean squares, and ``update``, of one step
        relative to the weight; ``units``: layer → its ``kind`` and the share of units that are ``idle``.
        """
        run = self._run
        reading = run.probe.read()
        new = self._stepper.run(dict(zip(run.probe.leaves, run.probe.arrays, strict=True)))
        moved = dict(zip(self._moving, new, strict=True))
        parameters: dict[str, dict[str, float | None]] = {}
        for p, gradient in reading.gradients.items():
            weight = _size(p.copy())
            found: dict[str, float | None] = {"weight": _told(weight), "gradient": _told(_size(gradient))}
            if p in moved and weight:
                found["update"] = _told(_size(moved[p] - p.copy()) / weight)
            parameters[run.names[p]] = found
        layers = [*dead(run.probe, reading), *saturated(run.probe, reading)]
        units = {f"{x.kind} after {x.name}": {"kind": x.kind, "idle": round(x.share, 4)} for x in layers}
        return {"parameters": parameters, "units": units}


def _size(array: Array) -> float:
    """The root mean square."""
    return float(np.sqrt(np.mean(np.square(array, dtype=np.float64)))) if array.size else 0.0


def _told(value: float) -> float | None:
    """Four digits say enough; None where there is no number."""
    return float(f"{value:.4g}") if np.isfinite(value) else None
