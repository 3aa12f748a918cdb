"""How fast is generated code, how near to what the core can do, and what does it cost to make?

Each loop nest is one kernel on one thread; times are the least of many runs.  The peak is what a chain of
independent fused products in registers reaches on the same core.  "made" is emission and code generation,
"loaded" the same function from its file.

    python benchmarks/emitted_kernels.py
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from machine import machine

from chainrule import loops
from chainrule.dtypes import float32
from chainrule.engines.native import emit, jit
from chainrule.engines.native.objects import ObjectCache
from chainrule.engines.native.runtime import Machine, Record
from chainrule.engines.native.target import host
from chainrule.graph import aligned_empty
from chainrule.loops import Axis, Buffer, Kernel, Loop, Scalar, index

SECONDS = 0.3
CHAINS = 12
NEWLINE = "\n  "


@dataclass
class Case:
    """A kernel, and how many floating-point operations or elements it is worth."""

    kernel: Kernel
    work: float
    unit: str = "GFLOP/s"


def place(shape: Sequence[int], *axes: Axis) -> Scalar:
    return index.ravel([index.of(axis) for axis in axes], shape)


def product(m: int, n: int, k: int, across: str = "", then: Callable[[Scalar], Scalar] = lambda x: x) -> Case:
    """y = then(x·w); ``across`` names what is stored transposed."""
    i, j, r = Axis("m", m), Axis("n", n), Axis("k", k)
    x, w, y = Buffer("x", m * k, float32), Buffer("w", k * n, float32), Buffer("y", m * n, float32)
    a = loops.load(x, place((k, m), r, i) if "x" in across else place((m, k), i, r))
    b = loops.load(w, place((n, k), j, r) if "w" in across else place((k, n), r, j))
    total, s = loops.reduce("sum", loops.mul(a, b), r)
    body = Loop(j, (total, loops.store(y, place((m, n), i, j), then(s))))
    return Case(loops.kernel("product", i, [body]), 2.0 * m * n * k)


def adam(m: int, n: int, k: int) -> Case:
    """Adam in the end of dw = xᵀ·d."""
    i, j, r = Axis("m", m), Axis("n", n), Axis("k", k)
    x, d = Buffer("x", k * m, float32), Buffer("d", k * n, float32)
    w, mean, squares = (Buffer(name, m * n, float32) for name in ("w", "mean", "squares"))
    at = place((m, n), i, j)
    total, s = loops.reduce(
        "sum", loops.mul(loops.load(x, place((k, m), r, i)), loops.load(d, place((k, n), r, j))), r
    )
    first, a = loops.let(loops.add(loops.mul(loops.load(mean, at), 0.9), loops.mul(s, 0.1)))
    second, b = loops.let(
        loops.add(loops.mul(loops.load(squares, at), 0.999), loops.mul(loops.mul(s, s), 0.001))
    )
    step = loops.div(loops.mul(a, 1e-3), loops.add(loops.sqrt(b), 1e-8))
    new = loops.sub(loops.load(w, at), step)
    body = [
        total,
        first,
        second,
        loops.store(mean, at, a),
        loops.store(squares, at, b),
        loops.store(w, at, new),
    ]
    return Case(loops.kernel("adam", i, [Loop(j, tuple(body))]), 2.0 * m * n * k)  # fmt: skip


def elementwise(m: int, n: int, function: Callable[[Scalar], Scalar]) -> Case:
    i, j = Axis("m", m), Axis("n", n)
    x, y = Buffer("x", m * n, float32), Buffer("y", m * n, float32)
    at = place((m, n), i, j)
    body = Loop(j, (loops.store(y, at, function(loops.load(x, at))),))
    return Case(loops.kernel("elementwise", i, [body]), m * n, "Gelement/s")


def softmax(m: int, n: int) -> Case:
    i, j, k, q = Axis("m", m), Axis("j", n), Axis("k", n), Axis("q", n)
    x, y = Buffer("x", m * n, float32), Buffer("y", m * n, float32)
    top, most = loops.reduce("max", loops.load(x, place((m, n), i, j)), j)
    down, total = loops.reduce("sum", loops.exp(loops.sub(loops.load(x, place((m, n), i, k)), most)), k)
    share = loops.div(loops.exp(loops.sub(loops.load(x, place((m, n), i, q)), most)), total)
    body = [top, down, Loop(q, (loops.store(y, place((m, n), i, q), share),))]
    return Case(loops.kernel("softmax", i, body), m * n, "Gelement/s")


CASES = {
    "32×784×16": product(32, 16, 784),
    "32×784×16, sigmoid": product(32, 16, 784, then=loops.sigmoid),
    "64×784×128": product(64, 128, 784),
    "64×320×128, relu": product(64, 128, 320, then=lambda x: loops.max_(x, 0.0)),
    "128×250×100, tanh": product(128, 100, 250, then=loops.tanh),
    "64×128×17": product(64, 17, 128),
    "64×17×128, w across": product(64, 128, 17, "w"),
    "784×64×128, x across, Adam": adam(784, 128, 64),
    "1×784×128": product(1, 128, 784),
    "softmax of 256×1000": softmax(256, 1000),
    "tanh of 256×1000": elementwise(256, 1000, loops.tanh),
    "exp of 256×1000": elementwise(256, 1000, loops.exp),
}


def timed(address: int, slots: Sequence[int], extent: int, addresses: Sequence[int]) -> float:
    """Seconds of one run: the least over a while."""
    runner = Machine([Record(address, tuple(slots), extent)], addresses, 1)
    runner.run(3)
    best, count, end = float("inf"), 1, time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        begun = time.perf_counter()
        runner.run(count)
        took = time.perf_counter() - begun
        best = min(best, took / count)
        if took < 5e-4:
            count *= 2
    return best


def peak() -> float:
    """GFLOP/s of fused products that wait for nothing but each other's chain."""
    lanes = host().lanes(float32)
    vector = f"<{lanes} x float>"
    phis = [f"%c{i} = phi {vector} [splat (float 1.0), %0], [%d{i}, %next]" for i in range(CHAINS)]
    one = "splat (float 0x3FEFFFFFE0000000)"
    call = f"call {vector} @llvm.fma.v{lanes}f32({vector}"
    steps = [f"%d{i} = {call} %c{i}, {vector} {one}, {vector} {one})" for i in range(CHAINS)]
    stores = [f"store {vector} %d{i}, ptr %out" for i in range(CHAINS)]
    body = "\n  ".join([*phis, *steps])
    text = f"""
define void @peak(ptr %args, i64 %lo, i64 %hi) {{
  %at = getelementptr ptr, ptr %args, i64 1
  %out = load ptr, ptr %at
  br label %next
next:
  %i = phi i64 [0, %0], [%more, %next]
  {body}
  %more = add i64 %i, 1
  %again = icmp slt i64 %more, 10000
  br i1 %again, label %next, label %end
end:
  {NEWLINE.join(stores)}
  ret void
}}
declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})
"""
    address = jit.compile_functions({"peak": text}, objects=ObjectCache(None))["peak"]
    out = aligned_empty(lanes, float32)
    seconds = timed(address, (0,), 1, [out.ctypes.data])
    return 2.0 * lanes * CHAINS * 10000 / seconds / 1e9


def main() -> None:
    print(machine())
    top = peak()
    print(f"peak of one core: {top:.0f} GFLOP/s\n")
    print(f"{'kernel':28} {'µs':>9} {'rate':>18} {'of peak':>8} {'made, ms':>9}")
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        objects, texts = ObjectCache(Path(folder)), {}
        for name, case in CASES.items():
            kernel, symbol = case.kernel, emit.function_name(case.kernel)
            begun = time.thread_time()
            texts[symbol] = emit.emit_kernel(kernel, host())
            address = jit.compile_functions({symbol: lambda symbol=symbol: texts[symbol]}, objects=objects)[
                symbol
            ]
            made = (time.thread_time() - begun) * 1e3
            arrays = [aligned_empty(buffer.size, float32) for buffer in emit.kernel_buffers(kernel)]
            for array in arrays:
                array[:] = np.abs(rng.standard_normal(array.size))
            extent = kernel.axis.extent if kernel.axis else 1
            seconds = timed(address, range(len(arrays)), extent, [a.ctypes.data for a in arrays])
            rate = case.work / seconds / 1e9
            share = f"{rate / top:8.0%}" if case.unit == "GFLOP/s" else " " * 8
            print(f"{name:28} {seconds * 1e6:9.2f} {rate:7.1f} {case.unit:>10} {share} {made:9.1f}")
        begun = time.perf_counter()
        found = [objects.load(path.name) for path in Path(folder).iterdir()]
        print(f"\n{len(found)} objects, {sum(map(len, filter(None, found))) / 1024:.0f} KiB: "
              f"read back and checked in {(time.perf_counter() - begun) * 1e3:.1f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
