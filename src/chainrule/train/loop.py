"""The training loop: epochs of steps, validation, early stopping, checkpoints, records."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from ..compile import mesh_named
from ..engines.xla import Team, progress
from ..errors import ArgumentError, NonFiniteError
from ..nn import Module
from ..optim import Optimizer, ReduceOnPlateau
from .early_stopping import EarlyStopping
from .epochs import EpochLoop, gathered
from .interrupts import HeldInterrupt
from .invariants import Invariants
from .progress import Quiet, Reporter, Silent
from .refusals import Place, Refusal
from .run_folder import RunFolder
from .settings import Result, Settings
from .split_epochs import SplitEpochLoop, check_even
from .step import Batch, Loss, TrainingStep, batch_arrays

_SLICE_SECONDS = 0.1
"""About how long the engine runs before progress is shown, and signals and checkpoints are seen to."""

Validate = Callable[[], Mapping[str, float]]
"""Scores of the model as it is now, by name."""


class Epochs(Protocol):
    """What the loop asks of training data (``chainrule.data.Batches`` and its kin are such).

    Where the batches are rows of arrays, and the data can say so (:class:`chainrule.train.Gathered`), whole
    stretches of an epoch run in one call of the engine; the results are the same.
    """

    def __len__(self) -> int: ...

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from batch number ``start`` on, the same at every call."""


@dataclass
class _Position:
    """Where training stands; all of it is in a checkpoint."""

    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    examples: int = 0
    seconds: float = 0.0
    epoch_seconds: float = 0.0
    records: list[dict[str, Any]] = field(default_factory=list)


class Training:
    """A run in progress; :func:`fit` is the usual way to it."""

    def __init__(
        self,
        model: Module,
        loss: Loss,
        data: Epochs,
        optimizer: Optimizer,
        settings: Settings,
        *,
        validate: Validate | None = None,
        plateau: ReduceOnPlateau | None = None,
        folder: RunFolder | None = None,
        reporter: Reporter | None = None,
    ) -> None:
        if validate is None and (settings.patience is not None or plateau is not None):
            raise ArgumentError(
                "patience and plateau wait for validation scores, and there is no validation",
                mend="give validate=, a function that returns scores such as {'loss': 0.5}",
            )
        self.model, self.data, self.optimizer, self.settings = model, data, optimizer, settings
        self.validate, self.plateau, self.folder = validate, plateau, folder
        self.mesh = mesh_named(settings.engine)
        self.team = Team() if self.mesh is None else Team.here()
        self.reporter: Reporter = (reporter or Quiet()) if self.team.leads else Silent()
        self.step = TrainingStep(loss, optimizer, seed=settings.seed, engine=settings.engine)
        self.invariants = Invariants(
            model, self.step, data, self.reporter.warn, on=settings.invariants, ignore=settings.ignore
        )
        self.stopping = EarlyStopping(settings.patience, higher=settings.higher_is_better)
        self.position = _Position()
        self._best: dict[str, Any] | None = None
        self._saved = self._since = self._sliced = time.perf_counter()
        self._inside: EpochLoop | None = None
        self._slice = min(_SLICE_SECONDS, settings.checkpoint_seconds)
        self._steps, self._run = 1, 0
        """How many steps a slice has, found by timing; how many have been made of it."""

    def run(self) -> Result:
        """Train until the epochs are done, patience has run out, or time has; then hold the best weights.

        Ctrl-C takes effect between two steps, where everything is whole, and saves the state first.
        """
        at = self.position
        self.reporter.start(self.settings.epochs, len(self.data), at.epoch * len(self.data) + at.batch)
        try:
            with HeldInterrupt() as interrupt:
                self._begin_alike()
                self._inside = self._inside or self._loop()
                while (stopped := self._why_stop()) is None:
                    self._epoch(interrupt)
                self.invariants.finish(at.epoch * len(self.data), at.records)
        except NonFiniteError:
            self._write_manifest(stopped=None, batch=at.batch)  # with the alarms that came before
            raise
        finally:
            self.reporter.stop()
        best = self._restore_best()
        if self.folder is not None:
            self.folder.write_metrics(at.records)
            self._write_manifest(stopped=stopped, best=best)
        return Result(at.records, stopped, best, self.invariants.told, self.invariants.layers)

    def _loop(self) -> EpochLoop | None:
        """What runs many steps a call, where the data can say which rows a batch has."""
        if self.mesh is not None and (size := getattr(self.data, "size", None)) is not None:
            check_even(size, self.mesh)
        data = gathered(self.data)
        if data is None:
            if self.team.count > 1:
                _, arrays = batch_arrays(next(iter(self.data.epoch(0))))
                content = b"".join([array.tobytes() for array in arrays])
                self.team.same("the first batch", content, "give each host the same files")
            return None
        return EpochLoop(self.step, data) if self.mesh is None else SplitEpochLoop(self.step, data, self.mesh)

    def _begin_alike(self) -> None:
        """All begin with the weights of the one that leads: other processors may round otherwise."""
        if self.team.count > 1:
            own = self.model.state_dict()
            told = {name: self.team.first_bytes(array.tobytes()) for name, array in own.items()}
            self.model.load_state_dict(
                {name: np.frombuffer(told[name], a.dtype).reshape(a.shape) for name, a in own.items()}
            )

    def _why_stop(self) -> str | None:
        if self.position.epoch >= self.settings.epochs:
            return "epochs"
        if self.stopping.exhausted:
            return "patience"
        limit = self.settings.max_seconds
        if limit is None:
            return None
        (seconds,) = self.team.first(np.array([self.position.seconds]))
        return "time" if seconds >= limit else None

    def _epoch(self, interrupt: HeldInterrupt) -> None:
        at = self.position
        self._since = self._sliced = time.perf_counter()
        if self._inside is None:
            batches: Iterable[Batch] = self.data.epoch(at.epoch, at.batch)
        else:
            self._whole_batches(self._inside, interrupt)
            batches = [self._inside.take(number) for number in range(at.batch, len(self.data))]
        for batch in batches:
            if self._inside is None:
                self.invariants.begin(batch, None, first=at.epoch == at.batch == 0)
                self.invariants.saw(at.epoch, batch=batch)
            try:
                loss = self.step(batch)
            except NonFiniteError as error:
                raise self._placed(error, batch) from None
            arrays = batch_arrays(batch)[1]
            count = len(arrays[0]) if arrays[0].ndim else 1
            at.loss_sum += loss * count
            at.examples += count
            at.batch += 1
            self._tell(1, interrupt)
        self._finish_epoch()

    def _placed(self, error: NonFiniteError, batch: Batch) -> NonFiniteError:
        """The error of a step, with the place in the data at which it was made."""
        at = self.position
        if not isinstance(error.about, Refusal):
            return error
        if self._inside is not None:
            place = self._inside.place(at.batch)
        else:
            place = Place(at.epoch, at.batch, len(self.data), getattr(batch, "examples", None))
        return error.about._replace(place=place).error()

    def _whole_batches(self, loop: EpochLoop, interrupt: HeldInterrupt) -> None:
        """Those batches of the epoch that the program gathers itself, as many at a time as fit a slice."""
        at = self.position
        loop.begin(at.epoch, at.batch, at.loss_sum)
        if self.invariants.waiting:
            self.invariants.begin(loop.take(at.batch), loop, first=at.epoch == at.batch == 0)
        self.invariants.saw(at.epoch, order=loop.order)
        while at.batch < loop.whole:
            steps, before = min(self._steps, loop.whole - at.batch), at.batch
            try:
                loop.run(steps)
            finally:  # where an error stopped it, it still got so far
                done, at.loss_sum = loop.batch - before, loop.loss_sum
                at.batch += done
                at.examples += done * loop.data.size
            self._tell(done, interrupt)

    def _tell(self, batches: int, interrupt: HeldInterrupt) -> None:
        """So many batches are done: report it, and after a slice of them save if it is time.

        Clocks and signals differ between processes: what follows from them is agreed upon.
        """
        at = self.position
        self.reporter.step(at.epoch + 1, at.loss_sum / at.examples, batches)
        self._run += batches
        heard = interrupt.noted and self.team.count == 1
        if self._run < self._steps and at.batch < len(self.data) and not heard:
            return
        now = time.perf_counter()
        told = self.team.gather(np.array([now - self._sliced, now - self._saved, interrupt.noted]))
        took, unsaved, _ = told[0].tolist()
        progress(f"epoch {at.epoch + 1}, batch {at.batch}")
        fit = self._run * self._slice / max(took, 1e-9)
        self._steps, self._run = max(1, min(4 * self._steps, int(fit))), 0
        interrupted = bool(told[:, 2].any())
        if interrupted or (unsaved > self.settings.checkpoint_seconds and at.batch < len(self.data)):
            at.epoch_seconds += now - self._since
            at.seconds += now - self._since
            self._since = now
            self.save()
        self._sliced = time.perf_counter()
        if interrupted:
            self.team.meet()  # who left while another still writes would be taken for lost, and end that one
            interrupt.now()

    def _finish_epoch(self) -> None:
        at = self.position
        record: dict[str, Any] = {
            "epoch": at.epoch + 1,
            "loss": at.loss_sum / max(at.examples, 1),
            "learning_rate": float(self.optimizer.learning_rate()),
        }
        if self.validate is not None:
            with self.invariants.validating():
                scores = self._agreed(self.validate())
            record |= {f"validation_{name}": float(value) for name, value in scores.items()}
        improved = self._observe(record)
        elapsed = time.perf_counter() - self._since
        record["seconds"] = round(at.epoch_seconds + elapsed, 3)
        record["best"] = improved
        at.records.append(record)
        examples = at.examples * len(at.records)
        at.epoch, at.batch, at.loss_sum, at.examples, at.epoch_seconds = at.epoch + 1, 0, 0.0, 0, 0.0
        at.seconds += elapsed
        if improved:
            self._keep_best(record)
        self.invariants.epoch_done(at.epoch, at.epoch * len(self.data), examples, at.records)
        self.save()
        self.reporter.epoch(record)

    def _agreed(self, scores: Mapping[str, float]) -> dict[str, float]:
        """The scores as the leading process has them: what follows from them is to be the same for all."""
        values = self.team.first(np.array([float(value) for value in scores.values()], np.float64))
        return dict(zip(scores, values.tolist(), strict=True))

    def _observe(self, record: Mapping[str, Any]) -> bool:
        """Show the monitored score to early stopping and to the plateau; true if it is the best so far."""
        if self.validate is None:
            return True
        name = self.settings.monitor
        if name not in record:
            raise ArgumentError(
                f"there is no score {name!r} to monitor", mend=f"choose one of: {', '.join(record)}"
            )
        if self.plateau is not None:
            self.plateau.observe(record[name])
        return self.stopping.observe(record[name])

    # -- what outlives a kill ----------------------------------------------------------------------

    def _keep_best(self, record: Mapping[str, Any]) -> None:
        self._best = self.model.state_dict()
        if self.folder is not None:
            # Without the time taken: the same run leaves the same bytes.
            self.folder.save_model(self._best, {k: v for k, v in record.items() if k != "seconds"})

    def _restore_best(self) -> dict[str, Any]:
        best = [record for record in self.position.records if record["best"]]
        if self._best is None and best and self.folder is not None:
            self._best = self.folder.load_model()[0]
        if self._best is not None:
            self.model.load_state_dict(self._best)
        return dict(best[-1]) if best else {}

    def save(self) -> None:
        """Write the state and the records to the run folder, if there is one."""
        self._saved = time.perf_counter()
        if self.folder is None:
            return
        at = self.position
        progress = {
            "position": {key: value for key, value in vars(at).items() if key != "records"},
            "records": at.records,
            "stopping": self.stopping.state_dict(),
            "plateau": None if self.plateau is None else self.plateau.state_dict(),
            "invariants": self.invariants.state_dict(),
        }
        self.folder.save_state(self.model.state_dict(), self.optimizer.state_dict(), progress)
        self.folder.write_metrics(at.records)
        self.folder.write_layers(self.invariants.layers)
        self._write_manifest(stopped=None, batch=at.batch)

    def _write_manifest(self, **facts: Any) -> None:
        alarms = [alarm.to_mapping() for alarm in self.invariants.told]
        if self.folder is not None:
            self.folder.write_manifest({**facts, "epochs": self.position.epoch, "alarms": alarms})

    def resume(self) -> None:
        """Take up the state that the run folder holds; what follows is the same, bit for bit.

        A run that was killed before anything was saved begins anew; one whose records tell of epochs, but
        whose state is gone, raises ``RunFolderError`` instead of being overwritten.
        """
        if self.folder is None or not (self.folder.has_state or self.folder.metrics()):
            return
        model, optimizer, progress = self.folder.load_state()
        self.model.load_state_dict(model)
        self.optimizer.load_state_dict(optimizer)
        self.stopping.load_state_dict(progress["stopping"])
        self.invariants.load_state_dict(progress.get("invariants", {}))
        if self.plateau is not None and progress["plateau"] is not None:
            self.plateau.load_state_dict(progress["plateau"])
        self.position = _Position(**progress["position"], records=progress["records"])


def fit(
    model: Module,
    loss: Loss,
    data: Epochs,
    optimizer: Optimizer,
    *,
    epochs: int | None = None,
    settings: Settings | None = None,
    invariants: bool | None = None,
    validate: Validate | None = None,
    plateau: ReduceOnPlateau | None = None,
    folder: RunFolder | None = None,
    resume: bool = False,
    reporter: Reporter | None = None,
) -> Result:
    """Train ``model`` to a small ``loss`` on ``data``, and leave it with the best weights.

    ``loss(*batch)`` gives a scalar node, and takes ``mode`` if the model behaves differently in training;
    ``validate()`` gives scores after each epoch, of which ``settings.monitor`` decides what is best and
    when patience runs out.  ``epochs`` and ``invariants`` are short for those of ``settings``.  With a
    ``folder`` everything is on disk after every epoch, and ``resume`` goes on from there with the same bits.

    What is hardly meant, such as a parameter that no gradient reaches, is told once, through the
    ``reporter`` or as a ``TrainingWarning``, unless ``invariants`` is false.

    Raises ``NonFiniteError``, naming the node, when a loss or a new weight is NaN or infinite.

    >>> import chainrule as cr
    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
    >>> line = cr.nn.Linear(1, 1, seed=0)
    >>> def loss(x, y):
    ...     return cr.mse_loss(line(x), y)
    >>> data = cr.data.Batches((x, 3 * x + 1), 16, seed=0)
    >>> result = cr.train.fit(line, loss, data, cr.optim.SGD(line.parameters(), 0.1), epochs=100)
    >>> bool(result.records[-1]["loss"] < 1e-6), line.weight.value.round(3), line.bias.value.round(3)
    (True, array([[3.]], dtype=float32), array([1.], dtype=float32))
    """
    chosen = settings or Settings()
    if invariants is not None:
        chosen = replace(chosen, invariants=invariants)
    training = Training(
        model,
        loss,
        data,
        optimizer,
        chosen if epochs is None else replace(chosen, epochs=epochs),
        validate=validate,
        plateau=plateau,
        folder=folder,
        reporter=reporter,
    )
    if resume:
        training.resume()
    return training.run()
