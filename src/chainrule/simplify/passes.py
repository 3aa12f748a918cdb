"""What is done to a program's graph before it is lowered: composites opened, then rules, in named steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..graph import Node, Variable
from ..ops import expand
from ..rewrite import Journal, RuleSet, rewrite
from .algebra import EXACT, FOLDING, PRODUCTS, QUOTIENTS, ROUNDING, SIGNED_ZEROS
from .language import GRAPH, show
from .movement import MOVEMENT
from .pooling import PLAIN_PRODUCTS, POOLING
from .rows import visit_touched_rows
from .sparsity import ONE_FORM, ROW_PRODUCTS, SPARSITY
from .stability import ALONE, STABILITY
from .sums import REPEATED, SPARSE_NORMS, SPARSE_SUMS, SUMS_OF_SUMS

GROUPS = ("exact", "signed zeros", "rounding", "stability", "sparsity", "pooling")
"""The groups of rules, by what they may change: nothing; the sign of a zero; last digits; results that
overflowed or cancelled; what zeros times infinities and NaNs would have given (the last two, of which
``pooling`` makes few numbers out of the products behind max-over-time pooling)."""

#: The rules in the order in which they are tried at a node.
RULES = [
    *FOLDING, *STABILITY, *EXACT, *SIGNED_ZEROS, *MOVEMENT, *POOLING, *SPARSITY, *SPARSE_NORMS, *REPEATED,
    *ROUNDING,
]  # fmt: skip
#: Those that must wait until every other has fired.
LAST_RULES = [
    *FOLDING, *EXACT, *SIGNED_ZEROS, *MOVEMENT, *ALONE, *QUOTIENTS, *SUMS_OF_SUMS,
    *PRODUCTS, *PLAIN_PRODUCTS, *ROW_PRODUCTS,
    *SPARSE_SUMS, *ONE_FORM,
]  # fmt: skip


@dataclass(frozen=True)
class Simplified:
    """A simplified program."""

    outputs: list[Node]
    updates: dict[Variable, Node]
    journal: Journal
    """What was done, and to what; as text, for people."""
    flush: dict[Variable, Node]
    """Updates to run before anybody looks at state that waits (``catch_up``); empty where none does."""


def simplify(
    outputs: Sequence[Node],
    updates: Mapping[Variable, Node] | None = None,
    *,
    groups: Sequence[str] = GROUPS,
    catch_up: bool = False,
) -> Simplified:
    """The program that computes the same as ``outputs`` and ``updates`` in fewer, better steps.

    Composites are opened into their parts.  ``groups`` chooses rules by what they may change (see
    ``GROUPS``).  ``catch_up`` lets decaying state of table rows that no batch touches wait: the program
    then has two more kinds of variables, a clock and when each row was last touched, and whoever runs it
    promises to run ``flush`` before those variables are looked at.

    The steps: ``expand``, ``rules``, ``touched rows``, ``last rules``.

    >>> import chainrule as cr
    >>> x = cr.placeholder((3, 4), name="x")
    >>> found = simplify([cr.log(cr.sigmoid(x)) * 1])
    >>> print(cr.format_graph(found.outputs, origins=False))
    %0 = placeholder x     (3, 4)  float32
    %1 = constant 0.0      ()      float32
    %2 = minimum(%0, %1)   (3, 4)  float32
    %3 = abs(%0)           (3, 4)  float32
    %4 = negative(%3)      (3, 4)  float32
    %5 = exp(%4)           (3, 4)  float32
    %6 = log1p(%5)         (3, 4)  float32
    %7 = subtract(%2, %6)  (3, 4)  float32
    >>> print(found.journal)
    stability: log σ(x) = min(x, 0) - log(1 + exp(-|x|))
          log(sigmoid(x))
        → subtract(minimum(x, 0.0), log1p(exp(negative⟨3×4⟩)))
    exact: x * 1 = x
          multiply(subtract(minimum(x, 0.0), log1p(exp⟨3×4⟩)), 1.0)
        → subtract(minimum(x, 0.0), log1p(exp(negative⟨3×4⟩)))
    """
    journal = Journal(show)
    variables = list(updates or {})
    count = len(outputs)
    targets = expand([*outputs, *(updates or {}).values()])
    targets = rewrite(targets, _rule_set(tuple(groups), last=False), GRAPH, journal)
    flush: dict[Variable, Node] = {}
    if "sparsity" in groups and updates:
        now = dict(zip(variables, targets[count:], strict=True))
        now, flush = visit_touched_rows(targets[:count], now, journal, catch_up=catch_up)
        variables, targets = list(now), [*targets[:count], *now.values()]
    targets = rewrite(targets, _rule_set(tuple(groups), last=True), GRAPH, journal)
    return Simplified(targets[:count], dict(zip(variables, targets[count:], strict=True)), journal, flush)


_sets: dict[tuple[tuple[str, ...], bool], RuleSet] = {}


def _rule_set(groups: tuple[str, ...], *, last: bool) -> RuleSet:
    """The rules of these groups, indexed once."""
    if (groups, last) not in _sets:
        chosen = [rule for rule in (LAST_RULES if last else RULES) if rule.group in groups]
        _sets[groups, last] = RuleSet(chosen)
    return _sets[groups, last]
