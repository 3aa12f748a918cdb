"""Every error the library raises on purpose: what went wrong, where, and how to mend it.

Each class also derives from the built-in exception that a caller would expect (``ValueError``,
``TypeError``, …), so ``except ValueError`` keeps working, and carries the exit code that the
command line ends with.

>>> raise ShapeError("matmul: inner lengths differ", where="model.py:12", mend="transpose the second")
Traceback (most recent call last):
    ...
chainrule.errors.ShapeError: matmul: inner lengths differ
  where: model.py:12
  mend:  transpose the second
"""

from __future__ import annotations

from os import PathLike
from typing import Any, ClassVar, Self


class ChainruleError(Exception):
    """The base of all errors raised on purpose.

    ``what`` says what is wrong, ``where`` names the user's line or the file, ``mend`` says what to do.
    """

    exit_code: ClassVar[int] = 1
    about: Any = None
    """What there is to draw or to compute with, where there is more than words: nodes, a finding."""

    def __init__(self, what: str, *, where: str | None = None, mend: str | None = None) -> None:
        self.what, self.where, self.mend = what, where, mend
        lines = [what]
        if where:
            lines.append(f"  where: {where}")
        if mend:
            lines.append(f"  mend:  {mend}")
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[Any, ...]:
        """To another process go the words; nodes belong to their own."""
        words = {name: value for name, value in vars(self).items() if name != "about"}
        return self._restored, (self.args, words)

    @classmethod
    def _restored(cls, args: tuple[Any, ...], words: dict[str, Any]) -> Self:
        error = cls.__new__(cls, *args)
        vars(error).update(words)
        return error


Clash = tuple[tuple[int, int], ...]
"""Axes that disagree: pairs of an operand's number and an axis, counted from the last (-1)."""


class ShapeError(ChainruleError, ValueError):
    """Shapes that do not fit the operation; ``clash`` says which axes disagree."""

    def __init__(
        self, what: str, *, where: str | None = None, mend: str | None = None, clash: Clash = ()
    ) -> None:
        super().__init__(what, where=where, mend=mend)
        self.clash = clash


class DTypeError(ChainruleError, TypeError):
    """An element type that the operation, or the library, does not take."""


class ArgumentError(ChainruleError, ValueError):
    """An argument outside the values that a function accepts."""


class IndexRangeError(ChainruleError, IndexError):
    """An index outside its axis: an error here, never clamped."""


class UnboundError(ChainruleError, ValueError):
    """A placeholder was reached in an evaluation that gives it no value."""


class DerivativeError(ChainruleError, ValueError):
    """A derivative that does not exist, was not defined, or was defined wrongly."""


class GradientCheckError(ChainruleError, AssertionError):
    """An analytic derivative and the numerical one disagree."""


class NonFiniteError(ChainruleError, ArithmeticError):
    """A NaN or an infinity where training cannot go on."""


class TrainingWarning(UserWarning):
    """Training goes on, and something about it is hardly meant (see ``chainrule.train.invariants``)."""


class LoopError(ChainruleError, ValueError):
    """A loop program that breaks a rule of legality, or a part of one that cannot be built."""


class EngineError(ChainruleError, RuntimeError):
    """An engine that disagrees with the stepper, or cannot run at all: a mistake of the library."""


class OutOfMemoryError(ChainruleError, MemoryError):
    """More memory than the machine has."""


class ConfigurationError(ChainruleError, ValueError):
    """A configuration key or value that is unknown or does not fit (exit code 2)."""

    exit_code = 2


class DataError(ChainruleError, ValueError):
    """Data that is missing or malformed; names the file and the line (exit code 3)."""

    exit_code = 3

    def __init__(
        self,
        what: str,
        *,
        path: str | PathLike[str] | None = None,
        line: int | None = None,
        offset: int | None = None,
        mend: str | None = None,
    ) -> None:
        self.path, self.line, self.offset = path, line, offset
        where = None if path is None else str(path)
        if where is not None and line is not None:
            where += f", line {line}"
        if where is not None and offset is not None:
            where += f", byte {offset}"
        super().__init__(what, where=where, mend=mend)


class RunFolderError(ChainruleError, ValueError):
    """A run folder that is absent, incomplete or damaged (exit code 3)."""

    exit_code = 3


class TuningError(ChainruleError, RuntimeError):
    """A study of configurations that cannot be kept, reached or gone on with."""


class MissingExtraError(ChainruleError, ImportError):
    """An optional package is needed and not installed (exit code 1: what is wrong is not the usage)."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed",
            mend=f"pip install 'chainrule[{extra}]'",
        )
