"""What does a record cost, and a barrier, with cores to spare and in a crowd?

Every figure is a median of interleaved rounds.  A round runs a program of ten equal records with a
barrier after each, on one thread and on two, while some other processes keep cores busy.

    python benchmarks/barriers.py
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from chainrule.engines.native.jit import compile_functions
from chainrule.engines.native.runtime import Machine, Record

RECORDS, ROUNDS, SECONDS = 10, 7, 0.1

#: some 250 ns for each place
WORK = """
define void @work(ptr %args, i64 %lo, i64 %hi) {
  %places = sub i64 %hi, %lo
  %end = mul i64 %places, 1000
  br label %next
next:
  %i = phi i64 [0, %0], [%more, %next]
  call void asm sideeffect "", "~{memory}"()
  %more = add i64 %i, 1
  %again = icmp slt i64 %more, %end
  br i1 %again, label %next, label %stop
stop:
  ret void
}
"""
NOTHING = "define void @nothing(ptr %args, i64 %lo, i64 %hi) { ret void }"


def machine(name: str, text: str, places: int, threads: int) -> Machine:
    address = compile_functions({name: text})[name]
    return Machine([Record(address, (), places, 1)] * RECORDS, [], threads)


def microseconds(machine: Machine) -> float:
    """For one record and its barrier, over a stretch of about ``SECONDS``."""
    steps, begun = 0, time.perf_counter()
    while (took := time.perf_counter() - begun) < SECONDS:
        steps += machine.run(max(1, steps // 4))
    return took / steps / RECORDS * 1e6


@contextmanager
def crowd(size: int) -> Iterator[None]:
    """So many other processes that never rest."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(size)]
    try:
        time.sleep(0.2)
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def single_runs(machine: Machine, pause: float) -> float:
    """Microseconds of one call of one step, with the worker still awake (no pause) or asleep."""
    times = []
    for _ in range(200):
        time.sleep(pause)
        begun = time.perf_counter()
        machine.run()
        times.append(time.perf_counter() - begun)
    return median(times) * 1e6


def main() -> None:
    print("µs for a record and its barrier; others = processes that never rest")
    print(f"{'work':>12} {'others':>7} {'1 thread':>9} {'2 threads':>9} {'ratio':>6}")
    cases = [("nothing", NOTHING, 2), *[("work", WORK, places) for places in (8, 80, 800, 8000)]]
    for name, text, places in cases:
        machines = [machine(name, text, places, threads) for threads in (1, 2)]
        for others in (0, 1, 2):
            with crowd(others):
                rounds = [[microseconds(m) for m in machines] for _ in range(ROUNDS)]
            one, two = (median(times) for times in zip(*rounds, strict=True))
            label = "none" if name == "nothing" else f"{places} places"
            print(f"{label:>12} {others:7d} {one:9.3f} {two:9.3f} {one / two:6.2f}", flush=True)
    for threads in (1, 2):
        empty = machine("nothing", NOTHING, 2, threads)
        awake, asleep = single_runs(empty, 0.0), single_runs(empty, 0.003)
        print(
            f"one run of one step, {threads} threads: {awake:.1f} µs in a row, {asleep:.1f} µs after a pause"
        )


if __name__ == "__main__":
    main()
