"""Where a node was written: the user's file and line, the module path, and what it was derived from.

Capturing must be cheap, since it happens at every node: only the code object and the instruction
offset of the user's frame are kept; the line number is looked up when somebody asks.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import CodeType, FrameType
from typing import NamedTuple

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
#: Networks and tasks are programs that happen to ship with the library: their lines are worth naming.
_PROGRAMS = tuple(_PACKAGE + room + os.sep for room in ("models", "tasks"))


class Origin(NamedTuple):
    """The place that first wrote a node."""

    code: CodeType | None
    instruction: int
    module: str = ""
    """Dotted path of the module under construction, such as ``encoder.layers.0``."""
    derived: str = ""
    """For nodes written by a derivative or an expansion: what they derive from."""

    @property
    def filename(self) -> str:
        """The file of the line."""
        return self.code.co_filename if self.code is not None else "<unknown>"

    @property
    def line(self) -> int:
        """The line number, read from the code object's table of positions."""
        if self.code is None:
            return 0
        number = 0
        for start, end, line in self.code.co_lines():
            if start <= self.instruction < end and line is not None:
                number = line
        return number

    @property
    def place(self) -> str:
        """``file.py:12``, the path relative to the working directory where that is shorter."""
        name = self.filename
        if not name.startswith("<"):
            try:
                name = min(os.path.relpath(name), name, key=len)
            except ValueError:  # another drive on Windows
                name = self.filename
        return f"{name}:{self.line}"

    def __str__(self) -> str:
        text = self.place
        if self.module:
            text += f" in {self.module}"
        if self.derived:
            text += f" ({self.derived})"
        return text


UNKNOWN = Origin(None, 0)

# Side tables, keyed by a node's serial number; an entry goes when its node does.
ORIGINS: dict[int, Origin] = {}
NAMES: dict[int, str] = {}

_scope: ContextVar[tuple[str, Origin | None]] = ContextVar("chainrule_scope", default=("", None))
_is_internal: dict[str, bool] = {}
#: A loop's million nodes have one origin.  Keyed by the code object's id: the origin keeps it alive, and
#: its hash would run over all of its constants.
_shared: dict[tuple[int, int, str], Origin] = {}
_derived: dict[tuple[int, str], tuple[Origin, Origin]] = {}


def _internal(filename: str) -> bool:
    """Whether a file is the library's own, and not a program that ships with it."""
    known = filename.startswith(_PACKAGE) and not filename.startswith(_PROGRAMS)
    _is_internal[filename] = known
    return known


def capture() -> Origin:
    """The origin of a node that is being built now."""
    module, inherited = _scope.get()
    if inherited is not None:
        return inherited
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        internal = _is_internal.get(code.co_filename)
        if internal is None:
            internal = _internal(code.co_filename)
        if not internal:
            key = (id(code), frame.f_lasti, module)
            origin = _shared.get(key)
            if origin is None:
                origin = _shared[key] = Origin(code, frame.f_lasti, module)
            return origin
        frame = frame.f_back
    return UNKNOWN


def outermost_call(wanted: Callable[[str], bool]) -> str | None:
    """The name of the library's function, of those wanted, that was called first on the way here."""
    found = None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _internal(frame.f_code.co_filename):
        if wanted(frame.f_code.co_name):
            found = frame.f_code.co_name
        frame = frame.f_back
    return found


def current_module() -> str:
    """The dotted path of the module whose call is running, or the empty string."""
    return _scope.get()[0]


@contextmanager
def module_scope(name: str, *, within: str | None = None) -> Iterator[str]:
    """Nodes built inside belong to the module ``name``, below ``within``, or the module already open."""
    module, inherited = _scope.get()
    outer = module if within is None else within
    path = f"{outer}.{name}" if outer and name else outer or name
    token = _scope.set((path, inherited))
    try:
        yield path
    finally:
        _scope.reset(token)


class derived_from:
    """Nodes built inside are written where ``origin`` was, in the role ``what``.

    A class with two methods and not a generator: the backward sweep enters it once a node.
    """

    __slots__ = ("_origin", "_token")

    def __init__(self, origin: Origin, what: str) -> None:
        if origin.derived:
            self._origin = origin
            return
        key = (id(origin), what)
        known = _derived.get(key)
        if known is None:
            known = _derived[key] = (origin, origin._replace(derived=what))
        self._origin = known[1]

    def __enter__(self) -> None:
        self._token = _scope.set((self._origin.module, self._origin))

    def __exit__(self, *exception: object) -> None:
        _scope.reset(self._token)
