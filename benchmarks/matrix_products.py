"""How fast are the engine's matrix products, beside NumPy's and beside what the CPU can do?

For each shape of the workloads, and some squares: the rate of ``numpy.matmul``, of the engine's code for
products, and of the nest that the engine would make of the same loops without it; all of them in turns,
in one run, the best of several rounds (of processor time where there is one thread, so that a busy
machine does not matter).  The peak is measured too: products and sums of vectors that never leave the
registers.  The results are compared before the rates are printed.

    python benchmarks/matrix_products.py [--threads N] [--dtype float64] [--rounds 15]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1, help="of the engine, and of NumPy's library")
parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
parser.add_argument("--rounds", type=int, default=15)
OPTIONS = parser.parse_args()
for library in ("OMP", "OPENBLAS", "MKL", "VECLIB"):
    os.environ[f"{library}_NUM_THREADS"] = str(OPTIONS.threads)  # read when NumPy is loaded

import numpy as np  # noqa: E402  # after the threads are set
from machine import machine  # noqa: E402  # after the threads are set

from chainrule import loops  # noqa: E402  # after the threads are set
from chainrule.dtypes import DType, float32, float64  # noqa: E402  # after the threads are set
from chainrule.engines.native import emit, jit, products  # noqa: E402  # after the threads are set
from chainrule.engines.native.runtime import Machine, Record  # noqa: E402  # after the threads are set
from chainrule.engines.native.target import host  # noqa: E402  # after the threads are set
from chainrule.loops import Axis, Buffer, Kernel, Loop, index  # noqa: E402  # after the threads are set

DTYPE: DType = float32 if OPTIONS.dtype == "float32" else float64


@dataclass(frozen=True)
class Case:
    """A product of m×k by k×n; ``turned`` says which of the two lie transposed in memory."""

    name: str
    m: int
    k: int
    n: int
    turned: str = ""

    @property
    def operations(self) -> int:
        return 2 * self.m * self.k * self.n


CASES = [
    Case("mlp16 x·W", 32, 784, 16),
    Case("mlp16 xᵀ·d", 784, 32, 16, "a"),
    Case("mlp128 x·W", 64, 784, 128),
    Case("mlp128 xᵀ·d", 784, 64, 128, "a"),
    Case("mlp128 d·Wᵀ", 64, 64, 128, "b"),
    Case("ner x·W", 64, 250, 100),
    Case("pos x·W", 64, 320, 128),
    Case("pos d·Wᵀ", 64, 128, 320, "b"),
    Case("nlm h·W", 256, 256, 10_000),
    Case("nlm hᵀ·d", 256, 256, 10_000, "a"),
    Case("nlm d·Wᵀ", 256, 10_000, 256, "b"),
    Case("cnn sentence", 54, 900, 100),
    Case("square", 256, 256, 256),
    Case("square", 512, 512, 512),
    Case("square", 1024, 1024, 1024),
    Case("square", 2048, 2048, 2048),
]


def kernel(case: Case) -> Kernel:
    """The loops of a product."""
    m, n, k = Axis("m", case.m), Axis("n", case.n), Axis("k", case.k)
    i, j, p = map(index.of, (m, n, k))
    a = Buffer("a", case.m * case.k, DTYPE, "input")
    b = Buffer("b", case.k * case.n, DTYPE, "input")
    c = Buffer("c", case.m * case.n, DTYPE, "output")
    a_at = (
        index.ravel([p, i], (case.k, case.m)) if case.turned == "a" else index.ravel([i, p], (case.m, case.k))
    )
    b_at = (
        index.ravel([j, p], (case.n, case.k)) if case.turned == "b" else index.ravel([p, j], (case.k, case.n))
    )
    statement, total = loops.reduce("sum", loops.mul(loops.load(a, a_at), loops.load(b, b_at)), k)
    stored = loops.store(c, index.ravel([i, j], (case.m, case.n)), total)
    return loops.kernel("product", m, [Loop(n, (statement, stored))])


def compiled(case: Case, arrays: Sequence[np.ndarray], *, product: bool) -> Callable[[int], object]:
    """The product's own code, or the nest's, ready to run so many times."""
    loop_nest, target = kernel(case), host()
    found = products.recognise(loop_nest, target, worth=0) if product else None
    if found is not None:
        name, extent, text = found.name, found.tiles, found.text()
    else:
        name, extent, text = emit.function_name(loop_nest), case.m, emit.emit_kernel(loop_nest, target)
    address = jit.compile_functions({name: text})[name]
    record = Record(address, (0, 1, 2), extent)
    return Machine([record], [x.__array_interface__["data"][0] for x in arrays], OPTIONS.threads).run


def peak() -> float:
    """Operations a second of fused products of vectors in registers, all threads together."""
    target = host()
    lanes, element = target.lanes(DTYPE), "float" if DTYPE is float32 else "double"
    vector, count, turns = f"<{lanes} x {element}>", 12, 1 << 18
    fma = f"@llvm.fma.v{lanes}f{8 * DTYPE.itemsize}"
    half = f"splat ({element} 0.5)"
    lines = ["define void @peak(ptr %args, i64 %lo, i64 %hi) {", "entry:", "br label %turn", "turn:"]
    lines.append("%i = phi i64 [0, %entry], [%j, %turn]")
    lines += [f"%x{n} = phi {vector} [splat ({element} {n}.0), %entry], [%y{n}, %turn]" for n in range(count)]
    for n in range(count):
        lines.append(f"%y{n} = call {vector} {fma}({vector} %x{n}, {vector} {half}, {vector} {half})")
    lines += [
        "%j = add i64 %i, 1",
        f"%again = icmp slt i64 %j, {turns}",
        "br i1 %again, label %turn, label %done",
    ]
    lines += ["done:", "%out = getelementptr ptr, ptr %args, i64 1", "%to = load ptr, ptr %out"]
    lines += [f"store volatile {vector} %y{n}, ptr %to, align 4" for n in range(count)]
    lines += ["ret void", "}", f"declare {vector} {fma}({vector}, {vector}, {vector})", ""]
    address = jit.compile_functions({"peak": "\n".join(lines)})["peak"]
    room = np.empty(64, np.uint8)
    record = Record(address, (0,), OPTIONS.threads)
    run = Machine([record], [room.__array_interface__["data"][0]], OPTIONS.threads).run
    best = min([seconds(run, 1) for _ in range(20)])
    return 2.0 * lanes * count * turns * OPTIONS.threads / best


def seconds(run: Callable[[int], object], times: int) -> float:
    clock = time.thread_time if OPTIONS.threads == 1 else time.perf_counter
    began = clock()
    run(times)
    return (clock() - began) / times


def measured(case: Case) -> list[float]:
    """The rates of NumPy, of the product's code and of the nest, in operations a second."""
    rng = np.random.default_rng(0)
    a, b = [rng.standard_normal(shape).astype(DTYPE) for shape in ((case.m, case.k), (case.k, case.n))]
    held = [np.ascontiguousarray(x.T if case.turned == name else x) for name, x in (("a", a), ("b", b))]
    left, right = [x.T if case.turned == name else x for name, x in zip("ab", held, strict=True)]
    outputs = [np.empty((case.m, case.n), DTYPE) for _ in range(3)]

    def by_numpy(times: int) -> None:
        for _ in range(times):
            np.matmul(left, right, out=outputs[0])

    own = [
        compiled(case, [*held, out], product=which)
        for which, out in ((True, outputs[1]), (False, outputs[2]))
    ]
    runs: list[Callable[[int], object]] = [by_numpy, *own]
    times = max(1, int(3e7 / case.operations))
    found: list[list[float]] = [[] for _ in runs]
    for _ in range(OPTIONS.rounds):
        for run, list_ in zip(runs, found, strict=True):
            list_.append(seconds(run, times))
    exact = a.astype(np.float64) @ b.astype(np.float64)
    bound = np.sqrt(case.k) * 8 * np.finfo(DTYPE).eps * np.sqrt(case.k)
    for out in outputs:
        if not np.allclose(out, exact, rtol=0, atol=bound):
            raise SystemExit(f"{case.name}: results differ")
    return [case.operations / min(list_) for list_ in found]


def main() -> None:
    print(machine())
    top = peak()
    print(f"{OPTIONS.threads} thread(s), {OPTIONS.dtype}; peak {top / 1e9:.0f} GFLOP/s; rates in GFLOP/s")
    print(f"{'product':<14}{'m × k × n':>20}{'NumPy':>9}{'engine':>9}{'nest':>9}{'ratio':>8}{'of peak':>9}")
    for case in CASES:
        numpy_, product, nest = measured(case)
        shape = f"{case.m} × {case.k} × {case.n}"
        rates = "".join([f"{rate / 1e9:>9.1f}" for rate in (numpy_, product, nest)])
        print(f"{case.name:<14}{shape:>20}{rates}{product / numpy_:>8.2f}{product / top:>9.0%}")


if __name__ == "__main__":
    main()
