"""How each operation on scalars is said in LLVM text, for one element or for a vector of them.

``put(text)`` writes an instruction and returns the name of its result.  Types come as :class:`Type`;
operands have been brought to that width before.  Nothing here lets LLVM assume away a NaN, an infinity
or a signed zero, and only the operation ``fma`` is ever fused.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...dtypes import DType, bool_, float32, float64, int32, int64, uint32

Put = Callable[[str], str]

_WORDS = {bool_: "i1", int32: "i32", uint32: "i32", int64: "i64", float32: "float", float64: "double"}
_BITS = {bool_: 1, int32: 32, uint32: 32, int64: 64, float32: 32, float64: 64}
_SUFFIX = {bool_: "i1", int32: "i32", uint32: "i32", int64: "i64", float32: "f32", float64: "f64"}


@dataclass(frozen=True, slots=True)
class Type:
    """A dtype in registers: ``lanes`` is 0 for one element."""

    dtype: DType
    lanes: int
    element: str
    text: str
    suffix: str
    memory: str

    @property
    def is_float(self) -> bool:
        return self.dtype is float32 or self.dtype is float64


_types: dict[tuple[DType, int], Type] = {}


def type_of(dtype: DType, lanes: int) -> Type:
    found = _types.get((dtype, lanes))
    if found is None:
        element = _WORDS[dtype]
        in_memory = "i8" if dtype is bool_ else element
        text, memory = (
            (f"<{lanes} x {element}>", f"<{lanes} x {in_memory}>") if lanes else (element, in_memory)
        )
        suffix = f"v{lanes}{_SUFFIX[dtype]}" if lanes else _SUFFIX[dtype]
        found = _types[dtype, lanes] = Type(dtype, lanes, element, text, suffix, memory)
    return found


def literal(value: Any, dtype: DType, lanes: int = 0) -> str:
    """A number as an operand; of a vector, in every lane."""
    if dtype is float32 or dtype is float64:
        with np.errstate(over="ignore"):
            bits = struct.unpack("<Q", struct.pack("<d", float(dtype.type(value))))[0]
        if math.isnan(value):
            bits = 0x7FF8000000000000
        text = f"0x{bits:016X}"
    elif dtype is bool_:
        text = "true" if value else "false"
    else:
        text = str(int(value))
    return f"splat ({_WORDS[dtype]} {text})" if lanes else text


def lane_numbers(lanes: int, step: int = 1, word: str = "i64") -> str:
    """The vector 0, step, 2·step, …"""
    return "<" + ", ".join([f"{word} {lane * step}" for lane in range(lanes)]) + ">"


@dataclass(slots=True)
class Operations:
    """Writes operations for one target; notes which functions the text has to declare."""

    has_fma: bool
    declared: dict[str, None]

    def call(self, put: Put, name: str, result: str, *operands: tuple[str, str]) -> str:
        """Call an intrinsic or a function, and declare it."""
        types = ", ".join([t for t, _ in operands])
        self.declared[f"declare {result} @{name}({types})"] = None
        return put(f"call {result} @{name}({', '.join([f'{t} {x}' for t, x in operands])})")

    def fma(self, put: Put, type: Type, a: str, b: str, c: str) -> str:
        """a·b + c, rounded once where the machine can."""
        if self.has_fma:
            text = type.text
            return self.call(put, f"llvm.fma.{type.suffix}", text, (text, a), (text, b), (text, c))
        return put(f"fadd {type.text} {put(f'fmul {type.text} {a}, {b}')}, {c}")

    def select(self, put: Put, type: Type, condition: str, then: str, otherwise: str) -> str:
        flag = f"<{type.lanes} x i1>" if type.lanes else "i1"
        return put(f"select {flag} {condition}, {type.text} {then}, {type.text} {otherwise}")

    def extreme(self, put: Put, kind: str, type: Type, a: str, b: str) -> str:
        """max or min: a NaN wins, and of equals the first."""
        if type.is_float:
            further = put(f"fcmp {'ogt' if kind == 'max' else 'olt'} {type.text} {b}, {a}")
            best = self.select(put, type, further, b, a)
            nan = put(f"fcmp uno {type.text} {b}, {b}")
            return self.select(put, type, nan, b, best)
        sign = "u" if type.dtype is uint32 else "s"
        return self.call(put, f"llvm.{sign}{kind}.{type.suffix}", type.text, (type.text, a), (type.text, b))

    def library(self, put: Put, name: str, type: Type, *operands: str) -> str:
        """A function of the C library, lane by lane."""
        symbol = PREFIX + name + ("f" if type.dtype is float32 else "")
        element = type.element
        if not type.lanes:
            return self.call(put, symbol, element, *[(element, x) for x in operands])
        result = "poison"
        for lane in range(type.lanes):
            each = [put(f"extractelement {type.text} {x}, i64 {lane}") for x in operands]
            value = self.call(put, symbol, element, *[(element, x) for x in each])
            result = put(f"insertelement {type.text} {result}, {element} {value}, i64 {lane}")
        return result

    # ── operations by name ────────────────────────────────────────────────────────────────────────

    def unary(self, put: Put, op: str, type: Type, x: str) -> str:
        if type.is_float:
            return self._unary_float(put, op, type, x)
        if op == "neg":
            return put(f"sub {type.text} {self.number(type, 0)}, {x}")
        if op == "not":
            return put(f"xor {type.text} {x}, {self.number(type, -1 if type.dtype is not bool_ else 1)}")
        if op == "abs":
            if type.dtype in (uint32, bool_):
                return x
            return self.call(put, f"llvm.abs.{type.suffix}", type.text, (type.text, x), ("i1", "false"))
        if op == "sign":
            zero, one = self.number(type, 0), self.number(type, 1)
            order = "ugt" if type.dtype is uint32 else "sgt"
            positive = self.select(put, type, put(f"icmp {order} {type.text} {x}, {zero}"), one, zero)
            if type.dtype is uint32:
                return positive
            return self.select(
                put, type, put(f"icmp slt {type.text} {x}, {zero}"), self.number(type, -1), positive
            )
        raise NotImplementedError(f"{op} of {type.dtype}")

    def _unary_float(self, put: Put, op: str, type: Type, x: str) -> str:
        text = type.text
        if op == "neg":
            return put(f"fneg {text} {x}")
        if op in _INTRINSICS:
            if op in _WHOLE and self.rounds_by_library:
                return self.library(put, _WHOLE[op], type, x)
            return self.call(put, f"llvm.{_INTRINSICS[op]}.{type.suffix}", text, (text, x))
        if op == "sign":
            zero = self.number(type, 0.0)
            up = self.select(put, type, put(f"fcmp ogt {text} {x}, {zero}"), self.number(type, 1.0), zero)
            down = self.select(put, type, put(f"fcmp olt {text} {x}, {zero}"), self.number(type, -1.0), up)
            return self.select(put, type, put(f"fcmp uno {text} {x}, {x}"), x, down)
        if op == "isnan":
            return put(f"fcmp uno {text} {x}, {x}")
        if op == "isfinite":
            size = self._unary_float(put, "abs", type, x)
            return put(f"fcmp one {text} {size}, {self.number(type, math.inf)}")
        if op == "sigmoid":  # e = exp(-|x|) cannot overflow; 1/(1 + e) for x ≥ 0, else e/(1 + e)
            one = self.number(type, 1.0)
            size = self._unary_float(put, "abs", type, x)
            e = self.library(put, "exp", type, put(f"fneg {text} {size}"))
            upper = self.select(put, type, put(f"fcmp oge {text} {x}, {self.number(type, 0.0)}"), one, e)
            return put(f"fdiv {text} {upper}, {put(f'fadd {text} {one}, {e}')}")
        return self.library(put, op, type, x)

    @property
    def rounds_by_library(self) -> bool:
        """Without SSE4.1 LLVM would call the C library by a name of its own choosing."""
        return not self.has_fma

    def binary(self, put: Put, op: str, type: Type, a: str, b: str) -> str:
        """An operation of two operands of ``type``; a comparison's result is boolean."""
        kind = "f" if type.is_float else "b" if type.dtype is bool_ else "u" if type.dtype is uint32 else "s"
        found = _PLAIN.get((op, kind))
        if found is not None:
            return put(f"{found} {type.text} {a}, {b}")
        if op in ("min", "max"):
            return self.extreme(put, op, type, a, b)
        if op in ("floordiv", "mod"):
            divide = self._divide_floats if kind == "f" else self._divide_integers
            return divide(put, op, type, a, b)
        if op in ("shl", "shr"):
            return self._shift(put, op, type, a, b)
        if op in ("pow", "atan2"):
            return self.library(put, op, type, a, b)
        raise NotImplementedError(f"{op} of {type.dtype}")

    def _shift(self, put: Put, op: str, type: Type, a: str, b: str) -> str:
        """A count outside the word shifts everything out: 0, or -1 to the right of a negative number."""
        bits, text = _BITS[type.dtype], type.text
        signed = type.dtype is not uint32
        name = "shl" if op == "shl" else "ashr" if signed else "lshr"
        number = _constant(b)
        if number is not None and 0 <= number < bits:
            return put(f"{name} {text} {a}, {b}")
        inside = put(f"icmp ult {text} {b}, {self.number(type, bits)}")
        if name == "ashr":
            return put(f"ashr {text} {a}, {self.select(put, type, inside, b, self.number(type, bits - 1))}")
        count = self.select(put, type, inside, b, self.number(type, 0))
        return self.select(put, type, inside, put(f"{name} {text} {a}, {count}"), self.number(type, 0))

    def _divide_integers(self, put: Put, op: str, type: Type, a: str, b: str) -> str:
        """Rounded to minus infinity; 0 where the divisor is 0; the least number over -1 wraps around."""
        text, zero, one = type.text, self.number(type, 0), self.number(type, 1)
        divisor = _constant(b)
        if type.dtype is uint32:
            safe = b
            if not divisor:
                safe = self.select(put, type, put(f"icmp eq {text} {b}, {zero}"), one, b)
            result = put(f"{'udiv' if op == 'floordiv' else 'urem'} {text} {a}, {safe}")
        elif divisor is not None and divisor > 0:
            rest = put(f"srem {text} {a}, {b}")
            below = put(f"icmp slt {text} {rest}, {zero}")
            if op == "mod":
                return self.select(put, type, below, put(f"add {text} {rest}, {b}"), rest)
            quotient = put(f"sdiv {text} {a}, {b}")
            return self.select(put, type, below, put(f"sub {text} {quotient}, {one}"), quotient)
        else:
            minus = put(f"icmp eq {text} {b}, {self.number(type, -1)}")
            odd = put(f"icmp ult {text} {put(f'add {text} {b}, {one}')}, {self.number(type, 2)}")  # -1 or 0
            safe = self.select(put, type, odd, one, b)
            rest = put(f"srem {text} {a}, {safe}")
            differ = put(f"icmp slt {text} {put(f'xor {text} {rest}, {safe}')}, {zero}")
            flag = type_of(bool_, type.lanes)
            crossed = put(f"and {flag.text} {differ}, {put(f'icmp ne {text} {rest}, {zero}')}")
            if op == "mod":
                result = self.select(put, type, crossed, put(f"add {text} {rest}, {safe}"), rest)
            else:
                quotient = put(f"sdiv {text} {a}, {safe}")
                lower = self.select(put, type, crossed, put(f"sub {text} {quotient}, {one}"), quotient)
                result = self.select(put, type, minus, put(f"sub {text} {zero}, {a}"), lower)
        if divisor:
            return result
        return self.select(put, type, put(f"icmp eq {text} {b}, {zero}"), zero, result)

    def _divide_floats(self, put: Put, op: str, type: Type, a: str, b: str) -> str:
        """As Python and NumPy do: by the exact remainder, which then takes the divisor's sign."""
        text, zero = type.text, self.number(type, 0.0)
        flag = type_of(bool_, type.lanes).text

        def copysign(x: str, y: str) -> str:
            return self.call(put, f"llvm.copysign.{type.suffix}", text, (text, x), (text, y))

        rest = self.library(put, "fmod", type, a, b)
        some = put(f"fcmp une {text} {rest}, {zero}")
        below = put(f"fcmp olt {text} {b}, {zero}")
        differ = put(f"xor {flag} {below}, {put(f'fcmp olt {text} {rest}, {zero}')}")
        crossed = put(f"and {flag} {some}, {differ}")
        raised = self.select(put, type, crossed, put(f"fadd {text} {rest}, {b}"), rest)
        if op == "mod":
            signed = self.select(put, type, some, raised, copysign(zero, b))
            return self.select(put, type, put(f"fcmp oeq {text} {b}, {zero}"), rest, signed)
        plain = put(f"fdiv {text} {a}, {b}")
        quotient = put(f"fdiv {text} {put(f'fsub {text} {a}, {rest}')}, {b}")
        lowered = put(f"fsub {text} {quotient}, {self.number(type, 1.0)}")
        quotient = self.select(put, type, crossed, lowered, quotient)
        floor = self._unary_float(put, "floor", type, quotient)
        far = put(f"fcmp ogt {text} {put(f'fsub {text} {quotient}, {floor}')}, {self.number(type, 0.5)}")
        floor = self.select(put, type, far, put(f"fadd {text} {floor}, {self.number(type, 1.0)}"), floor)
        whole = put(f"fcmp une {text} {quotient}, {zero}")
        result = self.select(put, type, whole, floor, copysign(zero, plain))
        return self.select(put, type, put(f"fcmp oeq {text} {b}, {zero}"), plain, result)

    def cast(self, put: Put, source: Type, target: Type, x: str) -> str:
        if target.dtype is bool_:
            word = "fcmp une" if source.is_float else "icmp ne"
            return put(f"{word} {source.text} {x}, {self.number(source, 0)}")
        signed = source.dtype is not uint32 and source.dtype is not bool_
        if source.is_float:
            if target.is_float:
                word = "fpext" if target.dtype is float64 else "fptrunc"
            elif target.dtype is uint32:  # by way of int64, which wraps around as NumPy's cast does
                wide = type_of(int64, source.lanes)
                x, source, word = put(f"fptosi {source.text} {x} to {wide.text}"), wide, "trunc"
            else:
                word = "fptosi"
        elif target.is_float:
            word = "sitofp" if signed else "uitofp"
        else:
            before, after = _BITS[source.dtype], _BITS[target.dtype]
            if before == after:
                return x
            word = "trunc" if after < before else "sext" if signed else "zext"
        return put(f"{word} {source.text} {x} to {target.text}")

    def number(self, type: Type, value: float) -> str:
        return literal(value, type.dtype, type.lanes)


PREFIX = "chainrule_"
"""Functions of the C library are called by names of our own, which the loader resolves."""

LIBRARY = (
    *("exp", "expm1", "log", "log1p", "tanh", "erf", "sin", "cos", "pow", "atan2", "fmod"),
    *("floor", "ceil", "rint", "trunc"),
)

_WHOLE = {"floor": "floor", "ceil": "ceil", "round": "rint", "trunc": "trunc"}
_INTRINSICS = {
    "sqrt": "sqrt",
    "abs": "fabs",
    "floor": "floor",
    "ceil": "ceil",
    "round": "rint",
    "trunc": "trunc",
}

_PLAIN = {
    **{(op, "f"): f"f{op}" for op in ("add", "sub", "mul", "div")},
    **{(op, kind): op for op in ("add", "sub", "mul") for kind in "su"},
    **{(op, kind): op for op in ("and", "or", "xor") for kind in "sub"},
    ("eq", "f"): "fcmp oeq",
    ("ne", "f"): "fcmp une",
    **{(op, "f"): f"fcmp o{op}" for op in ("lt", "le", "gt", "ge")},
    **{(op, kind): f"icmp {op}" for op in ("eq", "ne") for kind in "sub"},
    **{(op, "s"): f"icmp s{op}" for op in ("lt", "le", "gt", "ge")},
    **{(op, kind): f"icmp u{op}" for op in ("lt", "le", "gt", "ge") for kind in "ub"},
    ("min", "b"): "and",
    ("max", "b"): "or",
}


def _constant(operand: str) -> int | None:
    """The integer that an operand's text says, if it says one."""
    if operand.startswith("splat ("):
        operand = operand[7:-1].split()[-1]
    return int(operand) if operand.lstrip("-").isdigit() else None
