"""Proofs about offsets: that they lie in a range, and that two of them never meet.

An offset is taken as a linear form, constant + Σ coefficient · term, where a term is an axis or an
opaque scalar with bounds.  *Facts* are linear forms known to be ≥ 0: guards, and the limits of loops.

**Ranges.**  The greatest value of E is at most that of E + k·f for a fact f and k > 0; where the sum
cancels a term, its bound may be the better one.  So ``32·c + d`` with the fact ``50 - 32·c - d - 1 ≥ 0``
is at most 49, whatever the bounds of c and d alone would say.

**Separation.**  Two accesses at different places of an axis, at offsets E and E′, never meet if E = E′
is impossible or forces the two places to be equal.  For a number G the equation splits in two wherever
the terms whose coefficients G does not divide stay closer together than G: those terms are equal among
themselves, and so are the others.  An equation between one term and itself pins that term, and
``x // n`` and ``x % n`` together pin x; so does a row where x is the place that names it first
(``naming.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .accesses import Access, Scopes
from .index import terms
from .ir import INDEX, Axis, Scalar, scalar


@dataclass(frozen=True)
class Linear:
    """constant + Σ coefficient · term."""

    constant: int
    terms: dict[Scalar, int]

    def plus(self, other: Linear, times: int = 1) -> Linear:
        total = dict(self.terms)
        for term, c in other.terms.items():
            total[term] = total.get(term, 0) + c * times
        return Linear(self.constant + other.constant * times, {t: c for t, c in total.items() if c})

    def without(self, gone: Iterable[Scalar]) -> Linear:
        left = dict(self.terms)
        for term in gone:
            left.pop(term, None)
        return Linear(self.constant, left)


def linear(value: Scalar, scopes: Scopes) -> Linear:
    """An index as a linear form, seen through the locals that stand for such forms."""
    constant, coefficients = terms(value)
    total = Linear(constant, {})
    for term, c in coefficients.items():
        low, high = scopes.bounds(term)
        if low == high:
            total = Linear(total.constant + low * c, total.terms)
            continue
        inner = scopes.values.get(term.payload) if term.op == "local" else None
        if inner is not None and inner.op in ("affine", "axis", "constant", "local"):
            total = total.plus(linear(inner, scopes), c)
        else:
            total = total.plus(Linear(0, {term: c}))
    return total


# ── facts ─────────────────────────────────────────────────────────────────────────────────────────


def facts(access: Access, scopes: Scopes) -> list[Linear]:
    """The linear forms that are ≥ 0 whenever the access happens."""
    found: list[Linear] = []
    for around in access.around:
        if around.axis.limit is not None:
            place = Linear(0, {_axis(around.axis): 1})
            found += _below(place, around.axis.limit, scopes, 1)
    for guard in access.conditions:
        found += _of_guard(guard, True, scopes)
    return found


def _axis(axis: Axis) -> Scalar:
    return scalar("axis", (), INDEX, axis)


def _below(low: Linear, high: Scalar, scopes: Scopes, gap: int) -> list[Linear]:
    """``low + gap ≤ high``, as forms ≥ 0; a minimum is above it if both its sides are."""
    if high.op == "min":
        return [f for side in high.args for f in _below(low, side, scopes, gap)]
    return [linear(high, scopes).plus(low, -1).plus(Linear(-gap, {}))]


def _of_guard(guard: Scalar, holds: bool, scopes: Scopes) -> list[Linear]:
    """What follows from a condition that holds, or does not."""
    if guard.op == "local":
        value = scopes.values.get(guard.payload)
        return [] if value is None else _of_guard(value, holds, scopes)
    if guard.op == "not":
        return _of_guard(guard.args[0], not holds, scopes)
    if guard.op == ("and" if holds else "or"):
        return [f for side in guard.args for f in _of_guard(side, holds, scopes)]
    if guard.op not in _OPPOSITE or guard.args[0].dtype != INDEX:
        return []
    op = guard.op if holds else _OPPOSITE[guard.op]
    a, b = guard.args
    if op in ("gt", "ge"):
        a, b, op = b, a, {"gt": "lt", "ge": "le"}[op]
    if op == "lt":
        return _below(linear(a, scopes), b, scopes, 1)
    if op == "le":
        return _below(linear(a, scopes), b, scopes, 0)
    if op == "eq":
        return [*_below(linear(a, scopes), b, scopes, 0), *_below(linear(b, scopes), a, scopes, 0)]
    return []


_OPPOSITE = {"lt": "ge", "ge": "lt", "gt": "le", "le": "gt", "eq": "ne", "ne": "eq"}


# ── ranges ────────────────────────────────────────────────────────────────────────────────────────

DEPTH = 3
"""How many facts a bound may be derived from."""


def highest(form: Linear, known: list[Linear], scopes: Scopes, depth: int = DEPTH) -> int:
    """A number that the form never exceeds."""
    best = form.constant
    for term, c in form.terms.items():
        low, high = _term_range(term, known, scopes, depth)
        best += max(low * c, high * c)
    if depth == 0 or not form.terms:
        return best
    for number, fact in enumerate(known):
        rest = known[:number] + known[number + 1 :]
        for times in _cancelling(form, fact):
            best = min(best, highest(form.plus(fact, times), rest, scopes, depth - 1))
    return best


def _term_range(term: Scalar, known: list[Linear], scopes: Scopes, depth: int) -> tuple[int, int]:
    """The bounds of a term; those of a quotient follow from what is known of its operand."""
    if not _is_quotient(term) or depth == 0 or not known:
        return scopes.bounds(term)
    x, n = linear(term.args[0], scopes), int(term.args[1].payload)
    return lowest(x, known, scopes, depth - 1) // n, highest(x, known, scopes, depth - 1) // n


def _is_quotient(term: Scalar) -> bool:
    """Whether a term is the quotient by a positive number."""
    return term.op == "floordiv" and term.args[1].op == "constant" and term.args[1].payload > 0


def _cancelling(form: Linear, fact: Linear) -> set[int]:
    """The multiples of a fact that cancel one of the form's terms."""
    found = set()
    for term, c in form.terms.items():
        f = fact.terms.get(term, 0)
        if f and c % f == 0 and c // f < 0:
            found.add(-c // f)
    return found


def lowest(form: Linear, known: list[Linear], scopes: Scopes, depth: int = DEPTH) -> int:
    """A number that the form never falls below."""
    return -highest(Linear(0, {}).plus(form, -1), known, scopes, depth)


def reach(access: Access, scopes: Scopes) -> tuple[int, int]:
    """The least and the greatest offset that an access can have; (0, -1) if it never happens."""
    form, known = linear(access.offset, scopes), facts(access, scopes)
    empty = any(around.axis.extent == 0 for around in access.around)
    if empty or any(highest(fact, [], scopes) < 0 for fact in known):
        return 0, -1
    return lowest(form, known, scopes), highest(form, known, scopes)


def value_range(value: Scalar, known: list[Linear], scopes: Scopes) -> tuple[int, int]:
    """The least and the greatest value of an integer scalar, given facts; a choice counts by its sides."""
    if value.op == "local" and value.payload in scopes.values:
        inner = scopes.values[value.payload]
        if inner.op in ("where", "add", "sub"):
            return value_range(inner, known, scopes)
    if value.op == "where":
        condition, then, otherwise = value.args
        a, b = value_range(then, known + _of_guard(condition, True, scopes), scopes)
        c, d = value_range(otherwise, known + _of_guard(condition, False, scopes), scopes)
        return min(a, c), max(b, d)
    if value.op in ("add", "sub"):
        (a, b), (c, d) = (value_range(side, known, scopes) for side in value.args)
        return (a + c, b + d) if value.op == "add" else (a - d, b - c)
    form = linear(value, scopes)
    return lowest(form, known, scopes), highest(form, known, scopes)


# ── separation ────────────────────────────────────────────────────────────────────────────────────


def apart(one: Access, other: Access, depth: int, scopes: Scopes) -> bool:
    """Whether two accesses at different places of the axis ``around[depth]``, the same places of those
    outside it, and any places of those within, never touch the same element."""
    return _Meeting(one, other, depth, scopes).impossible()


class _Meeting:
    """The supposition that two accesses meet, and what follows from it."""

    def __init__(self, one: Access, other: Access, depth: int, scopes: Scopes) -> None:
        self.scopes = scopes
        self.axis = one.around[depth].axis
        self.moving = {a.axis for access in (one, other) for a in access.around[depth:]}
        self.known = facts(one, scopes), facts(other, scopes)
        self.pinned: set[Scalar] = set()
        self.resolved: set[Scalar] = set()
        self.named = _named(one, scopes).items() & _named(other, scopes).items()
        sides = linear(one.offset, scopes), linear(other.offset, scopes)
        self.equations = [(self.settled(sides[0], 0), self.settled(sides[1], 1))]

    def impossible(self) -> bool:
        place = Linear(0, {_axis(self.axis): 1})
        (a, b), (c, d) = self.range(place, 0), self.range(place, 1)
        if a == b == c == d:  # both guards allow one and the same place
            return True
        while True:
            before = len(self.equations), len(self.pinned), len(self.resolved)
            split: list[tuple[Linear, Linear]] = []
            for left, right in self.equations:
                found = self.divide(*self.cancelled(left, right))
                if found is None:
                    return True
                split += found
            self.equations = split
            self.pin()
            if _axis(self.axis) in self.pinned:
                return True
            if (len(self.equations), len(self.pinned), len(self.resolved)) == before:
                return False

    def range(self, form: Linear, side: int) -> tuple[int, int]:
        return lowest(form, self.known[side], self.scopes), highest(form, self.known[side], self.scopes)

    def settled(self, form: Linear, side: int) -> Linear:
        """The form with a number for each term to which the guards leave one value."""
        for term, c in form.terms.items() if self.known[side] else ():
            low, high = self.range(Linear(0, {term: 1}), side)
            if low == high:
                form = form.without([term]).plus(Linear(low * c, {}))
        return form

    def fixed(self, term: Scalar) -> bool:
        """Whether a term has the same value at both accesses."""
        if term in self.pinned:
            return True
        axes = self.scopes.axes_of(term)
        return axes is not None and not axes & self.moving

    def cancelled(self, left: Linear, right: Linear) -> tuple[Linear, Linear]:
        """The equation without the equal terms of its two sides."""
        same = [t for t, c in left.terms.items() if right.terms.get(t) == c and self.fixed(t)]
        return left.without(same), right.without(same)

    def divide(self, left: Linear, right: Linear) -> list[tuple[Linear, Linear]] | None:
        """The equation in parts; None where it cannot hold."""
        (a, b), (c, d) = self.range(left, 0), self.range(right, 1)
        if b < c or d < a:
            return None
        if not left.terms and not right.terms:
            return []
        coefficients = {abs(x) for x in (*left.terms.values(), *right.terms.values())}
        for g in sorted(coefficients, reverse=True):
            for parts in self.halves(left, right, g):
                found = [self.divide(*part) for part in parts]
                if any(f is None for f in found):
                    return None
                return [equation for f in found if f is not None for equation in f]
        return [(left, right)]

    def halves(self, left: Linear, right: Linear, g: int) -> Iterator[list[tuple[Linear, Linear]]]:
        """The two equations into which the multiples of ``g`` split one, if the rest is close enough."""
        big = [{t: c for t, c in side.terms.items() if c % g == 0} for side in (left, right)]
        small = [{t: c for t, c in side.terms.items() if c % g} for side in (left, right)]
        if not any(big):
            return
        shift = left.constant - right.constant
        (a, b), (c, d) = self.range(Linear(0, small[0]), 0), self.range(Linear(0, small[1]), 1)
        # How much of the difference of the constants goes to the small side: what keeps it within g.
        least = d - a - g + 1
        for rest in range(least + (shift - least) % g, g + c - b, g):
            if rest or any(small):  # else nothing is split off
                one, two = Linear(rest, small[0]), Linear(0, small[1])
                yield [(one, two), (Linear(shift - rest, big[0]), Linear(0, big[1]))]

    def pin(self) -> None:
        """Terms that an equation sets equal to themselves; quotients and remainders pin their operand."""
        for left, right in self.equations:
            if left == right and len(left.terms) == 1:
                self.pinned.update(left.terms)
        for term in [t for t in self.pinned if _is_quotient(t) and t not in self.resolved]:
            x, n = term.args
            if any(t.op == "mod" and t.args == (x, n) for t in self.pinned):
                self.resolved.add(term)
                whole = linear(x, self.scopes)
                self.equations.append((whole, whole))
        for place, row in self.named:
            if place not in self.resolved and self.pinned.issuperset(linear(row, self.scopes).terms):
                self.resolved.add(place)
                whole = linear(place, self.scopes)
                self.equations.append((whole, whole))


def _named(access: Access, scopes: Scopes) -> dict[Scalar, Scalar]:
    """The places that are known to name their rows first where an access happens, and those rows."""
    found: dict[Scalar, Scalar] = {}
    conditions = access.conditions
    while conditions:
        condition = conditions.pop()
        if condition.op == "and":
            conditions.extend(condition.args)
        elif condition.op == "local" and condition.payload in scopes.values:
            conditions.append(scopes.values[condition.payload])
        for naming, known in scopes.namings.items():
            if access.position > known and (named := naming.named(condition)) is not None:
                place, row = named
                found[place] = row
    return found
