"""Before the first step: what the optimizer holds, what the loss is made of, what the data look like."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from ...differentiate import why_no_gradient
from ...dtypes import is_float
from ...graph import Array, Node, Variable
from ...nn import Module
from ...ops import Elementwise
from ...ops.casts import Cast
from ...ops.movement import Movement
from ...optim import Optimizer
from .alarm import Alarm, listed
from .comparisons import Comparison
from .layers import before_activations, dead, flows, saturated
from .probe import Probe, Reading, place

_WIDER = 2048
"""Examples whose labels are looked at."""


@dataclass
class Run:
    """What the rules read: the run, and what is known of it so far."""

    model: Module
    optimizer: Optimizer
    names: dict[Variable, str]
    """The model's trainable parameters and the optimizer's, by the names that messages use."""
    probe: Probe
    reading: Reading
    examples: Callable[[int], list[Array] | None]
    """So many examples of the data, as the arrays of a batch; None where data comes in batches only."""
    entropy: float | None = field(default=None)
    """What guessing by the frequencies of the classes costs, in nats; None where it is not known."""


def left_out(run: Run) -> Iterator[Alarm]:
    """Trainable parameters with a gradient that the optimizer does not have."""
    held = set(run.optimizer.parameters)
    missing = [run.names[p] for p in run.model.parameters() if p in run.probe.flowing and p not in held]
    if missing:
        yield Alarm(
            "left-out",
            f"{_count(missing, 'trainable parameter')} of the model {_are(missing)} not in the optimizer, "
            f"and {_are(missing)} as at the start",
            listed(missing),
            "give the optimizer all of model.parameters(); what is to stay as it is says so: "
            "model.part.freeze()",
        )


def foreign(run: Run) -> Iterator[Alarm]:
    """Parameters of the optimizer that are not the model's, or that the model has declared fixed."""
    trainable = set(run.model.parameters())
    everything = {variable for _, variable in run.model.named_variables()}
    strangers = [run.names[p] for p in run.optimizer.parameters if p not in everything]
    frozen = [run.names[p] for p in run.optimizer.parameters if p in everything and p not in trainable]
    if strangers and trainable and not trainable & set(run.probe.order):
        yield Alarm(
            "foreign",
            f"the loss is made of the parameters of another model: none of {type(run.model).__name__}'s is "
            f"in it, and the optimizer trains {_count(strangers, 'parameter')} that it does not have",
            listed(strangers),
            "two instances are mixed up: build loss and optimizer from the model that is given to fit",
        )
    elif strangers:
        yield Alarm(
            "foreign",
            f"the optimizer trains {_count(strangers, 'parameter')} that the model does not have: they are "
            "neither saved nor put back to their best values",
            listed(strangers),
            "make them attributes of the model, or build the optimizer from model.parameters()",
        )
    if frozen:
        yield Alarm(
            "foreign",
            f"the optimizer trains {_count(frozen, 'parameter')} that the model declares as fixed",
            listed(frozen),
            "build the optimizer from model.parameters(), after freezing",
        )


def no_gradient(run: Run) -> Iterator[Alarm]:
    """Parameters in the optimizer that no gradient reaches, by what cuts them off."""
    causes: dict[str, list[Variable]] = {}
    for p in run.optimizer.parameters:
        if p not in run.probe.flowing and p in run.names:
            told = why_no_gradient(run.probe.loss, p) or "no gradient"
            causes.setdefault(told.replace(p.label, "it"), []).append(p)
    for cause, parameters in causes.items():
        names = [run.names[p] for p in parameters]
        one = len(names) == 1
        told = cause.replace("from it", f"from {'it' if one else 'them'}").replace(
            "depend on it", f"depend on {'it' if one else 'them'}"
        )
        yield Alarm(
            "no-gradient",
            f"no gradient reaches {_count(names, 'parameter')} of the optimizer: {told}",
            listed(names),
            "use a differentiable op there, or take out of the optimizer what is not to be trained"
            if "ends at" in cause
            else "use them in the loss, or take them out of the optimizer",
        )


def not_finite(run: Run) -> Iterator[Alarm]:
    """Variables that hold a NaN or an infinity before anything has happened."""
    wrong = [
        path
        for path, variable in run.model.named_variables()
        if is_float(variable.dtype)
        and not np.isfinite(variable.array.sum())
        and not np.isfinite(variable.array).all()
    ]
    if wrong:
        yield Alarm(
            "not-finite",
            f"{_count(wrong, 'variable')} of the model hold values that are not finite before the first step",
            listed(wrong),
            "look where they come from: a file, or an initialiser that divides by zero",
        )


def double_softmax(run: Run) -> Iterator[Alarm]:
    """What a loss takes for scores or log-probabilities, and is neither."""
    for compared in run.probe.comparisons:
        value = run.reading.values[compared.prediction]
        where = place(compared.prediction)
        if compared.kind == "classes" and value.shape[-1] > 1 and _is_distribution(value):
            yield Alarm(
                "double-softmax",
                "cross_entropy is given probabilities, and takes logits: it applies a second softmax to them",
                where,
                "leave out the softmax before it, or take nll_loss of log_softmax",
            )
        elif compared.kind == "yes or no" and _squashed(compared.prediction):
            yield Alarm(
                "double-softmax",
                "binary_cross_entropy_with_logits is given probabilities, and takes logits: it applies a "
                "second sigmoid to them",
                where,
                "leave out the sigmoid before it",
            )
        elif compared.kind == "log classes" and not _is_distribution(np.exp(np.minimum(value, 50))):
            given = "probabilities" if _is_distribution(value) else "scores"
            yield Alarm(
                "double-softmax",
                f"nll_loss is given {given}, and takes log-probabilities",
                where,
                "give it cr.log_softmax(scores), or take cross_entropy(scores, …)",
            )
    for node in run.probe.order:
        if node.op.name == "softmax" and (inner := _bare(node.inputs[0])).op.name == "softmax":
            yield Alarm("double-softmax", "a softmax of a softmax", place(inner), "leave out one of the two")


def broadcast(run: Run) -> Iterator[Alarm]:
    """(N, 1) against (N,): each prediction is compared with every target."""
    dependent, fed = run.probe.dependent, run.probe.fed
    for node in run.probe.between:
        if not isinstance(node.op, Elementwise) or len(node.inputs) != 2:
            continue
        for one, other in (node.inputs, node.inputs[::-1]):
            apart = one in dependent and other in fed and other not in dependent
            if apart and node.size > one.size == other.size > 1:
                yield Alarm(
                    "broadcast-loss",
                    f"predictions of shape {one.shape} against targets of shape {other.shape} give "
                    f"{node.shape}: every prediction is compared with every target",
                    place(node),
                    "give both one shape: cr.squeeze(predictions, axis=-1), or take mse_loss, which refuses",
                )
                return


def maximised(run: Run) -> Iterator[Alarm]:
    """Comparisons whose disagreement is rewarded."""
    for compared, slope in run.probe.slopes.items():
        g = run.reading.values[slope].astype(np.float64)
        if compared.kind == "numbers":
            g = g * run.reading.values[compared.node]
        if (g <= 0).all() and (g < 0).any():
            what = "the squared difference" if compared.kind == "numbers" else compared.node.op.name
            yield Alarm(
                "maximised",
                f"training makes {what} larger, not smaller: the loss has the wrong sign",
                place(compared.node),
                "minimise the loss itself: take the minus away",
            )
            return


def one_class(run: Run) -> Iterator[Alarm]:
    """Targets that are all the same; takes note of what guessing by frequency would cost."""
    for compared in run.probe.comparisons:
        part = run.probe.part_of(compared.target)
        if part is None:
            continue
        wider = run.examples(_WIDER)
        labels = run.probe.arrays[part] if wider is None else wider[part]
        ignored = compared.node.attributes.get("ignore_index")
        flat = labels.ravel() if ignored is None else labels[labels != ignored]
        if len(flat) >= 32 and (flat == flat[0]).all():
            yield Alarm(
                "one-class",
                f"all targets are {flat[0]:g}: there is nothing to tell apart",
                place(compared.node),
                "look at how the labels are made and which rows were chosen",
            )
        elif compared.kind in ("classes", "log classes") and labels.dtype.kind in "iu":
            run.entropy = _entropy(flat, compared.prediction.shape[-1])


def inputs(run: Run) -> Iterator[Alarm]:
    """Numbers that meet the first matrix as they were measured."""
    for node in run.probe.inputs:
        value = run.reading.values[node].astype(np.float64)
        if value.size and math.sqrt(float(np.mean(value * value))) > 20:
            yield Alarm(
                "inputs",
                f"the inputs are not normalised: from {value.min():g} to {value.max():g}, mean "
                f"{value.mean():.3g}, standard deviation {value.std():.3g}",
                place(node) if node.inputs else node.label,
                "bring them to mean 0 and variance 1: cr.data.standardise(train).apply(x)",
            )


def chance(run: Run) -> Iterator[Alarm]:
    """A cross-entropy that starts far above that of guessing, log C."""
    for compared in run.probe.comparisons:
        if compared.kind != "classes":
            continue
        mean, classes = cross_entropy_at(compared, run.reading), compared.prediction.shape[-1]
        if mean > 2 * math.log(classes) + 1:
            yield Alarm(
                "chance",
                f"the cross-entropy starts at {mean:.3g}; guessing among {classes} classes costs "
                f"{math.log(classes):.3g}",
                place(compared.node),
                "begin with smaller weights in the last layer, and normalise the inputs",
            )


def dropout(run: Run) -> Iterator[Alarm]:
    """Dropout that leaves fewer than one in ten."""
    for node in run.probe.order:
        if node.op.name == "dropout" and node.attributes["rate"] >= 0.9:
            rate = node.attributes["rate"]
            yield Alarm(
                "dropout",
                f"dropout of {rate:g} leaves {1 - rate:.0%} of the features",
                place(node),
                "the rate is the share that is dropped, not the share that is kept",
            )


def symmetric(run: Run) -> Iterator[Alarm]:
    """Hidden units with the same weights and the same gradients: that is how they stay."""
    hidden = before_activations(run.probe)
    alike = [run.names[p] for p in hidden if _alike(p.array) and _alike(run.reading.gradients[p])]
    if alike:
        yield Alarm(
            "symmetric",
            "all units of a layer begin with the same weights and get the same gradients: they stay the same "
            "for ever, as one unit would",
            listed(alike),
            "begin with random weights: cr.nn.initialisers.xavier_uniform() is the usual one",
        )


def stuck_units(run: Run) -> Iterator[Alarm]:
    """Layers that are out of use before the first step."""
    yield from dead_units(run.probe, run.reading, 0.9)
    for layer in saturated(run.probe, run.reading):
        if layer.share >= 0.8:
            yield Alarm(
                "saturated",
                f"{layer.share:.0%} of the values of a {layer.kind} lie at its ends before the first step, "
                "where its derivative is next to 0",
                layer.where,
                "begin with smaller weights (Xavier), and normalise the inputs",
            )


def dead_units(probe: Probe, reading: Reading, least: float) -> Iterator[Alarm]:
    """Rectified layers of which so large a share is never active."""
    for layer in dead(probe, reading):
        if layer.share >= least:
            yield Alarm(
                "dead",
                f"{layer.share:.0%} of the {layer.units} units of a relu are 0 for each of "
                f"{probe.examples} examples: no gradient passes them",
                layer.where,
                "lower the learning rate, look at the biases it began with, or take leaky_relu",
            )


def flow(run: Run) -> Iterator[Alarm]:
    """Gradients that vanish or explode on their way back."""
    found = flows(run.probe, run.reading, run.names)
    faint = [flow for flow in found if 0 < flow.relative < 1e-5 * found[-1].relative]
    if faint and faint[0] is found[0]:
        least = min(faint, key=lambda flow: flow.relative)
        yield Alarm(
            "vanishing",
            f"the gradient vanishes on its way back: at {least.matrix} it is "
            f"{least.relative / found[-1].relative:.1g} times that at {found[-1].matrix}, each relative to "
            "the size of its matrix",
            listed([flow.matrix for flow in faint]),
            "fewer layers or residual connections, relu in place of sigmoid, Xavier or He weights",
        )
    loud = [flow for flow in found if flow.relative > 1e3]
    if loud:
        most = max(loud, key=lambda flow: flow.relative)
        yield Alarm(
            "exploding",
            f"the gradient explodes: at {most.matrix} it is {most.relative:.1g} times as large as the matrix",
            listed([flow.matrix for flow in loud]),
            "smaller initial weights (Xavier, orthogonal), normalisation between layers, targets of mean 0 "
            "and variance 1, or clip=cr.optim.Clip(global_norm=1.0)",
        )


START = (
    not_finite, foreign, left_out, no_gradient, maximised, broadcast, double_softmax, one_class, dropout,
    inputs, symmetric, stuck_units, flow, chance,
)  # fmt: skip
"""The rules, causes before their effects."""


def cross_entropy_at(compared: Comparison, reading: Reading) -> float:
    """The mean of a cross-entropy over the examples of the sample, however it was reduced."""
    losses = reading.values[compared.node]
    one = compared.node.attributes["reduction"] == "sum"
    return float(losses.sum()) / (
        compared.prediction.size // compared.prediction.shape[-1] if one else losses.size
    )


def _alike(matrix: Array) -> bool:
    """Whether all outputs have the same numbers, which lie along the last axis."""
    return bool(matrix.shape[-1] > 1 and (matrix == matrix[..., :1]).all())


def _is_distribution(value: Array) -> bool:
    return bool(value.size and (value >= 0).all() and (abs(value.sum(axis=-1) - 1) < 1e-3).all())


def _bare(node: Node) -> Node:
    """What a node is but for its form."""
    while isinstance(node.op, Cast | Movement) and len(node.inputs) == 1:
        node = node.inputs[0]
    return node


def _squashed(node: Node) -> bool:
    return _bare(node).op.name in ("sigmoid", "softmax")


def _entropy(labels: Array, classes: int) -> float | None:
    """The entropy of the labels' frequencies; None where there are too few to tell."""
    if len(labels) < 10 * classes:
        return None
    shares = np.bincount(labels.astype(np.int64), minlength=classes) / len(labels)
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def _count(names: list[str], what: str) -> str:
    return f"1 {what}" if len(names) == 1 else f"{len(names)} {what}s"


def _are(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"
