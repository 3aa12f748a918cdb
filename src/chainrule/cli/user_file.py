"""A user's Python file, run by path: its faults are told by their line in it, without our own frames."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from types import ModuleType, TracebackType

from ..data.files import possible_path
from ..errors import ChainruleError, DataError


class UserFileError(ChainruleError, RuntimeError):
    """The user's file raised an exception."""


def run_file(path: str) -> ModuleType:
    """The module that running the file gives.

    Its folder can be imported from meanwhile, as with ``python FILE``.  Raises ``DataError`` for a file
    that cannot be read or is no Python, ``UserFileError`` for what running it raised.
    """
    source = possible_path(path)
    try:
        content = source.read_bytes()
    except OSError as error:
        raise DataError(
            f"the file cannot be read: {error.strerror or error}", path=path, mend="name a Python file"
        ) from None
    try:
        code = compile(content, str(source), "exec")
    except SyntaxError as error:
        raise DataError(_syntax_text(error), path=path, line=error.lineno) from None
    except ValueError as error:  # a zero byte
        raise DataError(f"this is no Python: {error}", path=path) from None
    module = ModuleType(f"checked_{source.stem}")
    module.__file__ = str(source)
    folder = str(source.resolve().parent)
    sys.modules[module.__name__] = module
    sys.path.insert(0, folder)
    try:
        exec(code, vars(module))
    except (Exception, SystemExit) as error:
        raise UserFileError(describe(error, path)) from None
    finally:
        sys.path.remove(folder)
        del sys.modules[module.__name__]
    return module


def describe(error: BaseException, path: str) -> str:
    """What went wrong, and the line of the user's file that it came through last."""
    if isinstance(error, ChainruleError):
        what, where, mend = error.what, error.where, error.mend
    else:
        what, where, mend = f"{type(error).__name__}: {error}".rstrip(": "), None, None
    if where is None or Path(path).name not in where:  # a line of ours would say nothing to the user
        place = last_line_in(error.__traceback__, path)
        where = None if place is None else f"{path}, line {place[0]}: {place[1]}"
    return str(ChainruleError(what, where=where, mend=mend))


def last_line_in(trace: TracebackType | None, path: str) -> tuple[int, str] | None:
    """Number and text of the innermost line of ``path`` in a traceback."""
    found = [frame for frame in traceback.extract_tb(trace) if frame.filename == str(Path(path))]
    if not found or found[-1].lineno is None:
        return None
    return found[-1].lineno, found[-1].line or ""


def _syntax_text(error: SyntaxError) -> str:
    if error.text is None or error.offset is None:
        return f"syntax error: {error.msg}"
    line = error.text.rstrip("\n")
    indent = len(line) - len(line.lstrip())
    return f"syntax error: {error.msg}\n  {line.lstrip()}\n  {' ' * max(error.offset - 1 - indent, 0)}^"
