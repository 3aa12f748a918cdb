"""How a derivation is found: symbols, equations forwards, gradients backwards, and each line computed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...differentiate import why_no_gradient
from ...dtypes import is_float
from ...engines.trace import Trace, step_through
from ...errors import ArgumentError, DerivativeError
from ...graph import Array, Node, consumers, topological, user_place
from ..formulas import Convention, Derivative, Math, MatrixProduct, Sum, evaluate, number, symbol
from ..formulas.local import written_size
from ..formulas.notation import Call
from ..formulas.styles import parts_of
from ..formulas.tidy import tidy
from ..formulas.tree import Symbol, substituted
from .folding import over_layers
from .jacobians import chain, jacobian_form
from .lines import Line, largest
from .naming import Named, choose
from .notes import note_of
from .regions import Region, is_inlined, is_number

EXACT = {4: 1e-4, 8: 1e-9}
"""By the bytes of a number: how far a line may deviate, as a part of its size."""
_SHORT = 3
"""Pieces of a formula that nothing flows through, up to which it is written where it is read."""
_SUBSTITUTED = 30
"""Pieces of a gradient that is still put in the place of its name."""


class Builder:
    """One derivation being made."""

    def __init__(
        self, loss: Node, wrt: Sequence[Node], feed: Mapping[Any, Any] | None, convention: Convention
    ) -> None:
        self.loss, self.wrt, self.convention = loss, wrt, convention
        self.trace: Trace = step_through(loss, feed)
        order = topological([loss])
        self.path = self._path(order)
        self.regions = self._regions(order)
        self.named: Named = choose(list(self.regions.values()), loss)
        self.symbols: dict[Node, Math] = {
            node: symbol(name, node.ndim) for node, name in self.named.names.items()
        }
        self.signals = self._signals()
        self.values: dict[str, Array] = {}
        for node, name in self.named.names.items():
            self.values[name] = self.trace[node].value
            if (gradient := self.trace[node].gradient) is not None:
                self.values[self.gradient(node).text()] = gradient
        self.aliases: dict[Math, Symbol] = {}
        self.exact = EXACT[loss.dtype.itemsize]
        self._rounding = 64 * float(np.finfo(loss.dtype).eps) / self.exact
        self._short: dict[Math, Math] = {}
        self._readers: dict[Node, list[Region]] = {}
        for region in self.regions.values():
            for below in region.below:
                self._readers.setdefault(below, []).append(region)

    # -- what there is -------------------------------------------------------------------------------------

    def _path(self, order: Sequence[Node]) -> set[Node]:
        known = set(order)
        for node in self.wrt:
            gradient = self.trace[node].gradient if node in known else None
            if gradient is None:
                why = why_no_gradient(self.loss, node) or "it is no part of a path of floats"
                raise DerivativeError(
                    f"derive: no gradient flows from {self.loss.label} to {node.label}: {why}",
                    where=user_place(),
                )
        reached = set(self.wrt)
        for node in order:
            given = (
                c.consumer
                for child in node.inputs
                if child in reached
                for c in self.trace[child].contributions
            )
            if any(consumer is node for consumer in given):
                reached.add(node)
        return reached

    def _regions(self, order: Sequence[Node]) -> dict[Node, Region]:
        """The equations: nodes on the path that are not written inside another, in topological order."""
        readers = consumers(order)
        wanted = set(self.wrt)
        equations = [
            node
            for node in order
            if node.inputs
            and node in self.path
            and (node is self.loss or node in wanted or not is_inlined(node, readers[node]))
        ]
        symbols = set(equations)
        for node in order:
            if node.inputs and node not in self.path and written_size(node, {}) > _SHORT:
                symbols.add(node)
        symbols |= {node for node in order if not node.inputs and not is_number(node, readers[node])}
        return {node: Region(node, symbols, self.convention) for node in equations}

    def _signals(self) -> dict[Node, Symbol]:
        """δ for every layer's sum of products: numbered as the sums are."""
        layers = [node for node, region in self.regions.items() if region.is_layer and node is not self.loss]
        taken = set(self.named.names.values())
        found: dict[Node, Symbol] = {}
        for node in layers:
            name = self.named.names[node]
            tail = name[len(parts_of(name).base) :] if len(layers) > 1 else ""
            signal = f"δ{tail}" if tail or len(layers) == 1 else f"δ_{name}"
            while signal in taken:
                signal += "′"
            taken.add(signal)
            found[node] = symbol(signal, node.ndim)
        return found

    def gradient(self, node: Node) -> Math:
        """What the gradient of a node is called."""
        if node is self.loss:
            return number(1)
        return self.signals.get(node) or Derivative(self.symbols[self.loss], self.symbols[node])

    # -- forwards ------------------------------------------------------------------------------------------

    def forward(self) -> list[Line]:
        """An equation for each node with a symbol."""
        lines = []
        for node, region in self.regions.items():
            plain = region.value(self.symbols, spelled=False)
            spelled = region.value(self.symbols)
            deviation = self._deviation(plain, self.trace[node].value)
            forms = (plain, spelled) if _says_more(plain, spelled) else (plain,)
            lines.append(
                Line(
                    self.symbols[node],
                    forms,
                    node.shape,
                    factors=self._factors(plain),
                    deviation=deviation,
                    size=_largest(self.trace[node].value),
                    layer=self.named.layers.get(node),
                )
            )
        return lines

    def given(self, node: Node) -> str | Math:
        """What a node is through which no gradient flows, in its leaves' names."""
        region = Region(node, {leaf for leaf in self.symbols if not leaf.inputs}, self.convention)
        found = region.value(self.symbols, spelled=False)
        nameless = any(leaf not in self.symbols and leaf.size > 1 for leaf in region.below)
        if nameless or len(found.text()) > 2 * _SUBSTITUTED:
            return f"by {node.op.name}, through which no gradient flows"
        return found

    # -- backwards -----------------------------------------------------------------------------------------

    def backward(self) -> list[Line]:
        """The gradient of each node on the path, from the loss down."""
        order = [node for node in reversed(topological([self.loss])) if node in self.path]
        wanted = set(self.wrt)
        return [
            self._gradient_line(node, wanted=node in wanted)
            for node in order
            if node is not self.loss and (node in self.regions or node in wanted)
        ]

    def _gradient_line(self, node: Node, *, wanted: bool) -> Line:
        terms, used = [], []
        for region in reversed(self._readers[node]):
            term = region.contribution(node, self.symbols, self.gradient(region.node))
            if term is not None:
                terms.append(term)
                used.append(region)
        rule = self._aliased(terms[0] if len(terms) == 1 else tidy(Sum(tuple(terms), (1,) * len(terms))))
        forms = [*self._chain(node, used, terms), rule]
        if (opened := self._opened(rule)) is not None:
            forms.append(opened)
        self._remember(node, forms[-1])
        layers = [self.named.layers.get(region.node) for region in used]
        shown = [over_layers(form, layers) for form in forms]
        value = self._value(node)
        meaning = Derivative(self.symbols[self.loss], self.symbols[node])
        left = self.gradient(node)
        return Line(
            left,
            tuple(dict.fromkeys(shown)),
            node.shape,
            meaning=meaning if left != meaning else None,
            factors=self._factors(forms[-1]),
            note=note_of(node, used),
            deviation=self._worst(forms, used, node, value),
            size=max([_largest(value), *[self._rounding * _largest(self._value(r.node)) for r in used]]),
            layer=self.named.layers.get(node),
            wanted=wanted,
        )

    def _chain(self, node: Node, used: Sequence[Region], terms: Sequence[Math]) -> list[Math]:
        """The chain rule before anything is put in: a Jacobian for each reader, then what it is."""
        if any(region.node is self.loss for region in used):
            return []
        pairs = [(self.gradient(region.node), self.symbols[region.node]) for region in used]
        forms = [chain(pairs, self.symbols[node], self.convention)]
        if len(used) == 1 and node.ndim == 1 and used[0].node.shape == node.shape:
            found = jacobian_form(self._aliased(terms[0]), pairs[0][0], self.convention)
            if (
                found is not None and self._deviation(found, self._value(node)) != math.inf
            ):  # entries were not broadcast
                forms.append(found)
        return forms

    def _opened(self, rule: Math) -> Math | None:
        """The rule with gradients that nobody asked for put in: ``u ⊙ (1 − h²)`` for ``∂s/∂h ⊙ …``."""
        found = substituted(rule, self._short.get)
        return tidy(found) if found != rule else None

    def _remember(self, node: Node, found: Math) -> None:
        """Note a gradient that may stand for its name: short, and neither named δ nor asked for."""
        asked = any(node is wanted for wanted in self.wrt)
        if node not in self.signals and not asked and len(found.text()) <= _SUBSTITUTED:
            self._short[self.gradient(node)] = found

    def _aliased(self, formula: Math) -> Math:
        """The formula with p for a softmax and y for a one-hot vector, as classifiers are written."""

        def look(part: Math) -> Math | None:
            if isinstance(part, Call) and part.function in _ALIASES and isinstance(part.arguments[0], Symbol):
                return self._alias(part)
            return None

        return substituted(formula, look)

    def _alias(self, part: Call) -> Symbol:
        if part not in self.aliases:
            value = evaluate(part, self.values, self.convention)
            name = _ALIASES[part.function]
            taken = {*self.named.names.values(), *[alias.name for alias in self.aliases.values()]}
            while name in taken:
                name += "′"
            if value is not None:
                self.values[name] = value
            self.aliases[part] = symbol(name, part.ndim)
        return self.aliases[part]

    # -- held against the run --------------------------------------------------------------------------------

    def _worst(self, forms: Sequence[Math], used: Sequence[Region], node: Node, value: Array) -> float | None:
        found = [d for form in forms if (d := self._deviation(form, value)) is not None]
        if self._deviation(forms[-1], value) is None:  # partly words: the rules themselves, added up
            values = {each: self.trace[each].value for each in self.named.names}
            total = sum(region.computed(node, values, self._value(region.node)) for region in used)
            found.append(_difference(np.asarray(total), value))
        return largest(found)

    def _value(self, node: Node) -> Array:
        """The gradient of a node on the path, as the run found it."""
        found = self.trace[node].gradient
        assert found is not None
        return found

    def _deviation(self, form: Math, value: Array) -> float | None:
        try:
            found = evaluate(form, self.values, self.convention)
            if found is None:
                return None
            array = np.asarray(found, dtype=float)
            array = array.reshape(value.shape) if array.size == value.size else array
            return _difference(np.broadcast_to(array, value.shape), value)
        except ValueError:  # the formula's shapes are not those of the run
            return math.inf

    def _factors(self, form: Math) -> str:
        """The shapes of a matrix product's factors: ``(3×1)(1×4)``."""
        if not isinstance(form, MatrixProduct):
            return ""
        shown = []
        for factor in form.factors:
            value = evaluate(factor, self.values, self.convention)
            if value is None or not 1 <= value.ndim <= 2:
                return ""
            if value.ndim == 1:
                value = value[None, :] if self.convention == "row" else value[:, None]
            shown.append(f"({value.shape[0]}×{value.shape[1]})")
        return "".join(shown)


_ALIASES = {"softmax": "p", "onehot": "y"}


def _says_more(plain: Math, spelled: Math) -> bool:
    return plain != spelled and isinstance(plain, Call)


def _largest(array: Any) -> float:
    """The largest finite element, in size."""
    values = np.abs(np.asarray(array, dtype=float))
    values = values[np.isfinite(values)]
    return float(values.max()) if values.size else 0.0


def _difference(array: Array, wanted: Array) -> float:
    """The largest difference; ∞ where one is not finite and the other something else; NaN by NaN is NaN."""
    unknown = np.isnan(array) & np.isnan(wanted)
    same = (array == wanted) | unknown
    with np.errstate(invalid="ignore"):
        difference = np.abs(np.where(same, 0.0, array - wanted))
    difference = np.where(np.isnan(difference), np.inf, difference)
    most = float(difference.max()) if difference.size else 0.0
    return math.nan if most < math.inf and unknown.any() else most


def check_arguments(loss: Node, wrt: Sequence[Node]) -> None:
    """Raises ``ArgumentError`` for what is no node, or nothing to derive by."""
    for node in (loss, *wrt):
        if not isinstance(node, Node):
            raise ArgumentError(f"derive: {node!r} is not a node", where=user_place())
    if not wrt:
        raise ArgumentError(
            "derive: there is nothing to derive by",
            where=user_place(),
            mend="give parameters: derive(loss, [W, b])",
        )
    for node in wrt:
        if node is loss or not is_float(node.dtype):
            raise ArgumentError(
                f"derive: ∂{loss.label}/∂{node.label} says nothing",
                where=user_place(),
                mend="derive by parameters or inputs of a float type",
            )
