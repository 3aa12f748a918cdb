"""An alarm: what is wrong with a training run, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from ...errors import ArgumentError

ALARMS: dict[str, str] = {
    "left-out": "trainable parameters of the model that the optimizer does not have",
    "foreign": "parameters of the optimizer that are not the model's",
    "no-gradient": "parameters that no gradient reaches",
    "unmoved": "parameters that stayed as they were",
    "not-finite": "variables that hold a NaN or an infinity",
    "double-softmax": "probabilities where a loss takes logits, or logits where it takes log-probabilities",
    "broadcast-loss": "predictions (N, 1) against targets (N,): N² differences",
    "maximised": "a loss with the wrong sign",
    "symmetric": "units that begin alike, and stay alike",
    "one-class": "targets that are all the same",
    "inputs": "inputs that are not normalised",
    "chance": "a loss that starts far above that of guessing",
    "dropout": "dropout that leaves next to nothing",
    "order": "the same order of the examples in every epoch",
    "evaluation": "a validation that runs the model in training mode",
    "leak": "validation rows that are training rows",
    "dead": "rectified units that are never active",
    "saturated": "sigmoid or tanh units at their ends, where the derivative is 0",
    "vanishing": "gradients that shrink to nothing on their way back",
    "exploding": "gradients that grow without measure on their way back",
    "rate-high": "a learning rate that is too high: the loss rises, or swings",
    "rate-low": "a learning rate that is too low: next to nothing moves",
    "decay": "weight decay or a penalty that is stronger than the loss",
    "constant": "outputs that do not depend on the inputs",
    "no-better": "training that does no better than guessing",
    "by-heart": "training rows learned, validation no better than guessing",
}
"""Every alarm by its code; ``Settings(ignore=[…])`` takes these codes."""


EFFECTS: dict[str, set[str]] = {
    "chance": {"inputs", "double-softmax", "saturated", "exploding"},
    "dead": {"inputs", "symmetric"},
    "saturated": {"inputs"},
    "vanishing": {"inputs", "saturated", "dead"},
    "exploding": {"inputs"},
    "unmoved": {"inputs", "dead", "saturated", "vanishing", "symmetric"},
}
"""Of these only that is told which no cause told before explains."""


class Alarm(NamedTuple):
    """One thing that is wrong; ``str()`` tells it in the form of the library's errors.

    >>> print(Alarm("order", "every epoch has the same order", mend="shuffle"))
    every epoch has the same order
      mend:  shuffle
    """

    code: str
    what: str
    where: str = ""
    """Module path and the user's line, or a parameter's path."""
    mend: str = ""
    epoch: int = 0
    """After how many epochs it was seen; 0 before the first step."""

    def __str__(self) -> str:
        lines = [self.what]
        lines += [f"  where: {self.where}"] if self.where else []
        lines += [f"  mend:  {self.mend}"] if self.mend else []
        return "\n".join(lines)

    def to_mapping(self) -> dict[str, Any]:
        """The alarm as the run folder keeps it."""
        return self._asdict()

    @classmethod
    def from_mapping(cls, found: Mapping[str, Any]) -> Alarm:
        """The alarm that :meth:`to_mapping` gave."""
        return cls(**found)


def check_codes(codes: Collection[str]) -> frozenset[str]:
    """The codes, all of which must exist."""
    unknown = sorted(set([codes] if isinstance(codes, str) else codes) - ALARMS.keys())
    if unknown:
        raise ArgumentError(
            f"there is no alarm {', '.join(map(repr, unknown))} to ignore",
            mend=f"the alarms are {', '.join(ALARMS)}",
        )
    return frozenset([codes] if isinstance(codes, str) else codes)


def listed(names: Collection[str], most: int = 4) -> str:
    """Names in a row; of many the first, and how many more.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    shown = list(names)
    if len(shown) <= most:
        return ", ".join(shown)
    return f"{', '.join(shown[:most])} and {len(shown) - most} more"
