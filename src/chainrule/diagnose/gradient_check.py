"""The gradient check: analytic derivatives against numerical ones, and a name for what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from ..differentiate import vjp
from ..dtypes import DType, as_dtype, is_float
from ..engines.differences import AGREES, KINK, UNCERTAIN
from ..engines.nonfinite import Finding, first_nonfinite
from ..errors import ArgumentError, DTypeError, GradientCheckError
from ..graph import (
    Environment,
    Node,
    constant,
    user_place,
)
from .blame import Fault, find_faults, locate, random_pair
from .compare import Comparison, Tolerance, attainable, compare
from .probe import Probe
from .purity import impurity
from .report import Entry, GradientReport, Nudge, entry_table, indexed
from .subject import Subject, of_function, of_nodes

Mode = Literal["auto", "direction", "full"]

_FULL_ENTRIES = 1000  # Jacobians up to this size are compared entry by entry in mode "auto"


def check_gradients(
    fn_or_node: Callable[..., Any] | Node | Sequence[Node],
    *inputs: Any,
    wrt: Sequence[Node | int] | Node | int | None = None,
    feed: Mapping[Any, Any] | None = None,
    order: Literal[1, 2] = 1,
    mode: Mode = "auto",
    directions: int = 2,
    dtype: Any = "float64",
    step: float | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    seed: int = 0,
) -> GradientReport:
    """Compare analytic derivatives with numerical ones; raise, naming the op at fault, where they differ.

    (f(x + h·t) - f(x - h·t)) / 2h, extrapolated from two steps, against u·J·t by the ops' rules, for random
    t and u (``mode="direction"``: a few evaluations whatever the size) or for every entry
    (``mode="full"``); "auto" takes every entry of Jacobians up to 1000 entries.  ``order=2`` checks the
    derivatives of the gradient as well.

    A function is called on placeholders like ``inputs`` (arrays, and tuples, lists or dicts of them) and
    checked at their values; floats are computed in ``dtype``, whatever they were.  For a node give
    ``feed``; ``wrt`` then chooses variables and placeholders (all float ones unless given).  For a
    function ``wrt`` chooses arguments by number, and variables it reads by themselves.

    Raises ``GradientCheckError`` naming the first op, in forward order, whose own rule disagrees, with its
    line, input, entry and both values.  A place without a derivative (a kink) is reported and not
    blamed.  ``DTypeError`` for complex inputs; ``ArgumentError`` for a tolerance finer than ``dtype``
    can resolve.

    >>> import chainrule as cr
    >>> for x in 1.0, 4.0:
    ...     print(cr.check_gradients(lambda x: x**3, x))
    f: 1 derivative compared in float64, largest difference ..., tolerance 1e-06
      derivative of  with respect to  at  analytic  numerical  difference
      f              x                 1         3          3     ...
    nudged by 0.01: f(1.01) = 1.0303, and the slope promises 1 + 0.01 × 3 = 1.03
    f: 1 derivative compared in float64, largest difference ..., tolerance 1e-06
      derivative of  with respect to  at  analytic  numerical  difference
      f              x                 4        48         48     ...
    nudged by 0.01: f(4.01) = 64.4812, and the slope promises 64 + 0.01 × 48 = 64.48
    """
    kind = as_dtype(dtype)
    tolerance = _tolerance(kind, rtol, atol, step)
    if order not in (1, 2):
        raise ArgumentError(f"check_gradients: order={order!r}", where=user_place(), mend="1 or 2")
    if mode not in ("auto", "direction", "full"):
        raise ArgumentError(
            f"check_gradients: mode={mode!r}", where=user_place(), mend="'auto', 'direction' or 'full'"
        )
    if isinstance(fn_or_node, Node) or not callable(fn_or_node):
        subject = of_nodes(fn_or_node, inputs, wrt, feed, kind)
    else:
        subject = of_function(fn_or_node, inputs, wrt, feed, kind)
    check = _Check(subject, mode, directions, tolerance, np.random.default_rng(seed))
    return check.run(order)


def _tolerance(dtype: DType, rtol: float | None, atol: float | None, step: float | None) -> Tolerance:
    if not is_float(dtype):
        raise DTypeError(f"check_gradients: derivatives are of floats, not {dtype}", where=user_place())
    reach = attainable(dtype)
    if rtol is not None and rtol < reach:
        raise ArgumentError(
            f"check_gradients: rtol={rtol:g} means nothing in {dtype}, "
            f"where differences are good to about {reach:.0e} at best",
            where=user_place(),
            mend="check in float64 (the default), or use rtol=1e-2" if dtype.itemsize < 8 else "rtol=1e-6",
        )
    if step is not None and step <= 0:
        raise ArgumentError(f"check_gradients: step={step!r} must be positive", where=user_place())
    return Tolerance.usual(dtype, rtol, atol, step)


# -- the check ---------------------------------------------------------------------------------------------


class _Check:
    """One run: first order, then second, each a comparison over a probe."""

    def __init__(
        self, subject: Subject, mode: Mode, directions: int, tolerance: Tolerance, rng: np.random.Generator
    ) -> None:
        self.subject, self.mode, self.directions = subject, mode, directions
        self.tolerance, self.rng = tolerance, rng
        self.entries: list[Entry] = []
        self.kinks: list[Fault] = []
        self.evaluations = 0
        self.nudge: Nudge | None = None
        self.modes: set[str] = set()

    def run(self, order: int) -> GradientReport:
        subject = self.subject
        several = len(subject.outputs) > 1
        names = [f"{subject.name}.{i}" if several else subject.name for i in range(len(subject.outputs))]
        self._refuse_impure()
        with np.errstate(all="ignore"):
            probe = self._probe(subject.outputs, subject.environment)
            self._compare(probe, 1, names)
            if probe.n == 1 and probe.m == 1:
                at, slope = float(probe.point[0]), float(probe.pullback(np.ones(1))[0])
                moved = probe.at(probe.point + 0.01)
                self.nudge = Nudge(at, 0.01, float(probe.base[0]), float(moved[0]), slope)
            if order == 2 and probe.pulled:
                gradients, labels = self._gradient_nodes(probe, names)
                second = self._probe(gradients, subject.environment)
                self._compare(second, 2, labels)
        dtype = subject.wrt[0].dtype
        return GradientReport(
            name=subject.name,
            dtype=dtype.name,
            mode="full" if "full" in self.modes else "direction",
            entries=tuple(self.entries),
            kinks=tuple(self.kinks),
            rtol=self.tolerance.rtol,
            atol=self.tolerance.atol,
            attainable=attainable(dtype),
            evaluations=self.evaluations,
            nudge=self.nudge,
        )

    def _gradient_nodes(self, probe: Probe, names: Sequence[str]) -> tuple[list[Node], list[str]]:
        """The gradient of the outputs under fixed weights, as nodes to check in their turn."""
        weights = [
            constant(self.rng.standard_normal(y.shape) if probe.m > 1 else np.ones(y.shape), y.dtype)
            for y in probe.outputs
        ]
        found = vjp(probe.outputs, weights, probe.inputs)
        top = names[0] if len(names) == 1 else self.subject.name
        top = top if probe.m == 1 else f"u·{top}"
        pairs = [
            (g, f"∂{top}/∂{label}")
            for g, label in zip(found, self.subject.labels, strict=True)
            if g is not None
        ]
        return [g for g, _ in pairs], [label for _, label in pairs]

    def _probe(self, outputs: Sequence[Node], environment: Environment) -> Probe:
        probe = Probe(outputs, self.subject.wrt, environment)
        if not np.isfinite(probe.base).all():
            self._refuse_nonfinite("the function is", first_nonfinite(outputs, environment))
        u = np.ones(probe.m)
        if not np.isfinite(probe.pullback(u)).all():
            finding = first_nonfinite(probe.pulled, probe.pullback_environment(u))
            self._refuse_nonfinite("its derivative by the rules is", finding)
        return probe

    def _refuse_impure(self) -> None:
        found = impurity(self.subject.outputs, self.subject.environment)
        if found is not None:
            node, told = found
            raise GradientCheckError(
                f"the op {node.op.name!r} is not pure: {told}",
                where=str(node.origin),
                mend="compute a new array (x * 2 for x *= 2); draw random numbers from a key that is given",
            )

    def _refuse_nonfinite(self, what: str, finding: Finding | None) -> None:
        raise GradientCheckError(
            "\n  ".join([f"{self.subject.name}: {what} not finite at this point", *str(finding).split("\n")]),
            where=str(finding.node.origin) if finding is not None else None,
            mend="check at a point inside the domain",
        )

    def _compare(self, probe: Probe, order: int, names: Sequence[str]) -> None:
        full = self.mode == "full" or (self.mode == "auto" and probe.n * probe.m <= _FULL_ENTRIES)
        self.modes.add("full" if full else "direction")
        suspicious: list[tuple[Entry, int]] = []
        pairs = self._every_entry(probe, order, names) if full else self._directions(probe, order, names)
        for entry, verdict in pairs if probe.n and probe.m else ():
            self.entries.append(entry)
            if verdict != AGREES:
                suspicious.append((entry, verdict))
        self.evaluations += probe.evaluations
        if suspicious:
            self._explain(probe, order, suspicious)

    def _every_entry(self, probe: Probe, order: int, names: Sequence[str]) -> Iterator[tuple[Entry, int]]:
        jacobian = np.stack([probe.pullback(row) for row in np.eye(probe.m)]) if probe.m else np.zeros((0, 0))
        for j, unit in enumerate(np.eye(probe.n)):
            scale = max(1.0, abs(probe.point[j]))
            comparison = compare(probe, unit * scale, jacobian[:, j] * scale, self.tolerance)
            number, index = locate(j, probe.inputs)
            for i, verdict in enumerate(comparison.verdict):
                output, place = locate(i, probe.outputs)
                yield (
                    Entry(
                        order,
                        indexed(names[output], place),
                        indexed(self.subject.labels[number], index),
                        float(probe.point[j]),
                        float(jacobian[i, j]),
                        float(comparison.numerical.value[i]) / scale,
                        _note(comparison, i, scale),
                    ),
                    int(verdict),
                )

    def _directions(self, probe: Probe, order: int, names: Sequence[str]) -> Iterator[tuple[Entry, int]]:
        for number in range(self.directions):
            t, u = random_pair(probe, self.rng)
            comparison = compare(probe, t, probe.pullback(u) @ t, self.tolerance, u)
            of = names[0] if len(names) == 1 else ("f" if order == 1 else f"∂{self.subject.name}")
            yield (
                Entry(
                    order,
                    f"u·{of}" if probe.m > 1 else of,
                    f"direction {number}" if probe.n > 1 else self.subject.labels[0],
                    float(probe.point[0]) if probe.n == 1 else None,
                    float(comparison.analytic[0]),
                    float(comparison.numerical.value[0]),
                    _note(comparison, 0, 1.0),
                ),
                int(comparison.verdict[0]),
            )

    def _explain(self, probe: Probe, order: int, suspicious: Sequence[tuple[Entry, int]]) -> None:
        """Blame an op, or report kinks, or say that nothing can be told; only kinks let the check go on."""
        faults = find_faults(probe.outputs, probe.inputs, self.subject.environment, self.tolerance, self.rng)
        seen = [f"seen from outside ({'first' if order == 1 else 'second'} derivatives):"]
        seen += entry_table([entry for entry, _ in suspicious])
        wrong = [fault for fault in faults if not fault.is_kink]
        if wrong:
            fault = wrong[0]
            raise GradientCheckError(
                "\n".join([f"the derivative rule of {fault.node.op.name!r} is wrong", f"  {fault}", *seen]),
                where=str(fault.node.origin),
                mend=f"correct the vjp of {fault.node.op.name!r}",
            )
        if any(verdict == UNCERTAIN for _, verdict in suspicious) and not faults:
            dtype = probe.dtype
            raise GradientCheckError(
                "\n".join(
                    [
                        f"{self.subject.name}: {dtype} cannot tell: rounding in f (of size "
                        f"{np.abs(probe.base).max():.2g}) blurs its differences by more than the derivative",
                        *seen,
                    ]
                ),
                mend="check in float64" if dtype.itemsize < 8 else "subtract what is constant, or give step=",
            )
        if faults or all(verdict == KINK for _, verdict in suspicious):
            self.kinks += faults
            return
        raise GradientCheckError(
            "\n".join(
                [
                    f"{self.subject.name}: the whole derivative disagrees, though each op's own rule agrees",
                    *seen,
                ]
            ),
            mend="the function may not be smooth near this point: try another, or step=",
        )


def _note(comparison: Comparison, place: int, scale: float) -> str:
    if not comparison.numerical.kink[place]:
        return ""
    left = comparison.numerical.left[place] / scale
    right = comparison.numerical.right[place] / scale
    return f"not differentiable here: slope {left:.6g} on the left, {right:.6g} on the right"
