from __future__ import annotations

import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import chainrule as cr
from chainrule.data import Batches
from chainrule.engines.xla import Team
from chainrule.errors import ArgumentError, DTypeError, NonFiniteError
from chainrule.graph import Node
from chainrule.train import RunFolder, Settings, Silent, Training, fit


class Net(cr.nn.Module):
    """A small network with dropout, so that the random keys of steps matter."""

    def __init__(self) -> None:
        seeds = cr.nn.Seeds(0)
        self.first = cr.nn.Linear(3, 8, seed=seeds)
        self.drop = cr.nn.Dropout(0.3)
        self.second = cr.nn.Linear(8, 2, seed=seeds)

    def forward(self, x: Node, mode: cr.nn.Mode = cr.nn.EVALUATE) -> Node:
        h = self.drop(cr.tanh(self.first(x)), mode=mode)
        return self.second(h)  # type: ignore[no-any-return]


def data(count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((count, 3)).astype(np.float32)
    return x, (x.sum(axis=1) > 0).astype(np.int64)


def make(folder: RunFolder | None = None, *, epochs: int = 4, **options: Any) -> Training:
    """A run over six batches an epoch."""
    net = Net()
    x, y = data()

    def loss(x: Node, y: Node, mode: cr.nn.Mode) -> Node:
        return cr.cross_entropy(net(x, mode=mode), y)

    def validate() -> dict[str, float]:
        return {"loss": float(cr.cross_entropy(net(cr.constant(x)), cr.constant(y)))}

    optimizer = cr.optim.Adam(net.parameters(), 0.05)
    kept = {name: options.pop(name) for name in ("reporter", "plateau") if name in options}
    settings = Settings(epochs=epochs, seed=5, ignore=("leak",), **options)
    return Training(
        net, loss, Batches((x, y), 10, seed=3), optimizer, settings,
        validate=validate, folder=folder, **kept,
    )  # fmt: skip


def weights(training: Training) -> dict[str, np.ndarray]:
    return training.model.state_dict()


def assert_same(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])


class StopAt(Silent):
    """Does something at a step, counted from 1 over the whole run, or at the first report after it."""

    def __init__(self, number: int, act: Any) -> None:
        self.number, self.act, self.steps = number, act, 0

    def step(self, epoch: int, loss: float, batches: int = 1) -> None:
        before, self.steps = self.steps, self.steps + batches
        if before < self.number <= self.steps:
            self.act()


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop looks up after every step."""
    monkeypatch.setattr("chainrule.train.loop._SLICE_SECONDS", 0.0)


class Killed(Exception):
    """The process ends here."""


def die() -> None:
    raise Killed


@pytest.mark.parametrize("step", [1, 3, 6, 7, 12, 13, 24])
def test_a_run_that_dies_goes_on_to_the_same_bits(tmp_path: Path, step: int) -> None:
    """At any step, with a checkpoint after each: as if power were lost."""
    straight = make(RunFolder(tmp_path / "straight"))
    (tmp_path / "straight").mkdir()
    expected = straight.run()
    (tmp_path / "broken").mkdir()
    folder = RunFolder(tmp_path / "broken")
    with pytest.raises(Killed):
        make(folder, checkpoint_seconds=0.0, reporter=StopAt(step, die)).run()
    again = make(folder)
    again.resume()
    found = again.run()
    assert_same(weights(again), weights(straight))
    for name in ("model.safetensors",):
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes()
    untimed = [{k: v for k, v in record.items() if k != "seconds"} for record in found.records]
    assert untimed == [{k: v for k, v in record.items() if k != "seconds"} for record in expected.records]
    assert folder.metrics() == found.records


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize("step", [1, 4, 6, 24])
def test_ctrl_c_saves_first_and_stops_between_steps(tmp_path: Path, step: int) -> None:
    folder = RunFolder(tmp_path)
    broken = make(folder, reporter=StopAt(step, lambda: signal.raise_signal(signal.SIGINT)))
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        broken.run()
    assert signal.getsignal(signal.SIGINT) is before
    _, optimizer, progress = folder.load_state()
    position = progress["position"]
    assert optimizer["step"] == step == position["epoch"] * 6 + position["batch"]
    again, straight = make(folder), make()
    again.resume()
    again.run()
    straight.run()
    assert_same(weights(again), weights(straight))


@pytest.mark.parametrize("step", [1, 4, 23])
def test_ctrl_c_within_a_slice_stops_at_its_end(tmp_path: Path, step: int) -> None:
    folder = RunFolder(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        make(folder, reporter=StopAt(step, lambda: signal.raise_signal(signal.SIGINT))).run()
    _, optimizer, progress = folder.load_state()
    position = progress["position"]
    assert step <= optimizer["step"] == position["epoch"] * 6 + position["batch"]
    again, straight = make(folder), make()
    again.resume()
    again.run()
    straight.run()
    assert_same(weights(again), weights(straight))


def test_of_many_processes_none_leaves_before_the_state_is_saved(tmp_path: Path) -> None:
    """JAX takes who has left for lost after five seconds, and ends those who still write."""
    folder, saved = RunFolder(tmp_path), []

    class Two(Team):
        """Another one does and sees the same."""

        def gather(self, values: NDArray[Any]) -> NDArray[Any]:
            return np.stack([values, values])

        def first_bytes(self, content: bytes) -> bytes:
            return content

        def meet(self) -> None:
            saved.append(folder.load_state()[1]["step"])

    broken = make(folder, reporter=StopAt(8, lambda: signal.raise_signal(signal.SIGINT)))
    broken.team = Two(0, 2)
    with pytest.raises(KeyboardInterrupt):
        broken.run()
    assert saved == [folder.load_state()[1]["step"]]
    assert saved[0] >= 8


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    folder = RunFolder(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        make(folder, reporter=StopAt(8, twice)).run()
    assert folder.load_state()[1]["step"] == 6  # what the last epoch's end saved


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(make(epochs=1).run()))
    thread.start()
    thread.join()
    assert len(results[0].records) == 1
    assert signal.getsignal(signal.SIGINT) is before


def test_a_finished_run_resumed_has_nothing_to_do(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    first = make(folder)
    result = first.run()
    content = (tmp_path / "model.safetensors").read_bytes()
    again = make(folder)
    again.resume()
    assert again.run().records == result.records
    assert_same(weights(again), weights(first))
    assert (tmp_path / "model.safetensors").read_bytes() == content


def test_more_epochs_may_be_asked_for_on_resuming(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    make(folder, epochs=2).run()
    again, straight = make(folder, epochs=4), make(epochs=4)
    again.resume()
    assert len(again.run().records) == 4
    straight.run()
    assert_same(weights(again), weights(straight))


def test_patience_ends_a_run_and_the_best_weights_are_restored() -> None:
    training = make(epochs=50, patience=2)
    scores = iter([3.0, 1.0, 2.0, 1.5, 9.0])
    kept: list[dict[str, np.ndarray]] = []

    def validate() -> dict[str, float]:
        kept.append(weights(training))
        return {"loss": next(scores)}

    training.validate = validate
    result = training.run()
    assert (result.stopped, len(result.records), result.best["epoch"]) == ("patience", 4, 2)
    assert [record["best"] for record in result.records] == [True, True, False, False]
    assert_same(weights(training), kept[1])


def test_time_ends_a_run_after_an_epoch() -> None:
    result = make(epochs=50, max_seconds=1e-9).run()
    assert (result.stopped, len(result.records)) == ("time", 1)


def test_a_score_to_monitor_must_be_among_those_there_are() -> None:
    with pytest.raises(ArgumentError, match="there is no score 'validation_f1' to monitor") as caught:
        make(monitor="validation_f1").run()
    assert "validation_loss" in str(caught.value)


def test_without_validation_the_last_weights_are_the_best() -> None:
    training = make(epochs=2)
    training.validate = None
    result = training.run()
    assert (result.best["epoch"], result.stopped) == (2, "epochs")


def test_the_loss_of_an_epoch_is_the_mean_over_examples() -> None:
    """Batches of 10, 10, 4: the last counts by its size."""
    x = np.arange(24, dtype=np.float32)[:, None]
    w = cr.variable(0.0)
    result = fit(
        cr.nn.Sequential(), lambda x, mode: (x + w).mean(), Batches(x, 10, shuffle=False),
        cr.optim.SGD([w], 1e-9), settings=Settings(epochs=1), invariants=False,
    )  # fmt: skip
    assert result.records[0]["loss"] == pytest.approx(x.mean(), rel=1e-5)


def test_a_loss_that_is_not_finite_names_its_node_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    w = cr.variable([1.0, 2.0], name="w")

    class Holder(cr.nn.Module):
        def __init__(self) -> None:
            self.w = w

    x = np.ones((8, 2), np.float32)
    x[6] = [-1.0, 0.5]

    def loss(x: Node, mode: cr.nn.Mode) -> Node:
        return cr.log(x).mean() + 0 * w.sum() if x.shape[0] else w.sum()

    batches = Batches(x, 2, shuffle=False)
    training = Training(
        Holder(),
        loss,
        batches,
        cr.optim.SGD([w], 0.1),
        Settings(epochs=2, checkpoint_seconds=0.0),
        folder=folder,
    )
    with pytest.raises(NonFiniteError) as caught:
        training.run()
    text = str(caught.value)
    assert "the loss is not finite; nothing was updated" in text
    assert "log" in text
    assert "NaN" in text
    assert "test_loop.py" in text
    _, optimizer, progress = folder.load_state()
    assert (optimizer["step"], progress["position"]["batch"]) == (3, 3)
    assert np.isfinite(w.value).all()


def test_a_weight_that_is_not_finite_is_named_and_nothing_changes() -> None:
    w = cr.variable([1.0, 2.0], name="weights")
    step = cr.train.TrainingStep(lambda x, mode: (w * x).sum(), cr.optim.SGD([w], 1e38))
    with pytest.raises(NonFiniteError, match="the new value of weights is not finite") as caught:
        step(np.array([0.0, 1e3], np.float32))
    assert "the step is too large: lower the learning rate" in str(caught.value)
    np.testing.assert_array_equal(w.value, [1.0, 2.0])


def test_patience_without_validation_is_refused() -> None:
    line = cr.nn.Linear(1, 1, seed=0)
    data = cr.data.Batches((np.zeros((4, 1), "f"), np.zeros((4, 1), "f")), 2)
    with pytest.raises(cr.errors.ArgumentError, match="there is no validation"):
        cr.train.fit(
            line,
            lambda x, y: cr.mse_loss(line(x), y),
            data,
            cr.optim.SGD(line.parameters(), 0.1),
            settings=cr.train.Settings(patience=2),
        )


def test_a_loss_may_leave_the_mode_out_where_the_model_does_not_need_it() -> None:
    line = cr.nn.Linear(1, 1, seed=0)
    data = cr.data.Batches((np.ones((4, 1), "f"), np.ones((4, 1), "f")), 2)
    optimizer = cr.optim.SGD(line.parameters(), 0.1)
    result = cr.train.fit(line, lambda x, y: cr.mse_loss(line(x), y), data, optimizer, epochs=3)
    assert [record["epoch"] for record in result.records] == [1, 2, 3]
    net = cr.nn.Sequential(line, cr.nn.Dropout(0.5))
    with pytest.raises(cr.errors.ArgumentError, match="called in training without the mode"):
        cr.train.fit(net, lambda x, y: cr.mse_loss(net(x), y), data, optimizer, epochs=1)


def test_a_masked_target_is_refused_where_training_would_see_what_it_hides() -> None:
    y = np.ma.array(np.ones((8, 1), np.float32), mask=np.arange(8)[:, None] > 5)
    line = cr.nn.Linear(1, 1, seed=0)
    batches = cr.data.Batches((np.ones((8, 1), np.float32), y), 8, seed=0)
    optimizer = cr.optim.SGD(line.parameters(), 0.1)
    with pytest.raises(DTypeError, match="a masked array hides elements"):
        cr.train.fit(line, lambda x, y: cr.mse_loss(line(x), y), batches, optimizer, epochs=1)


def test_all_processes_begin_with_the_weights_of_the_first_on_the_same_batches() -> None:
    class Second(Team):
        """Of two, with a first one whose weights are others."""

        def first_bytes(self, content: bytes) -> bytes:
            return np.random.default_rng(9).normal(size=len(content) // 4).astype(np.float32).tobytes()

        def gather(self, values: np.ndarray) -> np.ndarray:
            return np.stack([values, values])

        def same(self, what: str, content: bytes, mend: str) -> None:
            compared[what] = content

    compared: dict[str, bytes] = {}
    training = make(epochs=1, max_seconds=1e-9)
    x, y = data(20)

    class OneByOne:
        """Batches that are no choice of rows."""

        def __len__(self) -> int:
            return 2

        def epoch(self, epoch: int, start: int = 0) -> Any:
            return iter([(x[:10], y[:10]), (x[10:], y[10:])][start:])

    seen: list[np.ndarray] = []
    training.team, training.data = Second(1, 2), OneByOne()
    training.validate = lambda: {"loss": 0.0}
    step = training.step
    training.step = lambda batch: (seen.append(weights(training)["first.weight"]), step(batch))[1]  # type: ignore[assignment]
    training.run()
    assert seen[0].ravel().tobytes() == Second(1, 2).first_bytes(seen[0].tobytes())
    assert compared == {"the first batch": x[:10].tobytes() + y[:10].tobytes()}
