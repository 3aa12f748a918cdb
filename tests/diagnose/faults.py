"""Networks broken in known ways, and healthy ones: what is said of each, by the tool that is the natural one.

``python benchmarks/diagnosis.py`` prints the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

import chainrule as cr
from chainrule.errors import ChainruleError
from chainrule.graph import Node
from chainrule.train import Evaluation, Settings, Silent, fit


class Fault(NamedTuple):
    """A broken program, who should find out, and what must be said."""

    name: str
    tool: str
    """``run`` (the alarms of a training run), ``refusal`` (an error), ``why`` or ``check``."""
    expected: str
    """The code of the first alarm; elsewhere a part of what is said."""
    program: Callable[[], Any]


FAULTS: list[Fault] = []


def fault(name: str, tool: str, expected: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Enter a program into the table."""

    def enter(program: Callable[[], Any]) -> Callable[[], Any]:
        FAULTS.append(Fault(name, tool, expected, program))
        return program

    return enter


def said(row: Fault) -> str:
    """What is said of a program: each alarm with its code, or the error, or the answer."""
    try:
        found = row.program()
    except ChainruleError as error:
        return f"{type(error).__name__}: {error}"
    if isinstance(found, cr.train.Result):
        return "\n".join(f"[{alarm.code}] {alarm}" for alarm in found.alarms)
    return str(found)


def named(row: Fault, text: str) -> bool:
    """Whether the fault is called by its name, and by no other one before that."""
    return text.startswith(f"[{row.expected}]") if row.tool == "run" else row.expected in text


# -- data and networks, as a user would have them ------------------------------------------------------


def blobs(rows: int = 300, classes: int = 3, seed: int = 0) -> tuple[Any, Any]:
    """Points around as many centres as there are classes, in eight dimensions."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((classes, 8))
    y = rng.integers(0, classes, rows)
    return (centres[y] + 0.7 * rng.standard_normal((rows, 8))).astype(np.float32), y


def curve(rows: int = 300, seed: int = 0) -> tuple[Any, Any]:
    """y = sin 2x₁ + x₂ with a little noise; y of shape (N,)."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, 2)).astype(np.float32)
    noise = 0.1 * rng.standard_normal(rows)
    return x, (np.sin(2 * x[:, 0]) + x[:, 1] + noise).astype(np.float32)


class Net(cr.nn.Module):
    """Fully connected layers with one activation between them."""

    def __init__(
        self, *sizes: int, activation: Any = cr.relu, drop: float = 0.0, gain: float = 0.0, seed: int = 0
    ) -> None:
        seeds, more = cr.nn.Seeds(seed), {"initial": cr.nn.initialisers.normal(0.0, gain)} if gain else {}
        self.layers = [cr.nn.Linear(a, b, seed=seeds, **more) for a, b in pairwise(sizes)]
        self.activation, self.drop = activation, cr.nn.Dropout(drop) if drop else None

    def forward(self, x: Node, mode: cr.nn.Mode = cr.nn.EVALUATE) -> Node:
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
            x = x if self.drop is None else self.drop(x, mode=mode)
        return self.layers[-1](x)  # type: ignore[no-any-return]


def classify(
    net: Any,
    x: Any,
    y: Any,
    *,
    epochs: int = 15,
    optimizer: Any = None,
    loss: Any = None,
    held_out: tuple[Any, Any] | None = None,
    **batches: Any,
) -> cr.train.Result:
    """Train a classifier as everybody does."""
    score = Evaluation(lambda x, y: {"loss": cr.cross_entropy(net(x), y)})
    return fit(
        net,
        loss or (lambda x, y, mode: cr.cross_entropy(net(x, mode=mode), y)),
        cr.data.Batches((x, y), 20, **batches),
        optimizer or cr.optim.Adam(net.parameters(), 0.01),
        settings=Settings(epochs=epochs),
        validate=None if held_out is None else lambda: score([held_out]),
        reporter=Silent(),
    )


def regress(
    net: Any, loss: Any, *, rows: int = 300, epochs: int = 15, optimizer: Any = None, data: Any = None
) -> cr.train.Result:
    """Train on the curve."""
    return fit(
        net,
        loss,
        cr.data.Batches(data or curve(rows), 20),
        optimizer or cr.optim.Adam(net.parameters(), 0.01),
        settings=Settings(epochs=epochs),
        reporter=Silent(),
    )


# -- values that are not finite --------------------------------------------------------------------------


@fault("log of a softmax that underflows", "refusal", "log of 0")
def log_of_zero() -> Any:
    x, y = blobs()
    net = Net(8, 16, 3, gain=30.0)
    return classify(net, x, y, loss=lambda x, y: -cr.mean(cr.log(cr.take_along_axis(
        cr.softmax(net(x)), cr.expand_dims(y, -1), axis=-1))))  # fmt: skip


@fault("a softmax by hand that overflows", "refusal", "exp first gives ∞")
def exp_overflow() -> Any:
    x, y = blobs()
    net = Net(8, 16, 3, gain=30.0)

    def loss(x: Node, y: Node) -> Node:
        powers = cr.exp(net(x))
        p = powers / cr.sum(powers, axis=-1, keepdims=True)
        return -cr.mean(cr.log(cr.take_along_axis(p, cr.expand_dims(y, -1), axis=-1) + 1e-9))

    return classify(net, x, y, loss=loss)


@fault("where hides the root of 0, backward reveals it", "refusal", "the forward pass hid it: where")
def where_trap() -> Any:
    x, y = blobs()
    net = Net(8, 4)
    other = x[::-1].copy()
    other[30] = x[30]  # a pair of equals: their distance is 0

    def loss(x: Node, other: Node, same: Node) -> Node:
        square = cr.sum((net(x) - net(other)) ** 2, axis=-1)
        distance = cr.where(square > 0, cr.sqrt(square), 0.0)
        return cr.mean(cr.where(same, distance, cr.relu(1 - distance)))

    return regress(net, loss, data=(x, other, y == y[::-1]))


@fault("a row of zeros divided by its norm", "refusal", "row 17")
def zero_row() -> Any:
    x, y = blobs()
    x[17] = 0
    net = Net(8, 16, 3)
    return classify(net, x, y, loss=lambda x, y: cr.cross_entropy(
        net(x / cr.sqrt(cr.sum(x * x, axis=-1, keepdims=True))), y))  # fmt: skip


@fault("a NaN in the data", "refusal", "row 41")
def nan_in_data() -> Any:
    x, y = blobs()
    x[41, 3] = np.nan
    return classify(Net(8, 16, 3), x, y)


# -- gradients that are cut --------------------------------------------------------------------------------


class Cut(cr.nn.Module):
    """An encoder and a head, with something between them that passes nothing back."""

    def __init__(self, between: Callable[[Node], Node]) -> None:
        seeds = cr.nn.Seeds(0)
        self.encoder, self.head = cr.nn.Linear(8, 16, seed=seeds), cr.nn.Linear(16, 3, seed=seeds)
        self.between = between

    def forward(self, x: Node) -> Node:
        return self.head(self.between(self.encoder(x)))  # type: ignore[no-any-return]


def cut(between: Callable[[Node], Node]) -> Any:
    x, y = blobs()
    net = Cut(between)
    return classify(net, x, y, loss=lambda x, y: cr.cross_entropy(net(x), y))


@fault("a hard choice by argmax", "run", "no-gradient")
def by_argmax() -> Any:
    return cut(lambda h: cr.one_hot(cr.argmax(h, axis=-1), 16))


@fault("activations rounded", "run", "no-gradient")
def by_rounding() -> Any:
    return cut(lambda h: cr.round(h * 4) / 4)


@fault("stop_gradient left in", "run", "no-gradient")
def by_stop_gradient() -> Any:
    return cut(lambda h: cr.stop_gradient(cr.relu(h)))


@fault("a cast to integers", "run", "no-gradient")
def by_cast() -> Any:
    return cut(lambda h: h.astype("int32").astype("float32"))


@fault("everything cut: the loss is the accuracy", "refusal", "argmax")
def accuracy_as_loss() -> Any:
    x, y = blobs()
    net = Net(8, 16, 3)
    return classify(net, x, y, loss=lambda x, y: -cr.mean(
        cr.equal(cr.argmax(net(x), axis=-1), y).astype("float32")))  # fmt: skip


# -- gradients that die out --------------------------------------------------------------------------------


@fault("dead units: biases far below zero", "run", "dead")
def dead_units() -> Any:
    x, y = blobs()
    net = Net(8, 32, 3)
    net.layers[0].bias.assign(np.full(32, -20.0, np.float32))
    return classify(net, x, y)


@fault("dead units, asked of one parameter", "why", "dead")
def why_dead() -> Any:
    x, y = blobs()
    net = Net(8, 32, 3)
    net.layers[0].bias.assign(np.full(32, -20.0, np.float32))
    return cr.diagnose.why_gradient(cr.cross_entropy(net(cr.constant(x)), y), net.layers[0].weight)


@fault("saturated sigmoids: weights too large", "run", "saturated")
def saturated() -> Any:
    x, y = blobs()
    return classify(Net(8, 32, 3, activation=cr.sigmoid, gain=15.0), x, y)


@fault("twelve sigmoid layers", "run", "vanishing")
def vanishing() -> Any:
    x, y = blobs()
    return classify(Net(8, *[16] * 12, 3, activation=cr.sigmoid), x, y, epochs=4)


@fault("twelve sigmoid layers, asked of the first", "why", "sigmoid")
def why_vanishing() -> Any:
    x, y = blobs()
    net = Net(8, *[16] * 12, 3, activation=cr.sigmoid)
    return cr.diagnose.why_gradient(cr.cross_entropy(net(cr.constant(x)), y), net.layers[0].weight)


@fault("twelve layers of large weights", "run", "exploding")
def exploding() -> Any:
    x, y = blobs()
    net = Net(8, *[32] * 12, 3, gain=0.8)
    return classify(net, x, y, epochs=2, optimizer=cr.optim.SGD(net.parameters(), 1e-9))


# -- derivative rules that are wrong -----------------------------------------------------------------------


def slip(backward: Callable[..., Any], value: Callable[..., Any], *shapes: tuple[int, ...]) -> Any:
    """Check the gradient of an op with this derivative rule."""

    class Mine(cr.Op):
        def forward(self, xp: Any, *values: Any) -> Any:
            return value(xp, *values)

        def vjp(self, ct: Node, out: Node, *inputs: Node) -> Any:
            return backward(ct, out, *inputs)

    op, rng = cr.define_op(Mine), np.random.default_rng(0)
    return cr.check_gradients(
        lambda *x: cr.sum(op(*x) ** 2), *[rng.standard_normal(shape) for shape in shapes]
    )


@fault("backward returns the transpose", "check", "transposed")
def transposed() -> Any:
    return slip(lambda ct, out, x: ((3 * ct).T,), lambda xp, x: 3 * x, (4, 4))


@fault("backward forgets the upstream gradient", "check", "ct")
def upstream_forgotten() -> Any:
    return slip(lambda ct, out, x: (3 * x * x,), lambda xp, x: x**3, (4, 3))


@fault("backward has the wrong sign", "check", "sign")
def wrong_sign() -> Any:
    return slip(lambda ct, out, x: (ct * cr.sin(x),), lambda xp, x: xp.cos(x), (4, 3))


@fault("backward is twice too large", "check", "factor 2")
def factor_two() -> Any:
    return slip(lambda ct, out, x: (2 * ct * cr.exp(x),), lambda xp, x: xp.exp(x), (4, 3))


@fault("backward does not sum over the broadcast axis", "check", "broadcast")
def not_summed() -> Any:
    return slip(
        lambda ct, out, x, y: (ct, ct[0]), lambda xp, x, y: x + y, (5, 3), (3,)
    )  # the bias gets the first row's alone


# -- losses and data ---------------------------------------------------------------------------------------


@fault("(N, 1) against (N,)", "run", "broadcast-loss")
def broadcast_loss() -> Any:
    net = Net(2, 16, 1)
    return regress(net, lambda x, y: cr.mean((net(x) - y) ** 2))


@fault("softmax before cross_entropy", "run", "double-softmax")
def double_softmax() -> Any:
    x, y = blobs()
    net = Net(8, 16, 3)
    return classify(net, x, y, loss=lambda x, y: cr.cross_entropy(cr.softmax(net(x)), y))


@fault("the loss has the wrong sign", "run", "maximised")
def maximised() -> Any:
    x, y = blobs()
    net = Net(8, 16, 3)
    return classify(net, x, y, epochs=2, loss=lambda x, y: -cr.cross_entropy(net(x), y))


@fault("labels shuffled", "run", "no-better")
def shuffled_labels() -> Any:
    x, y = blobs()
    return classify(Net(8, 3), x, np.random.default_rng(1).permutation(y))


@fault("labels shuffled, and a network that learns them by heart", "run", "by-heart")
def shuffled_by_heart() -> Any:
    (x, y), (vx, vy) = blobs(), blobs(100, seed=1)
    y, vy = np.random.default_rng(1).permutation(y), np.random.default_rng(2).permutation(vy)
    return classify(Net(8, 128, 128, 3), x, y, epochs=40, held_out=(vx, vy))


@fault("all labels the same", "run", "one-class")
def one_class() -> Any:
    x, y = blobs()
    return classify(Net(8, 16, 3), x, 0 * y + 1)


@fault("inputs between 0 and 255", "run", "inputs")
def unnormalised() -> Any:
    x, y = blobs()
    return classify(Net(8, 16, 3, activation=cr.sigmoid), np.round(60 * x + 128).astype(np.float32), y)


@fault("validation rows among the training rows", "run", "leak")
def leak() -> Any:
    x, y = blobs()
    return classify(Net(8, 16, 3), x, y, held_out=(x[200:], y[200:]))


@fault("the same order in every epoch", "run", "order")
def fixed_order() -> Any:
    x, y = blobs()
    return classify(Net(8, 16, 3), x, y, shuffle=False)


@fault("dropout left on in the validation", "run", "evaluation")
def dropout_in_validation() -> Any:
    (x, y), (vx, vy) = blobs(), blobs(100, seed=1)
    net = Net(8, 16, 3, drop=0.3)

    def validate() -> dict[str, float]:
        mode = cr.nn.training(cr.random.key(0))
        return {"loss": float(cr.cross_entropy(net(cr.constant(vx), mode=mode), vy))}

    return fit(
        net, lambda x, y, mode: cr.cross_entropy(net(x, mode=mode), y), cr.data.Batches((x, y), 20),
        cr.optim.Adam(net.parameters(), 0.01), epochs=5, validate=validate, reporter=Silent(),
    )  # fmt: skip


@fault("dropout in a program that was made before", "run", "evaluation")
def dropout_in_a_program() -> Any:
    (x, y), (vx, vy) = blobs(), blobs(100, seed=1)
    net = Net(8, 16, 3, drop=0.3)
    score = Evaluation(lambda x, y: {"loss": cr.cross_entropy(
        net(x, mode=cr.nn.training(cr.random.key(0))), y)})  # fmt: skip
    score([(vx, vy)])
    return fit(
        net, lambda x, y, mode: cr.cross_entropy(net(x, mode=mode), y), cr.data.Batches((x, y), 20),
        cr.optim.Adam(net.parameters(), 0.01), epochs=5, reporter=Silent(),
        validate=lambda: score([(vx, vy)]),
    )  # fmt: skip


@fault("(N, 1) against (N,) in a loss of the library", "refusal", "take the axis of length 1 away")
def refused_broadcast() -> Any:
    net = Net(2, 16, 1)
    return regress(net, lambda x, y: cr.mse_loss(net(x), y))


@fault("all weights 0 at the start", "run", "symmetric")
def zeros() -> Any:
    x, y = blobs()
    net = Net(8, 16, 16, 3, activation=cr.tanh)
    for layer in net.layers:
        layer.weight.assign(np.zeros(layer.weight.shape, np.float32))
    return classify(net, x, y)


@fault("a weight that the matrix product cannot take", "refusal", "transpose the second")
def transposed_weight() -> Any:
    x, y = blobs()
    w = cr.variable(np.ones((3, 8), np.float32), name="w")
    return classify(Net(8, 3), x, y, loss=lambda x, y: cr.cross_entropy(x @ w, y))


# -- optimizers --------------------------------------------------------------------------------------------


@fault("a layer left out of the optimizer", "run", "left-out")
def left_out() -> Any:
    x, y = blobs()
    net = Net(8, 16, 16, 3)
    trained = [p for p in net.parameters() if p is not net.layers[1].weight]
    return classify(net, x, y, optimizer=cr.optim.Adam(trained, 0.01))


@fault("a layer left out of the optimizer, asked of its weight", "why", "frozen, or left out")
def why_left_out() -> Any:
    x, y = blobs()
    net = Net(8, 16, 3)
    optimizer = cr.optim.Adam(net.layers[1].parameters(), 0.01)
    loss = cr.cross_entropy(net(cr.constant(x)), y)
    return cr.diagnose.why_gradient(loss, net.layers[0].weight, optimizer=optimizer)


@fault("a group whose learning rate is 0", "run", "unmoved")
def frozen_by_rate() -> Any:
    x, y = blobs()
    net = Net(8, 16, 3)
    groups = [
        {"parameters": net.layers[0].parameters(), "learning_rate": 0.0},
        {"parameters": net.layers[1].parameters()},
    ]
    return classify(net, x, y, optimizer=cr.optim.Adam(groups, 0.01))


@fault("two instances of the model mixed up", "run", "foreign")
def two_instances() -> Any:
    x, y = blobs()
    net, other = Net(8, 16, 3), Net(8, 16, 3)
    return classify(net, x, y, optimizer=cr.optim.Adam(other.parameters(), 0.01),
                    loss=lambda x, y: cr.cross_entropy(other(x), y))  # fmt: skip


@fault("the optimizer of another instance", "refusal", "does not depend on")
def other_optimizer() -> Any:
    x, y = blobs()
    return classify(Net(8, 16, 3), x, y, optimizer=cr.optim.Adam(Net(8, 16, 3).parameters(), 0.01))


@fault("a learning rate that is too high", "run", "rate-high")
def rate_high() -> Any:
    x, y = blobs()
    net = Net(8, 32, 32, 3, activation=cr.tanh)
    return classify(net, x, y, optimizer=cr.optim.Adam(net.parameters(), 3.0))


@fault("a learning rate that is too low", "run", "rate-low")
def rate_low() -> Any:
    x, y = blobs()
    net = Net(8, 16, 3)
    return classify(net, x, y, optimizer=cr.optim.SGD(net.parameters(), 1e-5))


@fault("weight decay that dominates", "run", "decay")
def decay() -> Any:
    x, y = blobs()
    net = Net(8, 16, 3, activation=cr.tanh)
    return classify(net, x, y, optimizer=cr.optim.SGD(net.parameters(), 0.1, weight_decay=1.0))


@fault("dropout of 0.98, meant as the share that is kept", "run", "dropout")
def dropout_rate() -> Any:
    x, y = blobs()
    return classify(Net(8, 16, 3, drop=0.98), x, y)


# -- and healthy ones: nothing is said ---------------------------------------------------------------------


class Tagger(cr.nn.Module):
    """Embeddings of a window of words, then a layer: one tag a word."""

    def __init__(self) -> None:
        seeds = cr.nn.Seeds(0)
        self.table = cr.nn.Embedding(50, 8, seed=seeds)
        self.hidden, self.out = cr.nn.Linear(24, 32, seed=seeds), cr.nn.Linear(32, 4, seed=seeds)

    def forward(self, windows: Node) -> Node:
        flat = cr.reshape(self.table(windows), (windows.shape[0], 24))
        return self.out(cr.tanh(self.hidden(flat)))  # type: ignore[no-any-return]


class TextCNN(cr.nn.Module):
    """Convolution over embedded words, the maximum over time, dropout, a layer."""

    def __init__(self) -> None:
        seeds = cr.nn.Seeds(0)
        self.table = cr.nn.Embedding(40, 8, seed=seeds)
        self.filters, self.drop = cr.nn.Conv1d(8, 16, 3, seed=seeds), cr.nn.Dropout(0.3)
        self.out = cr.nn.Linear(16, 2, seed=seeds)

    def forward(self, words: Node, mode: cr.nn.Mode = cr.nn.EVALUATE) -> Node:
        heard = cr.nn.max_over_time(cr.relu(self.filters(self.table(words))), axis=1)
        return self.out(self.drop(heard, mode=mode))  # type: ignore[no-any-return]


def healthy() -> Iterator[tuple[str, Callable[[], cr.train.Result]]]:
    """Ten runs of the kinds that users have."""
    (x, y), held_out = blobs(), blobs(100, seed=1)
    rng = np.random.default_rng(5)

    def regression() -> cr.train.Result:
        net = Net(2, 32, 1, activation=cr.tanh)
        return regress(net, lambda x, y: cr.mse_loss(cr.squeeze(net(x), axis=-1), y), epochs=40)

    def tagger() -> cr.train.Result:
        words = rng.integers(0, 50, (600, 3))
        net = Tagger()
        return classify(net, words, words[:, 1] % 4, epochs=10,
                        loss=lambda w, t: cr.cross_entropy(net(w), t))  # fmt: skip

    def text_cnn() -> cr.train.Result:
        words = rng.integers(2, 40, (400, 12))
        label = rng.integers(0, 2, 400)
        words[np.arange(400), rng.integers(0, 12, 400)] = label  # one word says it
        return classify(TextCNN(), words, label, epochs=10)

    def language_model() -> cr.train.Result:
        text = np.cumsum(rng.integers(1, 3, 1500)) % 20
        net = Tagger()
        net.out = cr.nn.Linear(32, 20, seed=4)
        batches = cr.data.ContextBatches([text], 3, 25)
        return fit(net, lambda c, w: cr.cross_entropy(net(c), w), batches,
                   cr.optim.Adam(net.parameters(), 0.01), epochs=5, reporter=Silent())  # fmt: skip

    def dropout() -> cr.train.Result:
        return classify(Net(8, 64, 64, 3, drop=0.5), x, y, held_out=held_out)

    def sgd() -> cr.train.Result:
        net = Net(8, 16, 3, activation=cr.sigmoid)
        return classify(net, x, y, optimizer=cr.optim.SGD(net.parameters(), 0.5), held_out=held_out)

    def adamw() -> cr.train.Result:
        net = Net(8, 32, 32, 3)
        rule = cr.optim.AdamW(net.parameters(), 0.01, weight_decay=0.01)
        return classify(net, x, y, optimizer=rule, held_out=held_out)

    def frozen() -> cr.train.Result:
        net = Net(8, 32, 32, 3)
        net.layers[0].freeze()
        return classify(net, x, y, held_out=held_out)

    def double() -> cr.train.Result:
        net = Net(8, 16, 3, activation=cr.tanh)
        for layer in net.layers:
            layer.weight = cr.variable(layer.weight.array, dtype="float64")
            layer.bias = cr.variable(layer.bias.array, dtype="float64")
        return classify(net, x.astype("float64"), y, held_out=(held_out[0].astype("float64"), held_out[1]))

    def tiny() -> cr.train.Result:
        xor = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
        net = Net(2, 8, 2, activation=cr.tanh)
        batches = cr.data.Batches((xor, np.array([0, 1, 1, 0])), 4)
        return fit(net, lambda x, y: cr.cross_entropy(net(x), y), batches,
                   cr.optim.Momentum(net.parameters(), 0.1), epochs=300, reporter=Silent())  # fmt: skip

    yield "regression", regression
    yield "embeddings and a tagger", tagger
    yield "a text CNN with dropout", text_cnn
    yield "a language model", language_model
    yield "an MLP with dropout, validated", dropout
    yield "sigmoids by SGD", sgd
    yield "AdamW", adamw
    yield "a layer frozen on purpose", frozen
    yield "data in float64", double
    yield "four examples, in one batch", tiny


HEALTHY = list(healthy())
