"""LLVM text to addresses: through the objects in memory, the objects on disk, or the code generator.

A text is known by its name where the name says its content (:func:`compile_functions` then never needs
the text of what it has), together with the machine, the versions, and this package's own source.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from queue import SimpleQueue
from threading import RLock, Thread
from typing import Any

import llvmlite
from llvmlite import binding

from .emit_operations import LIBRARY, PREFIX
from .objects import ObjectCache, default_folder
from .target import Target, host, initialize

Text = str | Callable[[], str]

_lock = RLock()
_addresses: dict[str, dict[str, int]] = {}
"""By the key of each text that is in memory: where its functions are."""
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
    everything about it, as :func:`~chainrule.engines.native.emit.function_name` does.  The name of a text
    of several functions lists them, with spaces between.  ``objects`` is the folder to look in; by
    default the user's.

    >>> text = "define i32 @seven() {\\n ret i32 7\\n}"
    >>> found = compile_functions({"seven": text}, objects=ObjectCache(None))
    >>> ctypes.CFUNCTYPE(ctypes.c_int32)(found["seven"])()
    7
    """
    target = target or host()
    objects = objects or ObjectCache(default_folder())
    with _lock:
        keys = {name: _key(name, text, target) for name, text in texts.items()}
        new = {key: name for name, key in keys.items() if key not in _addresses}
        bodies, absent = dict[str, bytes](), dict[str, Text]()
        for key, name in new.items():
            body = objects.load(key)
            if body is None:
                absent[key] = texts[name]
            else:
                bodies[key] = body
        for key, body in _compiled(absent, target).items():
            objects.save(key, body)
            bodies[key] = body
        if bodies:
            _link({key: new[key] for key in bodies}, bodies, target)
        return {function: at for key in keys.values() for function, at in _addresses[key].items()}


def _key(name: str, text: Text, target: Target) -> str:
    content = name if callable(text) else f"{name} {text}"
    return blake2b(f"{_version()} {target.key} {content}".encode(), digest_size=20).hexdigest()


_TURN_SECONDS = 1e-4


def _compiled(texts: Mapping[str, Text], target: Target) -> dict[str, bytes]:
    """The objects of texts, of which each is written while the code generator works on those before it.

    The generator has a thread of its own, which needs the interpreter only for moments: it is given its
    turn at once, or it would wait as long for it as it then works.
    """
    if len(texts) < 2:
        return {key: compile_text(_written(text), target) for key, text in texts.items()}
    found: dict[str, bytes] = {}
    failed: list[BaseException] = []
    waiting: SimpleQueue[tuple[str, str] | None] = SimpleQueue()

    def generate() -> None:
        while (item := waiting.get()) is not None:
            try:
                found[item[0]] = compile_text(item[1], target)
            except BaseException as error:  # raised where it was asked for
                failed.append(error)
                return

    generator = Thread(target=generate, name="chainrule code generator", daemon=True)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(min(interval, _TURN_SECONDS))
    generator.start()
    try:
        for key, text in texts.items():
            waiting.put((key, _written(text)))
    finally:
        waiting.put(None)
        generator.join()
        sys.setswitchinterval(interval)
    if failed:
        raise failed[0]
    return found


def _written(text: Text) -> str:
    return text() if callable(text) else text


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


def _link(names: Mapping[str, str], bodies: Mapping[str, bytes], target: Target) -> None:
    """Load objects, all in one go, and note where their functions are."""
    linker = _linkers.get(target.key)
    if linker is None:
        linker = _linkers[target.key] = binding.create_lljit_compiler(_machine(target))
    builder = binding.JITLibraryBuilder()
    mentioned = set[str]()
    for key, body in bodies.items():
        builder.add_object_img(body)
        mentioned.update([symbol.decode() for symbol in _MENTIONED.findall(body)])
        for function in names[key].split():
            builder.export_symbol(function)
    if not _IMPORTABLE.isdisjoint(mentioned):
        for symbol in mentioned & library().keys():
            builder.import_symbol(symbol, library()[symbol])
    tracker = builder.link(linker, f"{len(_trackers)} {next(iter(bodies))}")
    _trackers.append(tracker)
    for key in bodies:
        _addresses[key] = {function: int(tracker[function]) for function in names[key].split()}


# ── functions of the C library ────────────────────────────────────────────────────────────────────

_PROBE = "__chkstk"
"""What a function with a large frame calls first, on Windows."""
_IMPORTABLE = {PREFIX + name + width for name in LIBRARY for width in ("", "f")} | {_PROBE}
_MENTIONED = re.compile(rf"{PREFIX}\w+|{_PROBE}".encode())


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
    if sys.platform == "win32":
        probe = ctypes.cast(ctypes.CDLL("ntdll")[_PROBE], ctypes.c_void_p).value
        assert probe is not None
        found[_PROBE] = probe
    return found


def _mathematics() -> ctypes.CDLL:
    if sys.platform == "win32":
        return ctypes.CDLL("ucrtbase")
    with suppress(OSError):
        return ctypes.CDLL("libm.so.6")
    return ctypes.CDLL(None)  # elsewhere than in GNU's library it is a part of what every process has


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
