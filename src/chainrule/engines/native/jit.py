"""LLVM text to addresses: through the objects in memory, the objects on disk, or the code generator.

A text is known by its name where the name says its content (:func:`compile_functions` then never needs
the text of what it has), together with the machine, the versions, and this package's own source.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import sys
from collections.abc import Callable, Mapping
from functools import cache
from hashlib import blake2b
from pathlib import Path
from threading import RLock
from typing import Any

import llvmlite
from llvmlite import binding

from .emit_operations import LIBRARY, PREFIX
from .objects import ObjectCache, default_folder
from .target import Target, host, initialize

Text = str | Callable[[], str]

_lock = RLock()
_addresses: dict[str, int] = {}
_linkers: dict[str, Any] = {}
_trackers: list[Any] = []
"""What keeps the code in memory: functions stay until the process ends, each one once."""


def _renew_lock() -> None:
    """In a forked child nobody else is there who could give the lock back."""
    global _lock
    _lock = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def compile_functions(
    texts: Mapping[str, Text], target: Target | None = None, objects: ObjectCache | None = None
) -> dict[str, int]:
    """The address of each named function.

    A text given as a function is asked for only when nobody has the code yet; then the name must say
    everything about it, as :func:`~chainrule.engines.native.emit.function_name` does.  ``objects`` is the
    folder to look in; by default the user's.

    >>> text = "define i32 @seven() {\\n ret i32 7\\n}"
    >>> found = compile_functions({"seven": text}, objects=ObjectCache(None))
    >>> ctypes.CFUNCTYPE(ctypes.c_int32)(found["seven"])()
    7
    """
    target = target or host()
    objects = objects or ObjectCache(default_folder())
    with _lock:
        return {name: _address(name, text, target, objects) for name, text in texts.items()}


def _address(name: str, text: Text, target: Target, objects: ObjectCache) -> int:
    content = name if callable(text) else f"{name} {text}"
    key = blake2b(f"{_version()} {target.key} {content}".encode(), digest_size=20).hexdigest()
    found = _addresses.get(key)
    if found is None:
        body = objects.load(key)
        if body is None:
            body = compile_text(text() if callable(text) else text, target)
            objects.save(key, body)
        found = _addresses[key] = _link(name, key, body, target)
    return found


def compile_text(text: str, target: Target) -> bytes:
    """The object that the code generator makes of a text."""
    machine = _machine(target)
    module = binding.parse_assembly(text)
    try:
        module.triple = machine.triple
        return bytes(machine.emit_object(module))
    finally:
        module.close()


@cache
def _machine(target: Target) -> Any:
    initialize()
    return binding.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=target.level, reloc="pic", codemodel="default"
    )


def _link(name: str, key: str, body: bytes, target: Target) -> int:
    linker = _linkers.get(target.key)
    if linker is None:
        linker = _linkers[target.key] = binding.create_lljit_compiler(_machine(target))
    builder = binding.JITLibraryBuilder().add_object_img(body).export_symbol(name)
    for symbol, address in library().items():
        if symbol.encode() in body:
            builder.import_symbol(symbol, address)
    tracker = builder.link(linker, key)
    _trackers.append(tracker)
    return int(tracker[name])


# ── functions of the C library ────────────────────────────────────────────────────────────────────


@cache
def library() -> dict[str, int]:
    """Addresses of the C library's functions, of both widths, under the names that emitted text uses."""
    shelf = _mathematics()
    found = {}
    for name in LIBRARY:
        for symbol in (name, name + "f"):
            function = getattr(shelf, symbol, None)
            if function is None:  # some systems define narrow functions in headers only
                function = _narrowed(getattr(shelf, name))
            address = ctypes.cast(function, ctypes.c_void_p).value
            assert address is not None
            found[PREFIX + symbol] = address
    if sys.platform == "win32":  # what a function with a large frame calls first
        probe = ctypes.cast(ctypes.CDLL("ntdll")["__chkstk"], ctypes.c_void_p).value
        assert probe is not None
        found["__chkstk"] = probe
    return found


def _mathematics() -> ctypes.CDLL:
    if sys.platform == "win32":
        return ctypes.CDLL("ucrtbase")
    return ctypes.CDLL(ctypes.util.find_library("m"))  # None: what the process itself has


_kept: list[Any] = []


def _narrowed(function: Any) -> Any:
    """A function of float made of one of double."""
    pairs = function.__name__ in ("pow", "atan2", "fmod")
    function.restype = ctypes.c_double
    function.argtypes = [ctypes.c_double] * (2 if pairs else 1)
    prototype = ctypes.CFUNCTYPE(ctypes.c_float, *[ctypes.c_float] * (2 if pairs else 1))
    made = prototype(function)
    _kept.append(made)
    return made


@cache
def _version() -> str:
    """The versions of everything that decides the code, our own source included."""
    own = blake2b(digest_size=16)
    folder = Path(__file__).parent
    for path in sorted(folder.glob("*.py")):
        if path.name.startswith(_WRITERS):
            own.update(path.read_bytes())
    return f"{own.hexdigest()} llvmlite {llvmlite.__version__} {binding.llvm_version_info}"


_WRITERS = ("emit", "product", "vector_mathematics", "driver", "jit", "target")
