"""As training goes on: what moved, where the loss went, and what explains that it went nowhere."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...graph import Variable
from .alarm import Alarm, listed
from .layers import digest, matrices, norm, saturated
from .probe import Reading, place
from .start import Run, dead_units

_ENTRIES = 1024


class Before(NamedTuple):
    """A parameter as it was when training began: enough to tell whether, and how far, it has moved."""

    mark: int
    entries: NDArray[Any]
    """Some of its entries, evenly spaced."""
    norm: float

    @classmethod
    def of(cls, variable: Variable) -> Before:
        """The variable as it is now."""
        array = variable.array
        return cls(digest(array), _entries(variable).copy(), norm(array))

    def moved(self, variable: Variable) -> bool:
        """Whether any entry differs."""
        return digest(variable.array) != self.mark

    def distance(self, variable: Variable) -> float:
        """How far the entries have moved, relative to their size."""
        size = norm(self.entries)
        return norm(_entries(variable) - self.entries) / size if size else math.inf


def _entries(variable: Variable) -> NDArray[Any]:
    flat = variable.array.reshape(-1)
    return flat[:: max(1, len(flat) // _ENTRIES)]


def unmoved(run: Run, before: Mapping[Variable, Before]) -> Iterator[Alarm]:
    """Parameters that a gradient reaches and that are what they were."""
    still = [p for p in run.optimizer.parameters if p in run.probe.flowing and p in before]
    still = [p for p in still if not before[p].moved(p)]
    if not still:
        return
    reading = run.probe.read()
    resting = [p for p in still if reading.gradients[p].any()]
    without = [p for p in still if not reading.gradients[p].any()]
    if without:
        yield Alarm(
            "unmoved",
            f"{_these(without)} did not move: the gradient is 0",
            listed([run.names[p] for p in without]),
            "cr.diagnose.why_gradient(loss, parameter) says what makes it 0",
        )
    if resting:
        group = next(k for k, group in enumerate(run.optimizer.groups) if resting[0] in set(group.parameters))
        rate = float(run.optimizer.learning_rate(group))
        why = (
            "the learning rate is 0"
            if not rate
            else f"at a learning rate of {rate:g} rounding undoes each step"
        )
        yield Alarm(
            "unmoved",
            f"{_these(resting)} did not move though a gradient arrives: {why}",
            listed([run.names[p] for p in resting]),
            "raise the learning rate of the group; what is to stay as it is says so: model.part.freeze()",
        )


def _these(parameters: Sequence[Variable]) -> str:
    return "1 parameter" if len(parameters) == 1 else f"{len(parameters)} parameters"


class Course(NamedTuple):
    """Where the loss went: what the rules about learning read."""

    run: Run
    reading: Reading
    before: Mapping[Variable, Before]
    start: float
    """The loss of the sample before the first step."""
    losses: Sequence[float]
    """The mean loss of each epoch."""
    validation: Sequence[float]
    """The validation loss after each epoch; empty where there is none."""
    rate: float
    """The highest learning rate of the first group."""

    @property
    def guessing(self) -> float | None:
        """What the loss would be without looking at the inputs; None where that is not known."""
        for compared in self.run.probe.comparisons:
            if compared.kind == "classes" and self.run.entropy is not None and self._is_mean(compared.node):
                return self.run.entropy
        return None

    def _is_mean(self, node: Any) -> bool:
        """Whether the loss is this comparison and nothing else, so that epochs' losses are its means."""
        return (
            node is self.run.probe.loss
            and not node.attributes["label_smoothing"]
            and (node.attributes["reduction"] == "mean" and len(node.inputs) == 2)
        )

    @property
    def explained(self) -> float | None:
        """1 - residual variance / variance of the targets, where numbers are predicted."""
        for compared in self.run.probe.comparisons:
            target = self.reading.values[compared.target]
            if compared.kind == "numbers" and compared.node.size == target.size > 1 and target.var():
                residual = self.reading.values[compared.node]
                return 1 - float(np.mean(residual * residual) / target.var())
        return None

    @property
    def stuck(self) -> bool:
        """Whether the last epoch is no better than guessing, or than the start."""
        return self._no_better(self.losses[-1])

    @property
    def never_better(self) -> bool:
        """Whether no epoch was."""
        return self._no_better(min(self.losses))

    def _no_better(self, loss: float) -> bool:
        if self.guessing is not None:
            return loss > 0.97 * self.guessing
        flat = loss > self.start - 0.03 * abs(self.start)
        return flat if self.explained is None else flat and self.explained < 0.1

    def is_good(self, loss: float) -> bool:
        """Whether a loss is far better than guessing, wherever training began."""
        if self.guessing is not None:
            return loss < 0.5 * self.guessing
        return self.explained is not None and self.explained > 0.5

    @property
    def distance(self) -> float:
        """How far the matrices have moved, the one that moved most, relative to their size."""
        moved = [self.before[p].distance(p) for p in matrices(self.run.probe) if p in self.before]
        return max((d for d in moved if math.isfinite(d)), default=math.inf)


def rate_high(course: Course) -> Iterator[Alarm]:
    """A loss that rises above where it began, or swings, or weights that were thrown far away."""
    last, start, losses = course.losses[-1], course.start, course.losses
    late = losses[len(losses) // 2 :]
    told = ""
    if start > 0 and last > 1.2 * start and not course.is_good(last):
        told = f"the loss rose from {start:.4g} to {last:.4g}"
    elif course.distance > 0.1 and _swings(losses, start) and not course.is_good(min(late)):
        told = f"the loss swings between {min(late):.4g} and {max(late):.4g} from epoch to epoch"
    elif course.stuck and 20 < course.distance < math.inf:
        told = "the loss has not come down"
    if told:
        far = course.distance
        moved = f", and the weights moved by {far:.2g} times their size" if math.isfinite(far) else ""
        yield Alarm(
            "rate-high",
            f"{told}{moved}: the learning rate is too high",
            f"learning rate {course.rate:g}",
            "divide it by 3 or 10, or clip gradients",
        )


def _swings(losses: Sequence[float], start: float) -> bool:
    """Whether the later half goes up and down by a tenth of the first loss, most of the time."""
    late = np.diff(np.asarray(losses[len(losses) // 2 :], np.float64))
    if len(late) < 5:
        return False
    turns = np.sum(late[1:] * late[:-1] < 0)
    return bool(turns >= 0.6 * (len(late) - 1) and np.median(np.abs(late)) > 0.1 * abs(start))


def decay(course: Course) -> Iterator[Alarm]:
    """Matrices that a penalty has pulled to nothing."""
    pulled = {
        p
        for group in course.run.optimizer.groups
        for p in group.parameters
        if group.weight_decay or group.l1 or group.l2
    }
    shrunk = [
        p for p in matrices(course.run.probe) if p in pulled and p in course.before and _shrank(course, p)
    ]
    if course.stuck and shrunk:
        yield Alarm(
            "decay",
            f"weight decay or a penalty is stronger than the loss: {_these(shrunk)} shrank to less "
            "than a fifth",
            listed([course.run.names[p] for p in shrunk]),
            "make weight_decay, l1 or l2 smaller by a factor of 10 or 100",
        )


def _shrank(course: Course, parameter: Variable) -> bool:
    before = course.before[parameter].norm
    return norm(parameter.array) < 0.2 * before


def saturation(course: Course) -> Iterator[Alarm]:
    """Sigmoid and tanh layers at their ends, where nothing is learned."""
    for layer in saturated(course.run.probe, course.reading) if course.stuck else ():
        if layer.share >= 0.8:
            yield Alarm(
                "saturated",
                f"{layer.share:.0%} of the values of a {layer.kind} lie at its ends, where its derivative is "
                "next to 0, and nothing is learned",
                layer.where,
                "lower the learning rate, begin with smaller weights, and normalise the inputs",
            )


def constant(course: Course) -> Iterator[Alarm]:
    """Predictions that are the same for all examples."""
    if not course.stuck:
        return
    for compared in course.run.probe.comparisons:
        value = course.reading.values[compared.prediction].astype(np.float64)
        if value.ndim < 1 or value.shape[0] < 2:
            continue
        spread = float(value.std(axis=0).max())
        if spread <= 1e-4 * max(float(np.abs(value).max()), 1e-6):
            yield Alarm(
                "constant",
                "the output is the same for every example: the inputs have no part in it",
                place(compared.prediction),
                "look for a layer whose units are all dead or saturated, or an input that never arrives",
            )


def rate_low(course: Course) -> Iterator[Alarm]:
    """Weights that hardly moved while a gradient was there."""
    slow = min(course.losses) > course.start - 0.1 * abs(course.start)
    if course.guessing is not None:
        slow = slow and min(course.losses) > 0.9 * course.guessing
    if (slow or course.never_better) and course.distance < 0.03:
        yield Alarm(
            "rate-low",
            f"the loss went from {course.start:.4g} to {course.losses[-1]:.4g}, and no matrix moved by more "
            f"than {course.distance:.1g} of its size: the learning rate is too low",
            f"learning rate {course.rate:g}",
            "multiply it by 10 or 100",
        )


def no_better(course: Course) -> Iterator[Alarm]:
    """Nothing else explains it: the labels may not go with the inputs."""
    if course.never_better:
        guess = course.guessing
        against = (
            "at the start" if guess is None else f"by guessing from how often each label is ({guess:.4g})"
        )
        yield Alarm(
            "no-better",
            f"after {len(course.losses)} epochs the loss is {min(course.losses):.4g} at best, no better than "
            f"{against}",
            mend="check that inputs and labels still belong to each other (one shuffled without the other?), "
            "and whether a model that is larger, or a rate that is higher, learns a hundred examples",
        )


def by_heart(course: Course) -> Iterator[Alarm]:
    """Training rows are learned, and nothing that holds elsewhere."""
    guess = course.guessing
    if guess is None or len(course.validation) < 3:
        return
    best, elsewhere = min(course.losses) / guess, min(course.validation) / guess
    # Where less was learned, chance may bring a validation loss somewhat below guessing, but not a lesson.
    if (best < 0.7 and elsewhere > 0.98) or (best < 0.95 and elsewhere > 1):
        yield Alarm(
            "by-heart",
            f"the training loss fell to {min(course.losses):.4g}, and the validation loss was never below "
            f"{min(course.validation):.4g}, which is what guessing from the labels' frequencies costs "
            f"({guess:.4g}): rows are learned by heart",
            mend="check that inputs and labels still belong to each other (one shuffled without the other?), "
            "and that both parts are of one kind; then more data, or a smaller model",
        )


def dead_now(course: Course) -> Iterator[Alarm]:
    """Rectified layers most of which has died."""
    yield from dead_units(course.run.probe, course.reading, 0.8)


COURSE = {
    decay: 20, rate_high: 20, dead_now: 20, saturation: 100, constant: 100, rate_low: 50, no_better: 200,
    by_heart: 100,
}  # fmt: skip
"""The rules, each with the steps before it is asked, causes first: one that speaks explains the rest."""
