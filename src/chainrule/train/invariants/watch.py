"""The watch over one training run: when which rule is asked, and who is told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import numpy as np

from ...errors import ChainruleError
from ...graph import Array, Variable
from ...nn import Module
from ..epochs import Redrawn
from ..step import Batch, TrainingStep, batch_arrays
from .alarm import EFFECTS, Alarm, check_codes
from .course import COURSE, Before, Course, unmoved
from .layers import digest
from .probe import Probe
from .pulse import Pulse, is_read
from .start import START, Run
from .validation import Seen, leak_alarm, mode_alarm

_SAMPLE = 64
"""Examples that the probe runs on."""
_FEWEST = 16
"""Examples whose loss before the first step says where training began."""
_FIRST_STEPS = 20
"""Steps before it is asked whether every parameter has moved."""
_EARLY = (500, 10_000)
"""Steps and examples after which a long run is asked so before its end."""
_NUMBERS = 2_000_000
"""Numbers of the training data that validation rows are looked for among."""
_ORDER, _BATCHES = 4096, 8
"""Examples, or batches, by which the orders of two epochs are compared."""


class Examples(Protocol):
    """Training data that gives examples evenly spaced in the order of its epoch."""

    def spread(self, count: int) -> Batch:
        """So many of them, or all, as a batch."""


class Invariants:
    """What a run is held to, and the alarms so far; off, it does nothing.

    The loop says where it is: :meth:`begin` before the first step, :meth:`saw` a batch of an epoch,
    :meth:`validating` around the first validation, :meth:`epoch_done`, :meth:`finish`.  Nothing of the run
    is changed, and each alarm is told once, a resumed run included.
    """

    def __init__(
        self,
        model: Module,
        step: TrainingStep,
        data: object,
        tell: Callable[[Alarm], None],
        *,
        on: bool = True,
        ignore: Collection[str] = (),
    ) -> None:
        self.model, self.step, self.on = model, step, on
        self._data = data
        self.told: list[Alarm] = []
        self._tell, self._ignored = tell, check_codes(ignore)
        self._run: Run | None = None
        self._examples: Examples | None = None
        self._before: dict[Variable, Before] = {}
        self._start: float | None = None
        self._rate = 0.0
        self._seen: Seen | None = None
        self._pulse: Pulse | None = None
        self.layers: list[dict[str, Any]] = []
        """How the layers fared, after some of the epochs."""
        self._judged = self._moved = self._validated = False
        self._orders: dict[int, list[int]] = {}
        self._kept: list[list[Array]] = []
        self._numbers = 0

    # -- what the loop says ------------------------------------------------------------------------

    @property
    def waiting(self) -> bool:
        """Whether :meth:`begin` is still to be called."""
        return self.on and self._run is None

    def begin(self, batch: Batch, examples: Examples | None, *, first: bool) -> None:
        """Look at the graph of the loss over ``batch``; ``first``: no step has been made yet."""
        if not self.waiting:
            return
        self._examples = examples
        names = {p: path for path, p in self.model.named_parameters()}
        for p in self.step.optimizer.parameters:
            names.setdefault(p, p.label)
        try:
            probe = self._probe(names, batch)
            reading = probe.read()
        except ChainruleError:  # the step itself fails in the same way, and says where
            self.on = False
            return
        if not reading.finite:  # the step is refused, with the node that it came from
            return
        self._run = Run(self.model, self.step.optimizer, names, probe, reading, self._parts)
        if first:
            self._start, self._rate = reading.loss, float(self.step.optimizer.learning_rate())
            self._before = {p: Before.of(p) for p in probe.flowing}
        for rule in START if first else ():
            with np.errstate(all="ignore"):
                self._report(rule(self._run), 0)

    def _probe(self, names: Mapping[Variable, str], batch: Batch) -> Probe:
        """The probe on a sample, or on ``batch`` where the loss takes no other number of examples."""
        if self._examples is not None:
            try:
                return Probe(self.step, names, self._examples.spread(_SAMPLE))
            except Exception:  # a loss may be written for one size, and fail at another anyhow
                return Probe(self.step, names, batch)
        return Probe(self.step, names, batch)

    def _parts(self, count: int) -> list[Array] | None:
        """The arrays of so many examples; None where data comes in batches only."""
        return None if self._examples is None else batch_arrays(self._examples.spread(count))[1]

    def saw(self, epoch: int, *, batch: Batch = None, order: Array | None = None) -> None:
        """Note of the first two epochs in which order they came, and of the first some rows."""
        if not self.on or epoch > 1:
            return
        marks = self._orders.setdefault(epoch, [])
        if order is not None and not isinstance(self._data, Redrawn):
            marks.append(digest(order[:_ORDER]))
        elif order is not None:  # the same places, other arrays
            marks += [digest(array) for array in self._parts(_SAMPLE) or ()]
        elif len(marks) < _BATCHES or (epoch == 0 and self._numbers < _NUMBERS):
            arrays = batch_arrays(batch)[1]
            mark = 0
            for array in arrays:
                mark = digest(array, mark)
            marks.append(mark)
            if epoch == 0 and self._numbers < _NUMBERS:
                self._kept.append(arrays)
                self._numbers += sum(array.size for array in arrays)

    def validating(self) -> AbstractContextManager[None]:
        """Around a validation, the first of which is watched."""
        if not self.on or self._run is None or self._seen is not None:
            return nullcontext()
        self._seen = Seen()
        return self._seen.watching()

    def epoch_done(self, done: int, steps: int, examples: int, records: Sequence[Mapping[str, Any]]) -> None:
        """Look back on an epoch: so many are done, with so many steps and examples in all."""
        run = self._run
        if not self.on or run is None:
            return
        if self._seen is not None and not self._validated:
            self._validated = True
            self._report(mode_alarm(self._seen), done)
            self._report(leak_alarm(self._seen, self._training_rows(), examples // done), done)
            self._seen.rows.clear()
        self._kept.clear()
        if is_read(done):
            self._pulse = self._pulse or Pulse(run)
            self.layers.append({"epoch": done, **self._pulse.read()})
        if done == 2:
            self._report(self._order(steps // done), done)
        if self._before and not self._moved and steps >= _FIRST_STEPS:
            self._moved = True
            self._report(unmoved(run, self._before), done)
        if not self._judged and steps >= _EARLY[0] and examples >= _EARLY[1]:
            self._judge(steps, records, done)

    def finish(self, steps: int, records: Sequence[Mapping[str, Any]]) -> None:
        """Look back on the whole run, before the best weights are put back."""
        if self.on and self._run is not None and records:
            self._judge(steps, records, len(records))

    # -- what is asked -----------------------------------------------------------------------------

    def _training_rows(self) -> list[Array]:
        if self._run is not None and self._examples is not None:
            one = sum(array.size / max(len(array), 1) for array in self._run.probe.arrays if array.ndim)
            return batch_arrays(self._examples.spread(max(1, int(_NUMBERS / max(one, 1)))))[1]
        if not self._kept:
            return []
        kinds: dict[tuple[tuple[int, ...], str], list[Array]] = {}
        for batch in self._kept:
            for array in batch:
                if array.ndim:
                    kinds.setdefault((array.shape[1:], array.dtype.str), []).append(array)
        return [np.concatenate(arrays) for arrays in kinds.values()]

    def _order(self, batches: int) -> Iterable[Alarm]:
        first, second = self._orders.get(0), self._orders.get(1)
        if self._examples is not None:
            enough = batches > 1
        else:  # buckets may keep their members: few batches can come in the same order by chance
            enough = first is not None and len(first) >= 5
        if enough and first and second and first[:_BATCHES] == second[:_BATCHES]:
            yield Alarm(
                "order",
                "the examples come in the same order in every epoch",
                f"{type(self._data).__name__}",
                "shuffle them: Batches(…, shuffle=True), or epoch(number) with an order of each number; "
                "where it is meant: Settings(ignore=('order',))",
            )

    def _judge(self, steps: int, records: Sequence[Mapping[str, Any]], done: int) -> None:
        run = self._run
        if run is None or self._start is None:
            return
        self._judged = True
        reading = run.probe.read()
        if not reading.finite:
            return
        losses = [float(record["loss"]) for record in records]
        course = Course(
            run,
            reading,
            self._before,
            self._start if run.probe.examples >= _FEWEST else losses[0],
            losses,
            [float(record["validation_loss"]) for record in records if "validation_loss" in record],
            max(self._rate, *(float(record["learning_rate"]) for record in records)),
        )
        if {alarm.code for alarm in self.told} - _ASIDE:
            return
        for rule, fewest in COURSE.items():
            with np.errstate(all="ignore"):
                found = list(rule(course)) if steps >= fewest else []
            self._report(found, done)
            if found:
                break

    def _report(self, alarms: Iterable[Alarm], epoch: int) -> None:
        for alarm in alarms:
            self._alarm(alarm._replace(epoch=epoch))

    def _alarm(self, alarm: Alarm) -> None:
        known = {(other.code, other.where) for other in self.told}
        explained = EFFECTS.get(alarm.code, set()) & {other.code for other in self.told}
        if not explained and alarm.code not in self._ignored and (alarm.code, alarm.where) not in known:
            self.told.append(alarm)
            self._tell(alarm)

    # -- what outlives a kill ----------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "told": [alarm.to_mapping() for alarm in self.told],
            "start": self._start,
            "rate": self._rate,
            "judged": self._judged,
            "layers": self.layers,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint: nothing that has been told is told again."""
        self.told = [Alarm.from_mapping(found) for found in state.get("told", ())]
        self._start, self._judged = state.get("start"), bool(state.get("judged"))
        self._rate = float(state.get("rate", 0.0))
        self.layers = list(state.get("layers", ()))


_ASIDE = {"order", "leak", "evaluation", "chance", "not-finite"}
"""What does not keep a run from learning; anything else that was told explains how badly it went."""
