"""``chainrule check``: are the derivatives of a file's functions and ops right?"""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

import click
import numpy as np

from ..diagnose import GradientReport, check_gradients
from ..errors import DataError, GradientCheckError
from ..graph import Node, Op, apply
from ..tasks import Table
from .command import Command, json_option
from .output import emit_json, print_table
from .user_file import describe, run_file

_SHAPE = (2, 3)


@dataclass(frozen=True)
class Subject:
    """Something to check: a function of arrays, and where."""

    name: str
    function: Callable[..., Any]
    inputs: tuple[Any, ...]


@dataclass(frozen=True)
class Outcome:
    """What a check found."""

    name: str
    inputs: tuple[Any, ...]
    verdict: Literal["agrees", "DISAGREES", "failed"]
    compared: int = 0
    difference: float | None = None
    text: str = ""
    """The disagreement or the failure in full; where there is no derivative, a note."""


@click.command(
    cls=Command,
    short_help="Check the derivatives of the ops and functions in a Python file.",
    epilog="""\b
Examples:
  chainrule check my_ops.py
  chainrule check my_ops.py --order 2

What is checked: the entries of a list CHECKS, where the file has one,

\b
  CHECKS = [
      (my_loss, np.ones((4, 3)), np.zeros(4)),     a function or an op, and its inputs
      (MyOp, [0.5, -2.0]),
  ]

and otherwise every function whose parameters have defaults to check it at (arrays or lists, or floats),
and every op: classes derived from an op family with forward and vjp, which are tried at random numbers.

The file is run, as with python FILE. Derivatives are compared in float64 with differences; where they
disagree the op at fault is named, with its line, and the exit code is 1.
""",
)
@click.argument("file", metavar="FILE")
@click.option(
    "--order",
    type=click.IntRange(1, 2),
    default=1,
    show_default=True,
    help="2 checks second derivatives as well.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the random directions and inputs.")
@json_option
@click.pass_context
def check(context: click.Context, file: str, order: Literal[1, 2], seed: int, as_json: bool) -> None:
    """Compare the derivatives that FILE defines with numerical ones."""
    with contextlib.redirect_stdout(sys.stderr):  # what the file prints is no result
        subjects = find_subjects(run_file(file), file, seed)
        outcomes = [run_check(subject, file, order, seed) for subject in subjects]
    if as_json:
        emit_json(
            {
                "file": file,
                "agrees": all(o.verdict == "agrees" for o in outcomes),
                "checks": map_all(outcomes),
            }
        )
    else:
        _print(outcomes)
    if any(outcome.verdict != "agrees" for outcome in outcomes):
        context.exit(1)


def _print(outcomes: Sequence[Outcome]) -> None:
    rows = tuple(
        (
            outcome.name,
            ", ".join(map(_shape, outcome.inputs)),
            outcome.compared,
            "" if outcome.difference is None else f"{outcome.difference:.0e}",
            outcome.verdict,
        )
        for outcome in outcomes
    )
    print_table(Table("", ("checked", "at inputs", "compared", "largest difference", "verdict"), rows))
    for outcome in outcomes:
        if outcome.text:
            click.echo(f"\n{outcome.name}: {outcome.text}")


def map_all(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """The outcomes as plain values."""
    return [
        {
            "name": outcome.name,
            "inputs": [_shape(value) for value in outcome.inputs],
            "verdict": outcome.verdict.lower(),
            "compared": outcome.compared,
            "difference": outcome.difference,
            "text": outcome.text or None,
        }
        for outcome in outcomes
    ]


def run_check(subject: Subject, file: str, order: Literal[1, 2], seed: int) -> Outcome:
    """One subject held against differences."""
    try:
        report = check_gradients(subject.function, *subject.inputs, order=order, seed=seed)
    except GradientCheckError as error:
        return Outcome(subject.name, subject.inputs, "DISAGREES", text=describe(error, file))
    except (Exception, SystemExit) as error:  # whatever the user's code raises is told, not thrown
        return Outcome(subject.name, subject.inputs, "failed", text=describe(error, file))
    return _agreed(subject, report)


def _agreed(subject: Subject, report: GradientReport) -> Outcome:
    worst = report.worst
    kinks = "\n".join(f"not differentiable here: {kink}" for kink in report.kinks)
    return Outcome(
        subject.name,
        subject.inputs,
        "agrees",
        compared=len(report.entries),
        difference=None if worst is None else worst.difference,
        text=kinks,
    )


# -- what there is to check ------------------------------------------------------------------------------


def find_subjects(module: ModuleType, file: str, seed: int) -> list[Subject]:
    """The entries of ``CHECKS``, or else the file's own functions and ops."""
    if hasattr(module, "CHECKS"):
        found = list(_listed(module.CHECKS, file))
    else:
        rng = np.random.default_rng(seed)
        found = [*_functions(module), *_ops(module, rng)]
    if not found:
        raise DataError(
            "there is nothing to check in this file",
            path=file,
            mend="add CHECKS = [(function, inputs…)], or give parameters arrays as defaults",
        )
    return found


def _listed(checks: Any, file: str) -> Iterator[Subject]:
    if not isinstance(checks, list | tuple):
        raise DataError("CHECKS is no list", path=file, mend="write CHECKS = [(function, inputs…)]")
    for number, entry in enumerate(checks):
        if not isinstance(entry, list | tuple) or len(entry) < 2 or not callable(_function_of(entry[0])):
            raise DataError(
                f"CHECKS[{number}] is {entry!r:.60}",
                path=file,
                mend="write (function, inputs…) with at least one input",
            )
        subject, *inputs = entry
        yield Subject(_name(subject), _function_of(subject), tuple(inputs))


def _functions(module: ModuleType) -> Iterator[Subject]:
    """The file's own functions that have numbers as defaults."""
    for name, value in vars(module).items():
        if name.startswith("_") or not inspect.isfunction(value) or value.__module__ != module.__name__:
            continue
        parameters = list(inspect.signature(value).parameters.values())
        if any(p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
            continue
        arrays = [p for p in parameters if isinstance(p.default, np.ndarray | list | Node)]
        chosen = arrays or [p for p in parameters if isinstance(p.default, float)]
        if chosen:
            yield Subject(name, _by_name(value, chosen), tuple(p.default for p in chosen))


def _by_name(function: Callable[..., Any], parameters: Sequence[inspect.Parameter]) -> Callable[..., Any]:
    """``function`` of these parameters alone, the others at their defaults."""
    names = [parameter.name for parameter in parameters]

    def call(*values: Any) -> Any:
        return function(**dict(zip(names, values, strict=True)))

    call.__name__ = function.__name__
    positional = [p.replace(kind=p.POSITIONAL_OR_KEYWORD, default=p.empty) for p in parameters]
    call.__signature__ = inspect.Signature(positional)  # type: ignore[attr-defined]  # which inspect reads
    return call


def _ops(module: ModuleType, rng: np.random.Generator) -> Iterator[Subject]:
    """The file's own ops, each once, at random numbers."""
    seen: set[type[Op]] = set()
    for value in vars(module).values():
        op = _op_of(value)
        if op is None or type(op).__module__ != module.__name__ or type(op) in seen:
            continue
        seen.add(type(op))
        names = _operands(op)
        if names and type(op).forward is not Op.forward and type(op).vjp is not Op.vjp:
            yield Subject(op.name, _applied(op, names), _sample(op, len(names), rng))


def _sample(op: Op, count: int, rng: np.random.Generator) -> tuple[Any, ...]:
    """Numbers of both signs, or of 0.2 … 0.9 where the op is not defined everywhere."""
    values = tuple(rng.standard_normal((count, *_SHAPE)))
    with np.errstate(all="ignore"), contextlib.suppress(Exception):
        if np.isfinite(op.forward(np, *values)).all():
            return values
        return tuple(rng.uniform(0.2, 0.9, (count, *_SHAPE)))
    return values  # its forward fails: the check will say how


def _operands(op: Op) -> list[str]:
    """The names of the op's operands: what its forward takes after ``xp``."""
    parameters = list(inspect.signature(op.forward).parameters.values())[1:]
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in parameters if p.kind in kinds and p.default is p.empty]


def _op_of(value: Any) -> Op | None:
    if isinstance(value, type) and issubclass(value, Op):
        return value()
    if isinstance(value, Op):
        return value
    op = getattr(value, "op", None) if callable(value) and not isinstance(value, type) else None
    return op if isinstance(op, Op) else None


def _function_of(value: Any) -> Callable[..., Any]:
    if isinstance(value, Op) or (isinstance(value, type) and issubclass(value, Op)):
        op = _op_of(value)
        assert op is not None
        return _applied(op, _operands(op))
    function: Callable[..., Any] = value
    return function


def _applied(op: Op, names: Sequence[str]) -> Callable[..., Node]:
    """The op as a function of its operands."""

    def call(*inputs: Any) -> Node:
        return apply(op, *inputs)

    call.__name__ = op.name
    parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # which inspect reads
    return call


def _name(value: Any) -> str:
    op = _op_of(value)
    return op.name if op is not None else getattr(value, "__name__", type(value).__name__)


def _shape(value: Any) -> str:
    try:
        return str(np.shape(value.value if isinstance(value, Node) else value))
    except ValueError:  # nested sequences of unequal length
        return type(value).__name__
