"""Loop programs as text: for people (``format_program``), and as a key (``canonical``).

A scalar that a statement uses twice, or that grows too long to read, gets a line and a name of its own.

>>> from chainrule import loops
>>> from chainrule.dtypes import float32
>>> i, k = loops.Axis("i", 3), loops.Axis("k", 4)
>>> place = loops.index.ravel([loops.axis(i), loops.axis(k)], (3, 4))
>>> x = loops.load(loops.Buffer("x", 12, float32, "input"), place)
>>> total, s = loops.reduce("sum", loops.mul(x, x), k)
>>> y = loops.Buffer("y", 3, float32, "output")
>>> print(format_kernel(loops.kernel("squares", i, [total, loops.store(y, loops.axis(i), loops.sqrt(s))])))
kernel squares, each i < 3:
  reduce k < 4:
    %0 = x[4*i + k]
    sum = sum of %0 * %0
  y[i] = sqrt(sum)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..dtypes import is_float
from .ir import (
    Accumulate,
    Axis,
    Buffer,
    Call,
    Check,
    Kernel,
    Let,
    Loop,
    Program,
    Reduce,
    Scalar,
    Statement,
    Store,
    roots,
    walk,
)

LONGEST = 80
"""A scalar whose text is longer than this gets a name."""


def format_program(program: Program) -> str:
    """The program as people read it: its buffers, then its steps."""
    writer = _Writer()
    lines = ["buffers:"]
    lines += [f"  {writer.name(b)}: {b.role}, {b.size} {b.dtype}" for b in program.buffers()]
    for step in program.steps:
        if isinstance(step, Call):
            inputs = ", ".join(map(writer.shaped, step.inputs, step.shapes))
            lines.append(f"{writer.shaped(step.output, step.output_shape)} = call {step.label}({inputs})")
        else:
            lines += writer.kernel(step)
    return "\n".join(lines)


def format_kernel(kernel: Kernel) -> str:
    """One kernel as people read it."""
    return "\n".join(_Writer().kernel(kernel))


def format_statement(statement: Statement) -> str:
    """One statement, with all that it holds."""
    return "\n".join(_Writer().statement(statement, ""))


def canonical(kernel: Kernel) -> str:
    """The text of a kernel with its axes, buffers and locals numbered in order of appearance.

    Two kernels with equal texts are the same code on other buffers.  The text holds all that the code
    depends on: extents, dtypes (of buffers, constants and conversions), which accesses share a buffer;
    and nothing else: no names, no sizes or roles of buffers.
    """
    return "\n".join(_Numberer().kernel(kernel))


class _Writer:
    """Names for things, and lines for statements."""

    def __init__(self) -> None:
        self.names: dict[Any, str] = {}
        self.taken: dict[str, int] = {}
        self.temporaries = 0

    def name(self, thing: Axis | Buffer | Any) -> str:
        """The thing's own name, told apart from others of that name by a number."""
        if thing not in self.names:
            base = thing.name
            self.taken[base] = number = self.taken.get(base, 0) + 1
            self.names[thing] = self.checked(base if number == 1 else f"{base}_{number}")
        return self.names[thing]

    def checked(self, name: str) -> str:
        """``name``, or one like it that nothing else has."""
        while name in self.names.values():
            name += "_"
        return name

    def shaped(self, buffer: Buffer, shape: Sequence[int]) -> str:
        return f"{self.name(buffer)}[{', '.join(map(str, shape))}]"

    def title(self, kernel: Kernel) -> str:
        return f"kernel {kernel.name}"

    def number(self, value: Scalar) -> str:
        return str(value.dtype.type(value.payload) if is_float(value.dtype) else value.payload)

    # ── statements ────────────────────────────────────────────────────────────────────────────────

    def kernel(self, kernel: Kernel) -> list[str]:
        self.temporaries = 0
        title = self.title(kernel)
        lines = [
            f"{title}, once:" if kernel.axis is None else f"{title}, each {self.range(kernel.axis, {})}:"
        ]
        return lines + self.body(kernel.body, "  ")

    def body(self, body: Iterable[Statement], indent: str) -> list[str]:
        return [line for statement in body for line in self.statement(statement, indent)]

    def statement(self, statement: Statement, indent: str) -> list[str]:
        if isinstance(statement, Reduce):
            return self.reduce(statement, indent)
        lines: list[str] = []
        texts = self.scalars(roots(statement), lines, indent)
        match statement:
            case Let(local, value):
                lines.append(f"{indent}{self.name(local)} = {texts[value]}")
            case Store(buffer, offset, value, where) | Accumulate(buffer, offset, value, where):
                sign = "=" if isinstance(statement, Store) else "+="
                guard = "" if where is None else f" if {texts[where]}"
                lines.append(f"{indent}{self.name(buffer)}[{texts[offset]}] {sign} {texts[value]}{guard}")
            case Loop(axis, body, ordered):
                word = "in order" if ordered else "loop"
                lines.append(f"{indent}{word} {self.range(axis, texts)}:")
                lines += self.body(body, indent + "  ")
            case Check(condition):
                lines.append(f"{indent}check {texts[condition]}")
        return lines

    def reduce(self, statement: Reduce, indent: str) -> list[str]:
        lines: list[str] = []
        ranges = []
        for axis in statement.axes:
            limits = [] if axis.limit is None else [axis.limit]
            ranges.append(self.range(axis, self.scalars(limits, lines, indent)))
        lines.append(f"{indent}reduce {', '.join(ranges)}:")
        texts = self.scalars([part.value for part in statement.parts], lines, indent + "  ")
        results = [f"{self.name(p.local)} = {p.kind} of {texts[p.value]}" for p in statement.parts]
        return lines + [f"{indent}  {result}" for result in results]

    def range(self, axis: Axis, texts: dict[Scalar, str]) -> str:
        limit = "" if axis.limit is None else f" and {texts[axis.limit]}"
        return f"{self.name(axis)} < {axis.extent}{limit}"

    # ── scalars ───────────────────────────────────────────────────────────────────────────────────

    def scalars(self, values: Sequence[Scalar], lines: list[str], indent: str) -> dict[Scalar, str]:
        """The text of each of ``values``; what is used twice or is long goes to a line before."""
        order = walk(values)
        uses: dict[Scalar, int] = {}
        for value in order:
            for argument in value.args:
                uses[argument] = uses.get(argument, 0) + 1
        texts: dict[Scalar, tuple[str, int]] = {}
        for value in order:
            text, strength = self.text(value, texts)
            if value.args and value.op not in ("affine", "within"):
                shared = uses.get(value, 0) + values.count(value) > 1
                if shared or (len(text) > LONGEST and value not in values):
                    name = f"%{self.temporaries}"
                    self.temporaries += 1
                    lines.append(f"{indent}{name} = {text}")
                    text, strength = name, _LEAF
            texts[value] = text, strength
        return {value: texts[value][0] for value in values}

    def text(self, value: Scalar, texts: dict[Scalar, tuple[str, int]]) -> tuple[str, int]:
        """The text of a scalar, given its operands', and how strongly that binds."""
        args = [texts[a][0] for a in value.args]
        match value.op:
            case "axis" | "local":
                return self.name(value.payload), _LEAF
            case "constant":
                number = self.number(value)
                return number, _LEAF if number[0] != "-" else _SUM
            case "affine":
                return _affine([texts[a] for a in value.args], *value.payload), _SUM
            case "load":
                guard = f" if {args[1]}" if len(args) > 1 else ""
                return f"{self.name(value.payload)}[{args[0]}{guard}]", _LEAF
            case "within":
                return f"within({args[0]}, {value.payload[0]}, {value.payload[1]})", _LEAF
            case "cast":
                return f"{value.dtype}({args[0]})", _LEAF
            case "bitcast":
                return f"{value.dtype}.bits({args[0]})", _LEAF
        if value.op in _INFIX:
            sign, strength = _INFIX[value.op]
            (a, left), (b, right) = (texts[x] for x in value.args)
            a = a if left >= strength > _ORDER or left > strength else f"({a})"
            b = b if right > strength else f"({b})"
            return f"{a} {sign} {b}", strength
        return f"{value.op}({', '.join(args)})", _LEAF


_ORDER, _SUM, _PRODUCT, _LEAF = 0, 1, 2, 3
_INFIX = {
    "add": ("+", _SUM),
    "sub": ("-", _SUM),
    "mul": ("*", _PRODUCT),
    "div": ("/", _PRODUCT),
    "floordiv": ("//", _PRODUCT),
    "mod": ("%", _PRODUCT),
    "eq": ("==", _ORDER),
    "ne": ("!=", _ORDER),
    "lt": ("<", _ORDER),
    "le": ("<=", _ORDER),
    "gt": (">", _ORDER),
    "ge": (">=", _ORDER),
}


def _affine(args: Sequence[tuple[str, int]], constant: int, coefficients: Sequence[int]) -> str:
    words = []
    for (text, strength), c in zip(args, coefficients, strict=True):
        factor = text if strength == _LEAF else f"({text})"
        words.append(("- " if c < 0 else "+ ") + (factor if abs(c) == 1 else f"{abs(c)}*{factor}"))
    if constant:
        words.append(f"- {-constant}" if constant < 0 else f"+ {constant}")
    first = words[0].removeprefix("+ ")
    return " ".join(["-" + first[2:] if first.startswith("- ") else first, *words[1:]])


class _Numberer(_Writer):
    """Things are called by number, numbers are exact, and dtypes are written wherever they may differ."""

    def name(self, thing: Axis | Buffer | Any) -> str:
        if thing not in self.names:
            letter = {Axis: "i", Buffer: "b"}.get(type(thing), "v")
            self.taken[letter] = number = self.taken.get(letter, -1) + 1
            self.names[thing] = f"{letter}{number}" + (f":{thing.dtype}" if isinstance(thing, Buffer) else "")
        return self.names[thing]

    def title(self, kernel: Kernel) -> str:
        return "kernel"

    def number(self, value: Scalar) -> str:
        exact = value.payload.hex() if is_float(value.dtype) else str(value.payload)
        return f"{exact}:{value.dtype}"
