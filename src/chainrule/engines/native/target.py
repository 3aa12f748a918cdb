"""The machine that code is made for: its name, its vectors, what its instructions can do.

The engine asks for :func:`host`.  Tests ask for lesser machines by name, and run them too: any x86
machine with AVX-512 is also one with AVX2 and one with SSE2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from llvmlite import binding

from ...dtypes import DType


@dataclass(frozen=True, slots=True)
class Target:
    """``masked``: a vector's load or store may leave lanes out, at no cost; so a tail is one instruction.

    ``level`` is how hard the code generator tries; text that says its vectors gains nothing beyond 1.
    """

    triple: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int
    has_fma: bool
    masked: bool
    level: int = 1

    @property
    def key(self) -> str:
        """Everything that decides what the code generator makes of one text."""
        return f"{self.triple} {self.cpu} {self.features} {self.vector_bytes} {self.level}"

    def lanes(self, dtype: DType) -> int:
        """How many elements of ``dtype`` one vector holds."""
        return max(1, self.vector_bytes // dtype.itemsize)


@cache
def initialize() -> None:
    """Prepare LLVM for this machine; nothing happens the second time."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()


@cache
def host() -> Target:
    """This machine, with all its instructions."""
    initialize()
    found = binding.get_host_cpu_features()
    features = found.flatten()
    triple, cpu = process_triple(), binding.get_host_cpu_name()
    if triple.startswith(("x86_64", "i686", "amd64")):
        has = {name for name, present in found.items() if present}
        if {"avx512f", "avx512vl", "avx512bw", "avx512dq"} <= has:
            return Target(triple, cpu, features, 64, 32, True, True)
        if {"avx", "avx2"} <= has:
            return Target(triple, cpu, features, 32, 16, "fma" in has, False)
        return Target(triple, cpu, features, 16, 16, "fma" in has, False)
    return Target(triple, cpu, features, 16, 32, True, False)  # 64-bit ARM: NEON has fused products


def process_triple() -> str:
    """This process's machine and system; on Windows with objects that code may be loaded from anywhere."""
    triple = binding.get_process_triple()
    return f"{triple}-elf" if "windows" in triple and not triple.endswith("elf") else triple


def sse2(triple: str | None = None) -> Target:
    """Any 64-bit x86 machine: 16-byte vectors, no fused products."""
    return Target(triple or process_triple(), "x86-64", "", 16, 16, False, False)


def avx2(triple: str | None = None) -> Target:
    """An x86 machine with AVX2 and FMA: 32-byte vectors."""
    return Target(triple or process_triple(), "haswell", "", 32, 16, True, False)


def avx512(triple: str | None = None) -> Target:
    """An x86 machine with AVX-512 as servers have it: 64-byte vectors with masks."""
    cpu = "skylake-avx512"
    return Target(triple or process_triple(), cpu, "-prefer-256-bit", 64, 32, True, True)
