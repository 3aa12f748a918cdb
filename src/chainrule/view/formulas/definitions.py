"""What composites and movements are when they are looked at themselves, not used in another formula.

In an expression a softmax is written ``softmax(z)``; as a node of its own it says what that is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...dtypes import is_float
from ...graph import Node
from .calls import LETTERS, call, computing, sizes
from .notation import Big, Call, Cases, Index
from .tree import (
    Convention,
    Fraction,
    Math,
    MatrixProduct,
    Number,
    Power,
    Product,
    Root,
    Sum,
    Symbol,
    Transpose,
    negative,
    number,
)

Definition = Callable[[Node, Sequence[Math], Convention], Math | None]


def _reshape(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    return call(node, operands, "reshape", sizes(node.shape))


def _broadcast(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    return call(node, operands, "broadcast", f"to {sizes(node.shape)}")


def _where(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    condition, value, otherwise = operands
    return Cases(value, condition, otherwise)


def _cast(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    return Call(node.dtype.name, tuple(operands), (), node.ndim, computing(node))


def _places(node: Node, operand: Math) -> tuple[Math, tuple[str, ...], Math]:
    """``exp(x[i, j])``, the letters that a softmax's sum runs over, and ``exp(x[i, k])`` with those."""
    axes, ndim = node.attributes["axis"], node.inputs[0].ndim
    summed = {axis: LETTERS[ndim + place] for place, axis in enumerate(axes)}
    at = tuple(Symbol(LETTERS[n]) for n in range(ndim))
    over = tuple(Symbol(summed.get(n, LETTERS[n])) for n in range(ndim))
    powers = [Call("exp", (Index(operand, places),)) for places in (at, over)]
    return powers[0], tuple(summed.values()), powers[1]


def _softmax(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    power, letters, other = _places(node, operands[0])
    return Fraction(power, Big("Σ", letters, other, node.ndim))


def _log_softmax(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    power, letters, other = _places(node, operands[0])
    total = Call("log", (Big("Σ", letters, other, node.ndim),))
    return Sum((power.parts()[0], total), (1, -1))


def _logsumexp(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    axes, ndim = node.attributes["axis"], node.inputs[0].ndim
    power = Call("exp", (Index(operands[0], tuple(map(Symbol, LETTERS[:ndim]))),))
    return Call("log", (Big("Σ", tuple(LETTERS[n] for n in axes), power, node.ndim),), (), node.ndim)


def _nll_of(node: Node, score: Callable[[tuple[Math, ...]], Math], operands: Sequence[Math]) -> Math | None:
    """Minus the right class's score, its mean or sum over the examples; None with further options."""
    options = node.attributes
    if len(operands) > 2 or options.get("label_smoothing") or options.get("ignore_index") is not None:
        return None
    source, target = node.inputs[0], node.inputs[1]
    letters = LETTERS[: source.ndim - 1]
    places = tuple(map(Symbol, letters))
    over = () if options["reduction"] == "none" else tuple(letters)
    if is_float(target.dtype):
        inner = (*places, Symbol(LETTERS[source.ndim - 1]))
        loss: Math = Product((Index(operands[1], inner), score(inner)))
        over = (*over, LETTERS[source.ndim - 1])
    else:
        loss = score((*places, Index(operands[1], places) if places else operands[1]))
    loss = Big("Σ", over, loss) if over else loss
    examples = source.size // max(source.shape[-1], 1)
    if options["reduction"] == "mean" and examples != 1:
        loss = Fraction(loss, number(examples))
    return negative(loss)


def _cross_entropy(node: Node, operands: Sequence[Math], convention: Convention) -> Math | None:
    softmax = Call("softmax", (operands[0],), (), node.inputs[0].ndim)
    return _nll_of(node, lambda places: Call("log", (Index(softmax, places),)), operands)


def _nll(node: Node, operands: Sequence[Math], convention: Convention) -> Math | None:
    return _nll_of(node, lambda places: Index(operands[0], places), operands)


def _binary(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    z, t, *weight = operands
    hit = Call("log", (Call("σ", (z,)),))
    miss = Call("log", (Sum((number(1), Call("σ", (z,))), (1, -1)),))
    positive = Product((*weight, t, hit))
    return negative(Sum((positive, Product((Sum((number(1), t), (1, -1)), miss))), (1, 1)))


def _layer_norm(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    x = operands[0]
    mean, var = Call("mean", (x,)), Call("var", (x,))
    spread = Root(Sum((var, number(node.attributes["eps"])), (1, 1)))
    return Fraction(Sum((x, mean), (1, -1)), spread)


def _rms_norm(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    x = operands[0]
    mean = Call("mean", (Power(x, Number(2)),))
    return Fraction(x, Root(Sum((mean, number(node.attributes["eps"])), (1, 1))))


def _attention(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    q, k, v, *mask = operands
    scores: Math = Product((number(node.attributes["scale"]), MatrixProduct((q, Transpose(k)), 2)))
    options = ("causal",) if node.attributes["causal"] else ()
    if mask:
        scores = Sum((scores, mask[0]), (1, 1)) if is_float(node.inputs[3].dtype) else scores
        options = (*options, *([] if is_float(node.inputs[3].dtype) else ["where the mask allows"]))
    return MatrixProduct((Call("softmax", (scores,), options, node.ndim), v), node.ndim)


DEFINITIONS: dict[str, Definition] = {
    "reshape": _reshape,
    "broadcast_to": _broadcast,
    "cast": _cast,
    "where": _where,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "logsumexp": _logsumexp,
    "cross_entropy": _cross_entropy,
    "nll_loss": _nll,
    "binary_cross_entropy": _binary,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "attention": _attention,
}
