"""A derivation has one equation for each node with a symbol; what lies between two such nodes is inlined.

A region is a node with a symbol and all that is written inside its equation: ``z = W x + b`` is a sum of a
product.  What each symbol below receives from it is written as one formula too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

from ...differentiate.sweep import sweep
from ...engines.stepper import evaluate as run
from ...graph import Array, Constant, Node, placeholder, rebuilt, topological
from ...simplify.language import number as number_of
from ..formulas import Convention, Math, Writer
from ..formulas.display import for_display
from ..formulas.local import LARGEST, pulled_back, written_size
from ..formulas.named import named_rule
from ..formulas.tidy import tidy
from ..formulas.writing import defined

_MOVED = frozenset({"reshape", "permute_dims", "broadcast_to", "cast", "negative", "class_index"})
_PRODUCTS = frozenset({"matmul", "convolution", "einsum"})
_ADDED = frozenset({"add", "subtract"})


#: The ops whose inputs of that place are what should have come out: symbols, even where they are numbers.
TARGETS = frozenset({(name, 1) for name in ("cross_entropy", "nll_loss", "pick", "binary_cross_entropy")})


def is_number(node: Node, readers: Sequence[Node]) -> bool:
    """Whether a constant is one number of a formula, as the 2 of ``2·b``, and not a target."""
    if not isinstance(node, Constant) or node.ndim:
        return False
    return not any(
        child is node and (reader.op.name, place) in TARGETS
        for reader in readers
        for place, child in enumerate(reader.inputs)
    )


def is_inlined(node: Node, readers: Sequence[Node]) -> bool:
    """Whether an unnamed node is written inside its only reader's equation."""
    if node.name is not None or len(readers) != 1:
        return False
    kind, reader = node.op.name, readers[0]
    if kind in _MOVED:
        return True
    if kind in _PRODUCTS or kind in _ADDED:
        return reader.op.name in _ADDED
    if kind == "sum":
        return reader.op.name == "divide" and number_of(reader.inputs[1]) is not None
    if kind == "multiply" and reader.op.name == "sum":
        return True  # a scalar product
    return kind == "multiply" and any(number_of(child) is not None for child in node.inputs)


class Region:
    """A node with a symbol, the nodes written inside its equation, and the symbols below."""

    def __init__(self, node: Node, symbols: Collection[Node], convention: Convention) -> None:
        self.node, self.convention = node, convention
        self._symbols = symbols
        order = topological([node], stop=lambda each: each is not node and each in symbols)
        self.opened = [each for each in order if each is node or (each.inputs and each not in symbols)]
        inside = set(self.opened)
        self.below = [each for each in order if each not in inside]

    @property
    def is_layer(self) -> bool:
        """Whether it is a product with weights, and what is added: there error signals get a name."""
        return any(node.op.name in _PRODUCTS for node in self.opened)

    def value(self, symbols: Mapping[Node, Math], *, spelled: bool = True) -> Math:
        """The right side of the node's equation; a composite alone is spelled out."""
        known = {node: symbols[node] for node in self.below if node in symbols}
        write = Writer(known, self.convention)
        if spelled and len(self.opened) == 1:
            return defined(self.node, [write(child) for child in self.node.inputs], self.convention)
        return write(self.node)

    @cached_property
    def _stand(self) -> dict[Node, Node]:
        """Each node of the region on placeholders for the symbols below."""
        table: dict[Node, Node] = {
            node: placeholder(node.shape, node.dtype) for node in self.below if node in self._symbols
        }
        for node in self.opened:
            table[node] = rebuilt(node, tuple([table.get(child, child) for child in node.inputs]))
        return table

    @cached_property
    def _upstream(self) -> Node:
        return placeholder(self.node.shape, self.node.dtype)

    def _part(self, below: Node) -> Node | None:
        """What a symbol below receives, as a graph over the placeholders."""
        target = self._stand[below]
        part = sweep({self._stand[self.node]: self._upstream}, [target]).get(target)
        return None if part is None else for_display([part])[0]

    def contribution(self, below: Node, symbols: Mapping[Node, Math], upstream: Math) -> Math | None:
        """What a symbol below receives from this equation; None where nothing flows."""
        part = self._part(below)
        if part is None:
            return None
        if (named := self._named(below, symbols, upstream)) is not None:
            return named
        known = {stand: symbols[node] for node, stand in self._stand.items() if node in symbols}
        known[self._upstream] = upstream
        if written_size(part, known) > LARGEST:
            return pulled_back(upstream, symbols[self.node], symbols[below], self.convention)
        return tidy(Writer(known, self.convention)(part), upstream)

    def _named(self, below: Node, symbols: Mapping[Node, Math], upstream: Math) -> Math | None:
        """The contribution through an op whose derivative has a name, wherever in the region it is."""
        readers = [node for node in self.opened if any(child is below for child in node.inputs)]
        if len(readers) != 1:
            return None
        reader = readers[0]
        index = next(place for place, child in enumerate(reader.inputs) if child is below)
        write = Writer({node: symbols[node] for node in self.below if node in symbols}, self.convention)
        inputs = [write(child) for child in reader.inputs]
        up: Math | None = upstream
        if named_rule(reader, inputs, upstream, index) is None:
            return None
        if reader is not self.node:
            outer = Region(self.node, {*self._symbols, reader}, self.convention)
            up = outer.contribution(reader, {**symbols, reader: write(reader)}, upstream)
        return None if up is None else named_rule(reader, inputs, up, index)

    def computed(self, below: Node, values: Mapping[Node, Any], upstream: Array) -> Array:
        """What a symbol below receives, by the ops' own rules: where the formula is partly words."""
        part = self._part(below)
        assert part is not None
        feed = {self._stand[node]: values[node] for node in self.below if node in self._stand}
        return run(part, {**feed, self._upstream: upstream})
