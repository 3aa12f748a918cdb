"""Running kernels as machine code in a test: compile, call over shares of the axis, compare."""

from __future__ import annotations

import ctypes
from itertools import pairwise

import numpy as np

from chainrule.engines.native import emit, jit
from chainrule.engines.native.objects import ObjectCache
from chainrule.engines.native.target import Target, avx2, avx512, host, sse2
from chainrule.loops import Kernel, Memory, Program, prepare

PROTOTYPE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
NOWHERE = ObjectCache(None)


def runnable() -> dict[str, Target]:
    """The targets that this machine can run, itself first."""
    found = {"host": host()}
    if host().triple.startswith("x86_64"):
        found["sse2"] = sse2()
        if host().vector_bytes >= 32 and host().has_fma:
            found["avx2"] = avx2()
        if host().masked:
            found["avx512"] = avx512()
    return found


def run_kernel(kernel: Kernel, memory: Memory, target: Target, shares: int = 1) -> bool:
    """Run a kernel in so many shares of its axis; whether its checks held."""
    name = emit.function_name(kernel)
    address = jit.compile_functions({name: lambda: emit.emit_kernel(kernel, target)}, target, NOWHERE)[name]
    failed = np.zeros(1, np.int64)
    pointers = [failed.ctypes.data, *[memory[b].ctypes.data for b in emit.kernel_buffers(kernel)]]
    arguments = np.array(pointers, np.uint64)
    places = 1 if kernel.axis is None else kernel.axis.extent
    edges = [places * share // shares for share in range(shares + 1)]
    for lo, hi in pairwise(edges):
        PROTOTYPE(address)(arguments.ctypes.data, lo, hi)
    return not failed[0]


def run_program(program: Program, memory: Memory, target: Target, shares: int = 1) -> bool:
    """Run a program of kernels one after the other, as the interpreter would; whether all checks held."""
    prepare(program, memory)
    for step in program.steps:
        assert isinstance(step, Kernel)
        if not run_kernel(step, memory, target, 1 if step.axis is None else shares):
            for buffer, array in memory.items():
                if buffer.role == "kept":
                    array.fill(buffer.fill)
            return False
    return True
