"""The usual slips of a derivative rule, each as the wrong result that it gives: the first that fits is named.

``got`` is what the rule gave for one input under a random upstream gradient u, ``want`` what differences
say, Jᵀu.  A slip predicts ``got``; with random numbers a wrong prediction does not fit by chance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..graph import Array, Node
from .probe import Probe, unflatten
from .shrink import MOST

_JACOBIAN = 64
"""Entries of input and output up to which the whole Jacobian is looked at."""


class Trial(NamedTuple):
    """One input of one op whose rule is wrong, with everything that a slip could have mixed up."""

    node: Node
    probe: Probe
    positions: Sequence[int]
    """Which inputs of ``node`` the probe's inputs stand for."""
    number: int
    """Which of the probe's inputs."""
    u: Array
    """The upstream gradient, flat."""
    got: Array
    want: Array
    others_got: list[Array]
    others_want: list[Array]

    @property
    def here(self) -> int:
        """The input's number in the op."""
        return self.positions[self.number]

    @property
    def values(self) -> list[Array]:
        """The values of the probe's inputs."""
        return unflatten(self.probe.point, self.probe.inputs)

    @property
    def output(self) -> Array:
        return self.probe.base.reshape(self.node.shape)

    @property
    def upstream(self) -> Array:
        return self.u.reshape(self.node.shape)

    def same(self, a: Array, b: Array) -> bool:
        """Equal up to what differences can resolve, and not because there is nothing to compare."""
        rough = max(1e-5, 1e3 * self.probe.eps)
        size = float(np.abs(b).max()) if b.size else 0.0
        return a.shape == b.shape and size > 0 and bool(np.allclose(a, b, rtol=rough, atol=rough * size))


def slip(node: Node, probe: Probe, positions: Sequence[int], number: int, u: Array) -> str:
    """One line about input ``number`` of the probe, whose rule is known to be wrong; may be empty."""
    pulled = probe.pullback(u)
    own = unflatten(pulled, probe.inputs)[number]
    if not own.any():
        return "nothing flows to this input: the rule gives None or zeros for it"
    twice = probe.pullback(2 * u)
    if np.array_equal(twice, pulled):
        return "the rule does not use ct: multiply the local derivative by it"
    if np.allclose(twice, 4 * pulled) and not np.allclose(twice, 2 * pulled):
        return "the rule is not linear in ct: ct stands in it twice"
    if probe.n > MOST:
        return ""
    got, want = unflatten(pulled, probe.inputs), unflatten(_numerical(probe, u), probe.inputs)
    trial = Trial(node, probe, positions, number, u, got[number], want[number], got, want)
    with np.errstate(all="ignore"):
        return next((told for find in _SLIPS for told in find(trial)), "")


def _numerical(probe: Probe, u: Array) -> Array:
    found = np.zeros(probe.n)
    for j in range(probe.n):
        unit = np.zeros(probe.n)
        unit[j] = max(1.0, abs(probe.point[j]))
        found[j] = next(probe.differences(unit, u)).value[0] / unit[j]
    return found


def _at(trial: Trial, number: int, value: Array) -> Array:
    """Jᵀu for the trial's input, by differences, with another value of one input."""
    elsewhere = trial.probe.elsewhere(number, value)
    return unflatten(_numerical(elsewhere, trial.u), elsewhere.inputs)[trial.number]


# -- slips of arrangement ----------------------------------------------------------------------------------


def _sign(t: Trial) -> Iterator[str]:
    if t.same(t.got, -t.want):
        yield "the sign is wrong"


def _turned(t: Trial) -> Iterator[str]:
    got = t.got
    if got.ndim >= 2 and got.shape[-1] == got.shape[-2] and t.same(got, np.swapaxes(t.want, -1, -2)):
        yield "the result is transposed"
    for axis in range(got.ndim):
        if got.shape[axis] < 2:
            continue
        if t.same(got, np.flip(t.want, axis)):
            yield f"the result is reversed along axis {axis}"
        for step in (1, -1):
            if t.same(got, np.roll(t.want, step, axis)):
                yield f"the result is shifted by one place along axis {axis}"


def _exchanged(t: Trial) -> Iterator[str]:
    for other, (got, want) in enumerate(zip(t.others_got, t.others_want, strict=True)):
        if other != t.number and t.same(t.got, want) and t.same(got, t.want):
            yield (
                f"the results for inputs {t.here} and {t.positions[other]} are swapped: return them in the "
                "order of the inputs"
            )
    for other, want in enumerate(t.others_want):
        if other != t.number and t.same(t.got, want):
            yield f"this is the derivative with respect to input {t.positions[other]}"


def _operand_turned(t: Trial) -> Iterator[str]:
    """δ·W where δ·Wᵀ is meant."""
    for other, value in enumerate(t.values):
        if other == t.number or value.ndim < 2 or value.shape[-1] != value.shape[-2]:
            continue
        if t.same(t.got, _at(t, other, np.swapaxes(value, -1, -2).copy())):
            yield f"input {t.positions[other]} must be transposed in the rule for input {t.here}"


# -- slips of a factor -------------------------------------------------------------------------------------


def _constant(t: Trial) -> Iterator[str]:
    factor = float(np.vdot(t.want, t.got) / np.vdot(t.want, t.want)) if t.want.any() else 0.0
    if not factor or not t.same(t.got, factor * t.want):
        return
    copies = t.probe.m // t.got.size if t.got.size and t.probe.m % t.got.size == 0 else 1
    if copies > 1 and _close(factor * copies, 1):
        yield (
            f"a factor {copies} is missing: the input is broadcast, so sum over its copies (a mean is taken, "
            "or one copy is counted)"
        )
    for axis, size in enumerate(t.got.shape):
        if size > 1 and size not in (2,) and _close(factor, size):
            yield f"{size} times too large: a sum where the op takes a mean over axis {axis}"
        if size > 1 and size not in (2,) and _close(factor * size, 1):
            yield f"{size} times too small: a mean where the op takes a sum over axis {axis}"
    if t.got.size > 2 and _close(factor, t.got.size):
        yield f"{t.got.size} times too large: a sum where the op takes a mean"
    if t.got.size > 2 and _close(factor * t.got.size, 1):
        yield f"{t.got.size} times too small: a mean where the op takes a sum"
    known = {2.0: "off by the factor 2 everywhere", 0.5: "off by the factor 0.5 everywhere"}
    why = {
        2.0: ": a term is counted twice, or a half (of x²/2, say) is forgotten",
        0.5: ": a factor 2 (of x², say) or one of two equal terms is forgotten",
    }
    for value, text in known.items():
        if _close(factor, value):
            yield text + why[value]
    if t.got.size > 1:
        yield f"off by the factor {factor:.6g} everywhere"


def _value_for_derivative(t: Trial) -> Iterator[str]:
    if t.output.shape != t.got.shape or t.got.size < 2:
        return
    if t.same(t.got, t.upstream * t.output):
        yield "the op's value stands in the place of its derivative: ct · f(x) for ct · f'(x)"
    if t.same(t.got, t.upstream):
        yield "ct is passed on as it is: the local derivative is missing"


def _factor(t: Trial) -> Iterator[str]:
    """A chain factor that is missing, or one too many: a simple function of an input or of the output."""
    candidates = [(f"input {place}", x) for place, x in zip(t.positions, t.values, strict=True)]
    candidates.append(("the output", t.output))
    for name, value in candidates:
        if value.shape != t.got.shape or value.size < 2 or not np.ptp(value):
            continue
        for form, factor in _forms(name, value):
            for told, left, right in (
                (f"one factor too many: {form}", t.got, t.want * factor),
                (f"a factor is missing: {form}", t.got * factor, t.want),
            ):
                scale = _scale(left, right)
                if scale is not None and t.same(left, scale * right):
                    shown = scale if "many" in told else 1 / scale
                    times = "" if _close(shown, 1) else f" times {shown:.4g}"
                    yield f"{told}{times}"


def _forms(name: str, value: Array) -> Iterator[tuple[str, Array]]:
    yield name, value
    yield f"{name} squared", value * value
    if (value > 0).any() and (value < 0).any():
        yield f"the sign of {name}", np.sign(value)
        yield f"the magnitude of {name}", np.abs(value)


def _scale(left: Array, right: Array) -> float | None:
    size = float(np.vdot(right, right))
    scale = float(np.vdot(right, left)) / size if size and np.isfinite(size) else 0.0
    return scale if scale and np.isfinite(scale) else None


def _input_for_output(t: Trial) -> Iterator[str]:
    """1 - x² for 1 - y²: the slope, a function of the output, is given the input, or the other way round."""
    x = t.values[t.number]
    if t.output.shape != x.shape or t.probe.m != t.probe.n or len(t.values) != 1:
        return
    if t.same(t.got, _at(t, t.number, t.output)):
        yield "the derivative is taken at the output f(x) instead of at the input x"
    inverse = _inverse(t.probe, x)
    if inverse is not None and t.same(t.got, _at(t, t.number, inverse)):
        yield (
            "the input stands in the place of the output: the derivative is written with y = f(x), "
            "as 1 - y² is"
        )


def _inverse(probe: Probe, y: Array) -> Array | None:
    """z with f(z) = y for an increasing elementwise f, where bisection finds one."""
    low, high = np.full(y.size, -30.0), np.full(y.size, 30.0)
    flat = y.ravel()
    for _ in range(60):
        middle = (low + high) / 2
        above = probe.at(middle) > flat
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    found = probe.at((low + high) / 2)
    return ((low + high) / 2).reshape(y.shape) if np.allclose(found, flat, rtol=1e-6, atol=1e-9) else None


# -- slips of summation ------------------------------------------------------------------------------------


def _broadcast(t: Trial) -> Iterator[str]:
    axes = _stretched(t.got.shape, t.node.shape)
    if axes is None:
        return
    copies = _per_copy(t, axes)
    if copies is not None:
        flat = copies.reshape(-1, *t.got.shape)
        for place, word in ((0, "first"), (-1, "last")):
            if t.same(t.got, flat[place]):
                yield f"only the {word} copy is counted: the input is broadcast, so sum over its copies"
        if t.same(t.got, flat.max(axis=0)):
            yield "the largest copy is taken: the input is broadcast, so sum over its copies"
    yield "the input is broadcast: its gradient is the sum over the stretched axes, a term for each copy"


def _per_copy(t: Trial, axes: tuple[int, ...]) -> Array | None:
    """Jᵀu split by the output's place along the stretched axes: one term for each copy of the input."""
    if t.probe.m > MOST:
        return None
    lead = [t.node.shape[axis] for axis in axes]
    terms = []
    for place in np.ndindex(*lead):
        chosen = np.zeros(t.node.shape)
        index: list[slice | int] = [slice(None)] * len(t.node.shape)
        for axis, at in zip(axes, place, strict=True):
            index[axis] = at
        chosen[tuple(index)] = t.upstream[tuple(index)]
        terms.append(unflatten(_numerical(t.probe, chosen.ravel()), t.probe.inputs)[t.number])
    return np.array(terms)


def _stretched(shape: tuple[int, ...], result: tuple[int, ...]) -> tuple[int, ...] | None:
    """The axes of ``result`` along which an operand of ``shape`` was repeated; None where it was not."""
    padded = (1,) * (len(result) - len(shape)) + shape
    fits = len(padded) == len(result) and all(a in (1, b) for a, b in zip(padded, result, strict=True))
    if not fits or padded == result:
        return None
    return tuple(axis for axis, (a, b) in enumerate(zip(padded, result, strict=True)) if a != b)


def _jacobian(t: Trial) -> Iterator[str]:
    """J for Jᵀ, its diagonal alone, or all but that."""
    if t.probe.m != t.got.size or t.got.size > _JACOBIAN or t.got.size < 2:
        return
    start = sum(x.size for x in t.values[: t.number])
    columns = []
    for j in range(t.got.size):
        unit = np.zeros(t.probe.n)
        unit[start + j] = max(1.0, abs(t.probe.point[start + j]))
        columns.append(next(t.probe.differences(unit)).value / unit[start + j])
    jacobian = np.stack(columns, axis=1)
    diagonal = np.diag(jacobian)
    if not np.allclose(jacobian, np.diag(diagonal)):
        if t.same(t.got.ravel(), diagonal * t.u):
            yield (
                "only the diagonal of the Jacobian: every output depends on the other entries too, "
                "and those terms are missing"
            )
        if t.same(t.got.ravel(), jacobian.T @ t.u - diagonal * t.u):
            yield "the diagonal of the Jacobian is missing: each entry's own term"
    if not np.allclose(jacobian, jacobian.T) and t.same(t.got.ravel(), jacobian @ t.u):
        yield "J·ct is computed where Jᵀ·ct is wanted: the derivative must be transposed"


# -- what is left: a term, or some entries -----------------------------------------------------------------


def _term(t: Trial) -> Iterator[str]:
    shift = t.got - t.want
    if t.got.size > 1 and t.same(shift, np.full_like(shift, shift.mean())):
        yield f"off by {shift.mean():.6g} everywhere: a term is missing or one too many"
    if t.got.size > 1 and t.output.shape == t.got.shape and t.same(shift, -t.upstream):
        yield "the term ct itself is missing"
    if t.got.size > 1 and t.output.shape == t.got.shape and t.same(shift, t.upstream):
        yield "ct itself is added once too often"


def _wrong(t: Trial) -> Array:
    rough = max(1e-5, 1e3 * t.probe.eps)
    return ~np.isclose(t.got, t.want, rtol=rough, atol=rough * max(1.0, float(np.abs(t.want).max())))


def _cases(t: Trial) -> Iterator[str]:
    """Right at some entries and wrong at others: what those have in common."""
    wrong = _wrong(t)
    if t.got.size < 3 or wrong.all() or not wrong.any():
        return
    x = t.values[t.number]
    for name, where in (
        ("is negative", x < 0), ("is positive", x > 0), ("is below -1", x < -1), ("is above 1", x > 1),
        ("has magnitude above 1", np.abs(x) > 1), ("has magnitude below 1", np.abs(x) < 1),
        ("is 0", x == 0), ("is the largest", x == x.max()), ("is the smallest", x == x.min()),
        ("stands more than once", np.isin(x, _repeated(x))),
    ):  # fmt: skip
        if np.array_equal(where, wrong):
            yield f"it is right but where input {t.here} {name}: a case of the definition is missing"
    for axis in range(x.ndim):
        for place, word in ((0, "first"), (-1, "last")):
            edge = np.zeros(x.shape, bool)
            np.moveaxis(edge, axis, 0)[place] = True
            if x.shape[axis] > 2 and np.array_equal(edge, wrong):
                yield f"it is right but at the {word} place of axis {axis}: the edge is missing in the rule"


def _some(t: Trial) -> Iterator[str]:
    wrong = _wrong(t)
    if t.got.size > 2 and wrong.any() and not wrong.all():
        yield f"it is right at {int((~wrong).sum())} of {wrong.size} entries"


def _repeated(x: Array) -> Array:
    values, counts = np.unique(x, return_counts=True)
    return values[counts > 1]


def _close(a: float, b: float) -> bool:
    return bool(np.isclose(a, b, rtol=1e-4))


_SLIPS: tuple[Callable[[Trial], Iterator[str]], ...] = (
    _sign, _turned, _exchanged, _constant, _cases, _value_for_derivative, _factor, _operand_turned,
    _input_for_output, _jacobian, _broadcast, _term, _some,
)  # fmt: skip
