"""What the functions of a matrix product are written with: LLVM text, one function at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from .product_form import Form

Carried = tuple[str, str]
"""A type and a value that goes from turn to turn of a loop."""

Body = Callable[[str, list[str]], list[str]]
"""Writes a loop's body: from the number of the turn and the values carried to their next values."""


class Writer:
    """Lines of one function, with fresh names."""

    def __init__(self, form: Form, head: str) -> None:
        self.element = "float" if form.dtype.itemsize == 4 else "double"
        self.vector = f"<{form.grid.lanes} x {self.element}>"
        self.size, self.lanes, self.has_fma = form.dtype.itemsize, form.grid.lanes, form.target.has_fma
        self.lines = [f"define {head} {{"]
        self.count = 0
        self.block = ""
        self.at("entry")

    def name(self) -> str:
        self.count += 1
        return f"%v{self.count}"

    def label(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def do(self, text: str) -> None:
        self.lines.append("  " + text)

    def get(self, text: str) -> str:
        name = self.name()
        self.lines.append(f"  {name} = {text}")
        return name

    def at(self, label: str) -> None:
        self.lines.append(f"{label}:")
        self.block = label

    def end(self) -> str:
        self.do("ret void")
        self.lines.append("}")
        return "\n".join(self.lines)

    # ── numbers, some of them known ──

    def mul(self, x: str, by: int) -> str:
        if by == 0 or x == "0":
            return "0"
        return x if by == 1 else self.get(f"mul nsw i64 {x}, {by}")

    def add(self, *terms: str) -> str:
        total = "0"
        for term in terms:
            if total == "0":
                total = term
            elif term != "0":
                total = self.get(f"add nsw i64 {total}, {term}")
        return total

    def least(self, x: str, y: str | int) -> str:
        return self.get(f"call i64 @llvm.smin.i64(i64 {x}, i64 {y})")

    # ── memory ──

    def pointer(self, base: str, offset: str | int, element: str = "") -> str:
        if str(offset) == "0":
            return base
        return self.get(f"getelementptr {element or self.element}, ptr {base}, i64 {offset}")

    def load(self, base: str, offset: str | int, wide: bool = True) -> str:
        type_ = self.vector if wide else self.element
        return self.get(f"load {type_}, ptr {self.pointer(base, offset)}, align {self.size}")

    def store(self, value: str, base: str, offset: str | int, wide: bool = True) -> None:
        type_ = self.vector if wide else self.element
        self.do(f"store {type_} {value}, ptr {self.pointer(base, offset)}, align {self.size}")

    def fetch(self, base: str, offset: str | int, element: str = "") -> None:
        """Ask for a line of memory that will be used."""
        p = self.pointer(base, offset, element)
        self.do(f"call void @llvm.prefetch.p0(ptr {p}, i32 0, i32 3, i32 1)")

    # ── vectors ──

    def spread(self, x: str) -> str:
        """A vector of which every lane is ``x``."""
        v, lanes = self.vector, self.lanes
        x = self.get(f"insertelement {v} poison, {self.element} {x}, i64 0")
        return self.get(f"shufflevector {v} {x}, {v} poison, {self.lanes_at([0] * lanes)}")

    def fused(self, x: str, y: str, z: str, wide: bool = True) -> str:
        """x · y + z, rounded once where the CPU can."""
        kind = self.vector if wide else self.element
        if not self.has_fma:
            return self.get(f"fadd {kind} {z}, {self.get(f'fmul {kind} {x}, {y}')}")
        name = f"@llvm.fma.{f'v{self.lanes}' if wide else ''}f{8 * self.size}"
        return self.get(f"call {kind} {name}({kind} {x}, {kind} {y}, {kind} {z})")

    @staticmethod
    def lanes_at(places: Sequence[int]) -> str:
        """The constant that says which lanes a shuffle takes."""
        return f"<{len(places)} x i32> <{', '.join([f'i32 {place}' for place in places])}>"

    # ── control ──

    @contextmanager
    def loop(self, stop: str, start: str = "0") -> Iterator[str]:
        """A loop over start ≤ i < stop, which holds at least once."""
        head, before = self.label("loop"), self.block
        i, following = self.name(), self.name()
        self.do(f"br label %{head}")
        self.at(head)
        self.do(f"{i} = phi i64 [{start}, %{before}], [{following}, %{head}_end]")
        yield i
        self.do(f"br label %{head}_end")
        self.at(f"{head}_end")
        self.do(f"{following} = add nsw i64 {i}, 1")
        again = self.get(f"icmp slt i64 {following}, {stop}")
        self.do(f"br i1 {again}, label %{head}, label %{head}_done")
        self.at(f"{head}_done")

    @contextmanager
    def when(self, condition: str) -> Iterator[None]:
        """What is done only if the condition holds."""
        label = self.label("then")
        self.do(f"br i1 {condition}, label %{label}, label %{label}_end")
        self.at(label)
        yield
        self.do(f"br label %{label}_end")
        self.at(f"{label}_end")

    def repeat(self, turns: str, carried: Sequence[Carried], body: Body, sure: bool = False) -> list[str]:
        """``turns`` turns of ``body``, which maps what is carried from turn to turn to its next values.

        Maybe no turn at all, unless it is ``sure`` that the number is not 0.
        """
        values = [value for _, value in carried]
        if turns == "0":
            return values
        before, head = self.block, self.label("turn")
        after = f"{head}_done"
        if sure:
            self.do(f"br label %{head}")
        else:
            some = self.get(f"icmp sgt i64 {turns}, 0")
            self.do(f"br i1 {some}, label %{head}, label %{after}")
        self.at(head)
        mark, turn, following = len(self.lines), self.name(), self.name()
        now = [self.name() for _ in values]
        then = body(turn, now)
        self.do(f"{following} = add nsw i64 {turn}, 1")
        again = self.get(f"icmp slt i64 {following}, {turns}")
        self.do(f"br i1 {again}, label %{head}, label %{after}")
        kinds, back = [kind for kind, _ in carried], self.block
        phis = zip(["i64", *kinds], [turn, *now], ["0", *values], [following, *then], strict=True)
        self.lines[mark:mark] = [_phi(*phi, before, back) for phi in phis]
        self.at(after)
        if sure:
            return then
        either = [self.name() for _ in values]
        self.lines += [_phi(*x, before, back) for x in zip(kinds, either, values, then, strict=True)]
        return either


def _phi(kind: str, name: str, first: str, second: str, before: str, back: str) -> str:
    return f"  {name} = phi {kind} [{first}, %{before}], [{second}, %{back}]"
