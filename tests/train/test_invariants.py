"""What a run is held to, rule by rule where the table of faults (tests/diagnose/faults.py) does not reach."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, ConfigurationError, NonFiniteError, TrainingWarning
from chainrule.graph import Node
from chainrule.train import ALARMS, Alarm, Plain, RunFolder, Settings, Silent, Training, fit
from chainrule.train.configuration import Options, TrainingOptions, make_settings, resolve

RNG = np.random.default_rng(3)
X = RNG.standard_normal((200, 4)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int64)


class Net(cr.nn.Module):
    """Two layers."""

    def __init__(self, outputs: int = 2, seed: int = 0) -> None:
        seeds = cr.nn.Seeds(seed)
        self.hidden, self.out = cr.nn.Linear(4, 16, seed=seeds), cr.nn.Linear(16, outputs, seed=seeds)

    def forward(self, x: Node) -> Node:
        return self.out(cr.relu(self.hidden(x)))  # type: ignore[no-any-return]


def codes(net: Any, loss: Callable[..., Node], data: Any = (X, Y), **options: Any) -> list[str]:
    """The alarms of a run, by their codes."""
    optimizer = options.pop("optimizer", None) or cr.optim.Adam(net.parameters(), 0.02)
    batches = data if hasattr(data, "epoch") else cr.data.Batches(data, 20)
    result = fit(
        net, loss, batches, optimizer, epochs=options.pop("epochs", 10), reporter=Silent(), **options
    )
    return [alarm.code for alarm in result.alarms]


def classifier(net: Net) -> Callable[..., Node]:
    return lambda x, y: cr.cross_entropy(net(x), y)


# -- single rules ------------------------------------------------------------------------------------------


def test_a_healthy_run_hears_nothing_from_any_rule() -> None:
    net = Net()
    assert codes(net, classifier(net)) == []


def test_variables_that_are_not_finite_are_told_before_a_step_meets_them() -> None:
    net = Net()
    net.spare = cr.nn.Embedding(3, 4, seed=0, frozen=True)
    net.spare.weight.assign(np.full((3, 4), np.nan, np.float32))
    assert codes(net, classifier(net), epochs=1) == ["not-finite"]


def test_a_loss_that_starts_far_above_guessing() -> None:
    net = Net()
    net.out.bias.assign(np.array([30.0, -30.0], np.float32))
    assert codes(net, classifier(net), epochs=1) == ["chance"]


@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_what_a_loss_starts_at_is_read_whatever_the_reduction(reduction: Any) -> None:
    net = Net()
    assert codes(net, lambda x, y: cr.cross_entropy(net(x), y, reduction=reduction).sum(), epochs=1) == []


@pytest.mark.parametrize(
    "loss",
    [
        lambda z, y: cr.binary_cross_entropy_with_logits(cr.sigmoid(z[:, 0]), y.astype("float32")),
        lambda z, y: cr.nll_loss(cr.softmax(z), y),
        lambda z, y: cr.nll_loss(z, y),
        lambda z, y: -cr.mean(cr.log(cr.softmax(cr.softmax(z))) * cr.one_hot(y, 2)),
        lambda z, y: cr.cross_entropy(cr.sigmoid(z) / cr.sigmoid(z).sum(axis=1, keepdims=True), y),
    ],
    ids=["sigmoid twice", "nll of a softmax", "nll of scores", "softmax twice, by hand", "shares by hand"],
)
def test_probabilities_where_logits_belong(loss: Any) -> None:
    net = Net()
    assert codes(net, lambda x, y: loss(net(x), y), epochs=1)[0] == "double-softmax"


def test_log_probabilities_are_right_where_they_belong() -> None:
    net = Net()
    assert codes(net, lambda x, y: cr.nll_loss(cr.log_softmax(net(x)), y)) == []


@pytest.mark.parametrize("sign", [1, -1])
def test_squares_that_grow(sign: int) -> None:
    net = Net(1)
    target = (X @ np.array([1.0, -1, 0.5, 0], np.float32)).astype(np.float32)
    found = codes(net, lambda x, y: sign * ((net(x)[:, 0] - y) ** 2).mean(), (X, target), epochs=2)
    assert found == ([] if sign == 1 else ["maximised"])


def test_pairs_of_a_kernel_are_no_mistaken_broadcast() -> None:
    """(N, 1) against (K,) centres is meant, and so is (N, 1, D) against (K, D)."""
    net = Net(1)
    centres = np.linspace(-2, 2, 7, dtype=np.float32)

    def loss(x: Node, y: Node) -> Node:
        near = cr.exp(-((net(x) - centres) ** 2))
        return cr.mean((cr.sum(near, axis=1) - y.astype("float32")) ** 2)

    assert "broadcast-loss" not in codes(net, loss, epochs=2)


def test_a_margin_that_is_kept_everywhere_is_no_dead_unit() -> None:
    net = Net(1)

    def loss(x: Node, y: Node) -> Node:
        return cr.mean(cr.relu(0.1 - net(x) * (2.0 * cr.expand_dims(y, -1).astype("float32") - 1)))

    easy = X[abs(X[:, 0] + X[:, 1]) > 1]
    assert codes(net, loss, (easy, (easy[:, 0] + easy[:, 1] > 0).astype(np.int64)), epochs=40) == []


def test_outputs_that_do_not_depend_on_the_inputs() -> None:
    net = Net()
    net.hidden.weight.assign(np.zeros((4, 16), np.float32))
    net.hidden.bias.assign(np.ones(16, np.float32))
    trained = [net.out.weight, net.out.bias]
    net.hidden.freeze()
    found = codes(net, classifier(net), epochs=20, optimizer=cr.optim.Adam(trained, 0.02))
    assert found == ["constant"]


def test_fixed_variables_in_the_optimizer_are_told() -> None:
    net = Net()
    optimizer = cr.optim.Adam(net.parameters(), 0.02)
    net.hidden.freeze()
    assert codes(net, classifier(net), epochs=1, optimizer=optimizer) == ["foreign"]


def test_a_parameter_of_the_loss_that_the_model_does_not_have() -> None:
    net, scale = Net(), cr.variable(1.0, name="scale")
    optimizer = cr.optim.Adam([*net.parameters(), scale], 0.02)
    found = codes(net, lambda x, y: cr.cross_entropy(net(x) * scale, y), epochs=2, optimizer=optimizer)
    assert found == ["foreign"]


def test_layers_of_one_line_are_told_apart() -> None:
    class Deep(cr.nn.Module):
        def __init__(self) -> None:
            seeds = cr.nn.Seeds(0)
            self.layers = [cr.nn.Linear(4, 4, seed=seeds) for _ in range(3)]
            self.out = cr.nn.Linear(4, 2, seed=seeds)

        def forward(self, x: Node) -> Node:
            for layer in self.layers:
                x = x + cr.relu(layer(x))
            return self.out(x)  # type: ignore[no-any-return]

    net = Deep()
    net.layers[1].bias.assign(np.full(4, -50.0, np.float32))
    optimizer, data = cr.optim.Adam(net.parameters(), 0.01), cr.data.Batches((X, Y), 20)
    (alarm,) = fit(net, classifier(net), data, optimizer, epochs=1, reporter=Silent()).alarms
    assert alarm.code == "dead"
    assert alarm.where.endswith("after layers.1.weight")


class Lists:
    """Batches one by one, in an order of their own."""

    def __init__(self, arrays: tuple[Any, ...], order: Callable[[int], Any]) -> None:
        self.arrays_, self.order = arrays, order

    def __len__(self) -> int:
        return 10

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Any]:
        order = self.order(epoch)
        return (tuple(a[order[20 * b : 20 * b + 20]] for a in self.arrays_) for b in range(start, 10))


@pytest.mark.parametrize("fixed", [True, False])
def test_the_order_of_batches_that_come_one_by_one(fixed: bool) -> None:
    def order(epoch: int) -> Any:
        return np.random.default_rng(0 if fixed else epoch).permutation(200)

    net = Net()
    assert codes(net, classifier(net), Lists((X, Y), order)) == (["order"] if fixed else [])


@pytest.mark.parametrize("gathered", [True, False])
@pytest.mark.parametrize("how", ["program", "model", "evaluation"])
@pytest.mark.parametrize("own", [True, False])
def test_validation_rows_are_looked_for_among_training_rows(gathered: bool, how: str, own: bool) -> None:
    net = Net()
    x = X[:60] if own else np.random.default_rng(9).standard_normal((60, 4)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] > 0).astype(np.int64)
    score = cr.train.Evaluation(lambda x, y: {"loss": cr.cross_entropy(net(x), y)})
    run = cr.compile(lambda x: net(x))

    def validate() -> dict[str, float]:
        if how == "evaluation":
            return score([(x, y)])
        logits = run(x) if how == "program" else net(x).value
        return {"loss": float(cr.cross_entropy(cr.constant(logits), y))}

    data = None if gathered else Lists((X, Y), lambda epoch: np.random.default_rng(epoch).permutation(200))
    assert codes(net, classifier(net), data or (X, Y), validate=validate) == (["leak"] if own else [])


def test_windows_of_text_repeat_by_nature() -> None:
    """Most windows of a small language occur in both parts; that is no leak."""
    words = RNG.integers(0, 6, (2000, 3))

    class Tagger(cr.nn.Module):
        def __init__(self) -> None:
            self.table, self.out = cr.nn.Embedding(6, 4, seed=0), cr.nn.Linear(12, 3, seed=1)

        def forward(self, windows: Node) -> Node:
            return self.out(cr.reshape(self.table(windows), (windows.shape[0], 12)))  # type: ignore[no-any-return]

    net = Tagger()
    score = cr.train.Evaluation(lambda x, y: {"loss": cr.cross_entropy(net(x), y)})
    held_out = (words[1500:], words[1500:, 1] % 3)
    found = codes(net, classifier(net), (words[:1500], words[:1500, 1] % 3),  # type: ignore[arg-type]
                  validate=lambda: score([held_out]), epochs=4)  # fmt: skip
    assert found == []


def test_a_loss_written_for_one_size_is_looked_at_in_that_size() -> None:
    net, seen = Net(), []

    def loss(x: Node, y: Node) -> Node:
        seen.append(x.shape[0])
        assert x.shape[0] == 20
        return cr.cross_entropy(cr.softmax(net(x)), y)

    assert codes(net, loss, epochs=1) == ["double-softmax"]
    assert seen == [20, 64, 20]


def test_a_batch_may_have_a_number_beside_its_rows() -> None:
    class Weighted(Lists):
        def epoch(self, epoch: int, start: int = 0) -> Iterator[Any]:
            return ((np.float32(1 / (epoch + 1)), x, y) for x, y in super().epoch(epoch, start))

    net, data = Net(), Weighted((X, Y), lambda epoch: np.random.default_rng(epoch).permutation(200))
    net.hidden.bias.assign(np.full(16, -50.0, np.float32))
    assert codes(net, lambda w, x, y: w * cr.cross_entropy(net(x), y), data) == ["dead"]


def test_looking_changes_nothing() -> None:
    def weights(invariants: bool) -> dict[str, Any]:
        net = Net()
        fit(net, classifier(net), cr.data.Batches((X, Y), 20), cr.optim.Adam(net.parameters(), 0.02),
            epochs=3, invariants=invariants)  # fmt: skip
        return net.state_dict()

    one, other = weights(True), weights(False)
    assert all(np.array_equal(one[name], other[name]) for name in one)


# -- who is told -------------------------------------------------------------------------------------------


def broken(folder: RunFolder | None = None, **options: Any) -> Training:
    """Softmax before cross-entropy, and a fixed order."""
    net = Net()
    settings = Settings(epochs=options.pop("epochs", 3), **options)
    return Training(net, lambda x, y: cr.cross_entropy(cr.softmax(net(x)), y),
                    cr.data.Batches((X, Y), 20, shuffle=False), cr.optim.Adam(net.parameters(), 0.02),
                    settings, folder=folder)  # fmt: skip


def test_without_a_reporter_alarms_are_python_warnings() -> None:
    with pytest.warns(TrainingWarning) as caught:
        broken().run()
    texts = [str(warning.message) for warning in caught]
    assert [text.split("\n")[0] for text in texts] == [
        "cross_entropy is given probabilities, and takes logits: it applies a second softmax to them",
        "the examples come in the same order in every epoch",
    ]
    assert "test_invariants.py:" in texts[0]


def test_plain_lines_tell_each_alarm_once() -> None:
    stream = io.StringIO()
    training = broken(epochs=6)
    training.reporter = training.invariants._tell.__self__  # type: ignore[attr-defined]  # the bound reporter
    training.invariants._tell = Plain(stream).warn
    training.run()
    assert stream.getvalue().count("warning: ") == 2
    assert "  mend:  leave out the softmax" in stream.getvalue()


@pytest.mark.filterwarnings("ignore::chainrule.errors.TrainingWarning")
def test_the_run_folder_keeps_them_and_a_resumed_run_does_not_repeat_them(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.create({"task": "none"})
    first = broken(folder, epochs=1).run()
    assert [alarm.code for alarm in first.alarms] == ["double-softmax"]
    (kept,) = json.loads((tmp_path / "manifest.json").read_text())["alarms"]
    assert Alarm.from_mapping(kept) == first.alarms[0]
    assert set(kept) == {"code", "what", "where", "mend", "epoch"}
    again = broken(folder, epochs=4)
    again.resume()
    told: list[Alarm] = []
    again.invariants._tell = told.append
    again.run()
    assert told == []  # the order of the first epoch is not known any more
    assert folder.manifest()["alarms"] == [kept]


def test_a_run_that_ends_in_an_error_leaves_its_alarms_too(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.create({"task": "none"})
    net = Net()
    x = X.copy()
    x[7, 0] = np.nan

    def loss(x: Node, y: Node) -> Node:
        return cr.cross_entropy(cr.softmax(net(x)), y)

    batches = cr.data.Batches((np.concatenate([X, x]), np.concatenate([Y, Y])), 20, shuffle=False)
    with pytest.raises(NonFiniteError):
        fit(net, loss, batches, cr.optim.Adam(net.parameters(), 0.02), folder=folder, reporter=Silent())
    assert [alarm["code"] for alarm in folder.manifest()["alarms"]] == ["double-softmax"]


def test_what_is_meant_is_not_told() -> None:
    assert broken(invariants=False).run().alarms == []
    assert broken(ignore=("double-softmax", "order")).run().alarms == []
    with pytest.raises(ArgumentError, match="there is no alarm 'ordre' to ignore"):
        broken(ignore=("ordre",))


def test_the_settings_are_those_of_the_configuration() -> None:
    settings = make_settings(TrainingOptions(invariants=False, ignore=("order",)))
    assert (settings.invariants, settings.ignore) == (False, ("order",))
    assert make_settings(TrainingOptions()).invariants


def test_a_code_that_there_is_not_is_told_before_anything_is_read() -> None:
    class Example(Options):
        training: TrainingOptions = msgspec.field(default_factory=TrainingOptions)

    assert resolve(Example, settings=['training.ignore=["order", "leak"]']).training.ignore == (
        "order",
        "leak",
    )
    with pytest.raises(ConfigurationError, match="'ordre'"):
        resolve(Example, settings=['training.ignore=["ordre"]'])


def test_the_page_on_diagnosis_tells_of_each_alarm() -> None:
    page = (Path(__file__).parents[2] / "docs" / "diagnosis.md").read_text(encoding="utf-8")
    section = page[page.index("## Training runs") :]
    assert [code for code in ALARMS if f"`{code}`" not in section] == []
