"""Derivatives that are read better in words than as what they are computed with: of windows and dropout.

What they are computed with is windows laid out as rows and added up again where they overlap; here they
have the names that the field has for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...graph import Node
from .calls import is_own
from .notation import Call, Indicator
from .tree import Fraction, Math, MatrixProduct, Product, Symbol, Transpose, number

Named = Callable[[Node, Sequence[Math], Math, int], Math]
"""Writes what an input receives: the consumer, its inputs, the upstream, which input."""


def named_rule(consumer: Node, inputs: Sequence[Math], upstream: Math, index: int) -> Math | None:
    """What input ``index`` receives, for the ops whose derivative has a name; None for the others."""
    rule = RULES.get((consumer.op.name, index)) if is_own(consumer) else None
    return None if rule is None else rule(consumer, inputs, upstream, index)


def window_options(node: Node) -> tuple[str, ...]:
    """What is unusual about a convolution, or the windows of a pooling, in words."""
    attributes = node.attributes
    if "places" in attributes:
        sizes, strides, dilations = zip(*[place[1:4] for place in attributes["places"]], strict=True)
        usual = sizes if "widths" in attributes else (1,) * len(sizes)  # poolings lay windows end to end
        shown = [f"size {_each(sizes)}", *([f"stride {_each(strides)}"] if strides != usual else [])]
        shown += [f"dilation {_each(dilations)}"] if set(dilations) != {1} else []
        return (*shown, *(["padded"] if any(map(any, attributes.get("widths", ()))) else []))
    shown = []
    for key in ("stride", "dilation"):
        if any(number != 1 for number in attributes[key]):
            shown.append(f"{key} {_each(attributes[key])}")
    if any(map(any, attributes["padding"])):
        shown.append("padded")
    if attributes["groups"] > 1:
        shown.append(f"{attributes['groups']} groups")
    return tuple(shown)


def _each(numbers: Sequence[int]) -> str:
    return str(numbers[0]) if len(set(numbers)) == 1 else "×".join(map(str, numbers))


def _to_image(node: Node, inputs: Sequence[Math], upstream: Math, index: int) -> Math:
    return Call("convᵀ", (upstream, inputs[1]), window_options(node), node.inputs[0].ndim)


def _to_filters(node: Node, inputs: Sequence[Math], upstream: Math, index: int) -> Math:
    windows = Call("windows", (inputs[0],), window_options(node), 2)
    return MatrixProduct((Transpose(windows), Call("rows", (upstream,), (), 2)), node.inputs[1].ndim)


def _to_maxima(node: Node, inputs: Sequence[Math], upstream: Math, index: int) -> Math:
    return Call("scatter", (upstream, Call("argmax", (inputs[0],), window_options(node))), (), node.ndim)


def _to_windows(node: Node, inputs: Sequence[Math], upstream: Math, index: int) -> Math:
    size = 1
    for place in node.attributes["places"]:
        size *= place[1]
    return Call("spread", (Fraction(upstream, number(size)),), window_options(node), node.ndim)


def _to_kept(node: Node, inputs: Sequence[Math], upstream: Math, index: int) -> Math:
    return dropped(upstream, node.attributes["rate"])


def dropped(body: Math, rate: float) -> Math:
    """What dropout leaves of an array: the elements it kept, enlarged."""
    return Fraction(Product((Indicator(Symbol("kept", body.ndim)), body)), number(1 - rate))


RULES: dict[tuple[str, int], Named] = {
    ("convolution", 0): _to_image,
    ("convolution", 1): _to_filters,
    ("max_pool", 0): _to_maxima,
    ("average_pool", 0): _to_windows,
    ("dropout", 0): _to_kept,
}
