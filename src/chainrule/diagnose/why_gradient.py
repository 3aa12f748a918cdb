"""Why a gradient is None, zero, tiny or huge: the cut, or the factors, with their numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..differentiate import cuts
from ..dtypes import is_float
from ..engines.lineage import written_at
from ..engines.nonfinite import first_nonfinite
from ..errors import ArgumentError, ShapeError
from ..graph import Node, Variable, bind, leaf_value, topological, user_place
from ..nn import Module
from ..optim import Optimizer
from ..view.text import format_table
from .edges import Cause, cancelled_sum, cause_of, named
from .flow import Edge, Flow, float_leaves, norm
from .membership import name_of, training

VANISHING, EXPLODING = 1e-6, 1e3
"""Times the parameter's own norm: below is tiny, above is huge."""
_SMALL_BESIDE = 1e-3
_ROWS = 14
"""Edges shown of a path; the middle of a longer one is left out."""


class Step(NamedTuple):
    """One edge of the dominating path, in numbers."""

    node: Node
    """The op that the gradient passed through."""
    gain: float
    """‖downstream‖ / ‖upstream‖."""
    upstream: float
    downstream: float


class WhyGradient(NamedTuple):
    """A parameter's gradient, and why it is as it is; ``str()`` reads aloud."""

    parameter: str
    loss: str
    kind: str
    """``none``, ``zero``, ``tiny``, ``fine``, ``huge`` or ``not finite``."""
    norm: float | None
    """‖∂loss/∂w‖₂; None where nothing flows."""
    value_norm: float
    zeros: float
    """The share of its entries that are exactly 0."""
    causes: tuple[Cause, ...]
    path: tuple[Step, ...]
    """From the loss to the parameter, along the largest term at each node."""
    trained: bool | None = None
    """Whether the optimizer that was given trains it."""

    @property
    def mends(self) -> tuple[str, ...]:
        """What to do, in the order of the causes."""
        return tuple(dict.fromkeys(cause.mend for cause in self.causes if cause.mend))

    def __str__(self) -> str:
        lines = [self._headline()]
        lines += [f"  because {cause}" for cause in self.causes]
        if len(self.path) > 1:
            lines += ["  from the loss back, at each op: gain = ‖downstream‖ / ‖upstream‖"]
            lines += [f"    {line}" for line in self._table()]
        lines += [f"  mend: {mend}" for mend in self.mends]
        return "\n".join(lines)

    def _headline(self) -> str:
        what = f"the gradient of {self.loss} with respect to {self.parameter}"
        if self.norm is None:
            return f"{what} is None"
        size = f"norm {self.norm:.3g}, the parameter's own {self.value_norm:.3g}"
        if self.kind == "fine":
            return f"{what} is neither tiny nor huge: {size}"
        return f"{what} is {self.kind}: {size}"

    def _table(self) -> list[str]:
        rows: list[tuple[str, str, str, str]] = [
            (step.node.label, f"{step.gain:.3g}", f"{step.downstream:.3g}", written_at(step.node.origin))
            for step in self.path
        ]
        if len(rows) > _ROWS:
            half = _ROWS // 2
            rows = [*rows[:half], ("…", f"{len(rows) - 2 * half} more", "", ""), *rows[-half:]]
        table = format_table(
            ("op", "gain", "‖downstream‖", "written at"), rows, rule=False, right=range(1, 3)
        )
        return table.splitlines()


def why_gradient(
    loss: Node,
    parameter: Node,
    feed: Mapping[Any, Any] | None = None,
    *,
    optimizer: Optimizer | None = None,
    model: Module | None = None,
) -> WhyGradient:
    """Say why ∂loss/∂parameter is None, zero, tiny or huge, with the op or the factors that did it.

    The gradient is followed from the loss to the parameter along the largest term at each node, and each
    edge's gain, ‖downstream‖ / ‖upstream‖, is measured on ``feed``.  Tiny is below 1e-6 of the parameter's
    own norm, or, entry for entry, below 1/1000 of the largest among the loss's variables; huge is above 1000
    times its norm.  With an ``optimizer`` it is also told whether that trains the parameter, and with a
    ``model`` whether it is frozen there.

    Raises ``ShapeError`` for a loss that is no scalar, ``UnboundError`` for a placeholder without a value.

    >>> import chainrule as cr
    >>> w = cr.variable([0.5, -3.0, -2.0], name="w")
    >>> hidden = cr.relu(w - 1).named("hidden")
    >>> print(why_gradient((hidden * hidden).sum(), w))
    the gradient of the loss with respect to w is zero: norm 0, the parameter's own 3.64
      because multiply (<doctest ...) multiplies by hidden, which is 0 everywhere
      because 100 % of hidden (<doctest ...) is dead: 3 of 3 entries pass nothing back ...
    ...
    """
    for node in (loss, parameter):
        if not isinstance(node, Node):
            raise ArgumentError(f"why_gradient: {node!r} is not a node", where=user_place())
    if loss.size != 1 or not is_float(loss.dtype):
        raise ShapeError(
            f"why_gradient: {loss!r} is not a scalar of a float type",
            where=user_place(),
            mend="reduce it (.sum(), .mean())",
        )
    trained, outside = training(parameter, optimizer, model)
    name = name_of(parameter, loss, model)
    cut = _cut(loss, parameter)
    environment = bind(feed)
    if cut:
        value = leaf_value(parameter, environment) if not parameter.inputs else np.zeros(())
        return WhyGradient(
            parameter.label,
            loss.name or "the loss",
            "none",
            None,
            norm(value),
            1.0,
            (*outside, *cut),
            (),
            trained,
        )
    others = [node for node in float_leaves(loss, Variable) if node is not parameter]
    flow = Flow(loss, [parameter, *others], environment)
    return _measured(flow, loss, parameter, name, others, outside, trained)


def _cut(loss: Node, parameter: Node) -> list[Cause]:
    """Why nothing flows, from the graph alone; empty where something does."""
    if not is_float(parameter.dtype):
        return [
            Cause("cut", f"{parameter.label} is {parameter.dtype}, and derivatives are of floats", parameter)
        ]
    found = cuts(loss, parameter)
    if found is None:
        return []
    if found:
        return [
            Cause("cut", f"the path ends at {item}", item.node, _CUT_MENDS.get(item.node.op.name, ""))
            for item in found
        ]
    alike = [
        node for node in topological([loss])
        if isinstance(node, Variable) and node.shape == parameter.shape and node.dtype is parameter.dtype
    ]  # fmt: skip
    twins = [node for node in alike if parameter.name and node.name == parameter.name]
    if twins:
        return [
            Cause(
                "another instance",
                f"the loss does not depend on it, but on another {twins[0].label} of the same shape, made at "
                f"{twins[0].origin}: the parameter (made at {parameter.origin}) belongs to another instance",
                twins[0],
                "build the loss from the model whose parameters you train",
            )
        ]
    hint = f"; of the same shape is {alike[0].label} ({alike[0].origin})" if alike else ""
    return [
        Cause(
            "independent",
            f"the loss does not depend on it{hint}",
            None,
            "use it in forward(); where a value (.value, a NumPy function) was taken on the way, stay with "
            "nodes",
        )
    ]


_CUT_MENDS = {
    "argmax": "a place has no derivative: weigh by cr.softmax instead of choosing by argmax",
    "argmin": "a place has no derivative: weigh by cr.softmax instead of choosing by argmin",
    "stop_gradient": "take stop_gradient away if the flow is wanted",
    "cast": "keep it a float: a cast to integers has no derivative",
    "round": "round outside the loss, or pass the gradient by: x + cr.stop_gradient(cr.round(x) - x)",
    "floor": "pass the gradient by: x + cr.stop_gradient(cr.floor(x) - x)",
    "greater": "a comparison has no derivative: use a smooth step such as cr.sigmoid",
    "less": "a comparison has no derivative: use a smooth step such as cr.sigmoid",
    "equal": "a comparison has no derivative: accuracy is a metric, not a loss (use cross_entropy)",
}


def _measured(
    flow: Flow,
    loss: Node,
    parameter: Node,
    name: str,
    others: Sequence[Node],
    outside: list[Cause],
    trained: bool | None,
) -> WhyGradient:
    gradient = flow.gradient(parameter)
    assert gradient is not None  # nothing cuts it
    value = flow.values[parameter]
    size, own = norm(gradient), norm(value)
    kind = _kind(flow, parameter, others, size, own)
    path = flow.main_path(parameter)
    causes = [*outside, *_causes(flow, parameter, path, kind)]
    return WhyGradient(
        parameter=name,
        loss=loss.name or "the loss",
        kind=kind,
        norm=size,
        value_norm=own,
        zeros=float(np.mean(gradient == 0)) if gradient.size else 1.0,
        causes=tuple(dict.fromkeys(causes)),
        path=tuple(Step(e.consumer, e.gain, norm(e.upstream), norm(e.downstream)) for e in path),
        trained=trained,
    )


def _kind(flow: Flow, parameter: Node, others: Sequence[Node], size: float, own: float) -> str:
    if not math.isfinite(size):
        return "not finite"
    if size == 0:
        return "zero"
    if size > EXPLODING * max(own, 1.0):
        return "huge"
    gradients = [flow.gradient(other) for other in others]
    most = max((norm(g) / math.sqrt(g.size) for g in gradients if g is not None and g.size), default=0.0)
    each = size / math.sqrt(max(parameter.size, 1))
    return "tiny" if size < VANISHING * max(own, 1.0) or each < _SMALL_BESIDE * most else "fine"


def _causes(flow: Flow, parameter: Node, path: Sequence[Edge], kind: str) -> list[Cause]:
    if parameter.size == 0:
        return [
            Cause("empty", f"{parameter.label} has no entries: its shape is {parameter.shape}", parameter)
        ]
    if kind == "not finite":
        return [_not_finite(flow, parameter)]
    sums = [
        cause
        for node in [parameter, *(edge.consumer for edge in path)]
        if (gradient := flow.gradient(node)) is not None
        and (cause := cancelled_sum(node, flow.edges(node), gradient)) is not None
    ]
    if kind == "zero":
        stops = [
            cause for edge in flow.stops(parameter) if (cause := cause_of(edge, flow.values)) is not None
        ]
        below = [cause for edge in path if (cause := cause_of(edge, flow.values)) and cause.kind in _STATES]
        long = _products(path, small=True) if any(cause.kind == "underflow" for cause in stops) else []
        return [*long, *stops, *below, *sums]
    told = [cause for edge in path if (cause := cause_of(edge, flow.values)) is not None]
    blocked = [cause for cause in told if cause.kind not in ("scaled", "rows")]
    if kind == "fine":
        return [*sums, *blocked, *(cause for cause in told if cause.kind == "rows")]
    scaled = [
        cause for edge in path
        if (edge.gain < 1) is (kind == "tiny")
        and (cause := cause_of(edge, flow.values)) is not None and cause.kind == "scaled"
    ]  # fmt: skip
    blocked = [] if kind == "huge" else [c for c in blocked if c.kind != "zero"]
    found = [*sums, *_products(path, small=kind == "tiny"), *blocked, *scaled]
    largest = _largest_factor(path, small=kind == "tiny")
    known = any(cause.node is largest.node for cause in found) if largest is not None else True
    return found if known or largest is None else [*found, largest]


_STATES = ("dead", "saturated")


def _largest_factor(path: Sequence[Edge], *, small: bool) -> Cause | None:
    """The op that alone made half of the product, where it is far from 1."""
    logs = [math.log(edge.gain) if 0 < edge.gain < math.inf else 0.0 for edge in path]
    if not logs:
        return None
    pick = (
        min(range(len(logs)), key=logs.__getitem__) if small else max(range(len(logs)), key=logs.__getitem__)
    )
    if abs(logs[pick]) < max(math.log(30), 0.4 * abs(sum(logs))) or (logs[pick] < 0) is not small:
        return None
    edge = path[pick]
    return Cause(
        "scaled",
        f"{named(edge.consumer)} has a slope of about {edge.gain:.3g} here",
        edge.consumer,
        "scale what goes into it" if small else _CLIP,
    )


def _products(path: Sequence[Edge], *, small: bool) -> list[Cause]:
    """Factors of one op that come again and again, and that make up most of the product."""
    gains: dict[str, list[Edge]] = {}
    for edge in path:
        if edge.gain > 0 and math.isfinite(edge.gain):
            gains.setdefault(edge.consumer.op.name, []).append(edge)
    sign = -1 if small else 1
    whole = sum(abs(math.log(edge.gain)) for edges in gains.values() for edge in edges)
    found = []
    for op, edges in gains.items():
        log = sum(math.log(edge.gain) for edge in edges)
        if len(edges) < 3 or sign * log <= max(math.log(10), 0.2 * whole):
            continue
        mean = math.exp(log / len(edges))
        text = (
            f"it is a product of {len(edges)} factors of about {mean:.2g} through {_plural(op)}, together "
            f"{math.exp(log):.2g} (the first at {edges[0].consumer.origin})"
        )
        found.append(
            (sign * log, Cause("product", text, edges[0].consumer, _PRODUCT_MENDS[small].get(op, _DEEP)))
        )
    return [cause for _, cause in sorted(found, key=lambda pair: -pair[0])]


_DEEP = "normalise between the layers (layer_norm), start with He or Glorot weights, or add skip connections"
_CLIP = "clip the gradients (optimizer clip=cr.optim.Clip(global_norm=1.0)), or start with smaller weights"
_PRODUCT_MENDS: dict[bool, dict[str, str]] = {
    True: {
        "sigmoid": "relu or tanh in the place of sigmoid, whose slope is at most 1/4",
        "tanh": "smaller initial weights, so that tanh stays where its slope is near 1",
        "multiply": "factors below 1 in a row: add instead of multiplying, or gate (LSTM, GRU)",
    },
    False: {"matmul": _CLIP, "multiply": _CLIP, "square": _CLIP, "exp": _CLIP},
}


def _plural(op: str) -> str:
    return op if op.endswith("s") else f"{op}s" if op in ("sigmoid", "relu") else op


def _not_finite(flow: Flow, parameter: Node) -> Cause:
    table = flow._table[parameter]
    finding = first_nonfinite([table], flow.values)
    if finding is None:
        return Cause("not finite", "it is not finite")
    told = "\n    ".join(finding.told())
    return Cause("not finite", told, finding.node, finding.mend)
