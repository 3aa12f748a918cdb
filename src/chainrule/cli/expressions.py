"""Expressions as text, turned into graph: parsed with ``ast`` against an allow-list, never run as Python.

Statements are separated by ``;`` or line ends: ``d = 2*b; e = a + d; c*e``.  Numbers, lists of numbers,
names, ``+ - * / ** @``, comparisons, indexing and the functions of :data:`FUNCTIONS` are known; anything
else is an error that points at its column.
"""

from __future__ import annotations

import ast
import difflib
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from .. import functions as f
from .. import ops
from ..dtypes import float64, is_float
from ..errors import ChainruleError
from ..graph import Node, Variable, constant, variable

MOST_CHARACTERS = 4000
MOST_PARTS = 1000
MOST_ELEMENTS = 100_000


class ExpressionError(ChainruleError, ValueError):
    """An expression that cannot be read; shows the text with a caret under the fault."""

    exit_code = 2

    def __init__(
        self, what: str, text: str = "", column: int | None = None, *, mend: str | None = None
    ) -> None:
        if column is not None:
            before = text[:column]
            line = text.split("\n")[before.count("\n")]
            what = f"{what}\n  {line}\n  {' ' * (column - before.rfind(chr(10)) - 1)}^"
        super().__init__(what, mend=mend)


@dataclass(frozen=True)
class Known:
    """A function that expressions may call, and how many arguments it takes."""

    function: Callable[..., Node]
    least: int = 1
    most: int = 1
    options: tuple[str, ...] = ()


def _largest(*arguments: Any, **options: Any) -> Node:
    """``max(x)`` is the largest element; ``max(x, y, …)`` compares element by element."""
    return ops.max(*arguments, **options) if len(arguments) == 1 else reduce(ops.maximum, arguments)


def _smallest(*arguments: Any, **options: Any) -> Node:
    return ops.min(*arguments, **options) if len(arguments) == 1 else reduce(ops.minimum, arguments)


_OVER = ("axis", "keepdims")
_ELEMENTWISE = (
    "abs exp expm1 log log1p log2 sqrt rsqrt square reciprocal sin cos tan sinh cosh tanh "
    "arcsin arccos arctan erf sigmoid sign floor ceil round"
)
FUNCTIONS: dict[str, Known] = {
    **{name: Known(getattr(ops, name)) for name in _ELEMENTWISE.split()},
    **{name: Known(function) for name, function in f.ACTIVATIONS.items()},
    **{name: Known(getattr(ops, name), options=_OVER) for name in ("sum", "mean", "prod", "var", "std")},
    **{
        name: Known(getattr(ops, name), 2, 2)
        for name in ("pow", "maximum", "minimum", "outer", "matmul", "pick")
    },
    **{name: Known(getattr(f, name), options=("axis",)) for name in ("softmax", "log_softmax")},
    **{
        name: Known(getattr(f, name), 2, 2)
        for name in ("cross_entropy", "mse_loss", "binary_cross_entropy_with_logits")
    },
    "max": Known(_largest, 1, 8, _OVER),
    "min": Known(_smallest, 1, 8, _OVER),
    "logsumexp": Known(f.logsumexp, options=_OVER),
    "ln": Known(ops.log),
    "σ": Known(ops.sigmoid),
    "dot": Known(ops.vecdot, 2, 2),
    "where": Known(ops.where, 3, 3),
    "clip": Known(ops.clip, 3, 3),
    "transpose": Known(ops.matrix_transpose),
}

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.MatMult: operator.matmul,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Node]] = {
    ast.Lt: ops.less,
    ast.LtE: ops.less_equal,
    ast.Gt: ops.greater,
    ast.GtE: ops.greater_equal,
    ast.Eq: ops.equal,
    ast.NotEq: ops.not_equal,
}


@dataclass(frozen=True)
class Expression:
    """An expression as graph: its result, and the variables by name, in the order given."""

    output: Node
    variables: dict[str, Variable]


def read_expression(text: str, values: Mapping[str, Any]) -> Expression:
    """The graph of ``text`` over float64 variables with these values.

    >>> found = read_expression("c*(a+2*b)", {"a": 3.0, "b": 1.0, "c": -2.0})
    >>> float(found.output)
    -10.0
    """
    tree = _parse(text)
    leaves = {name: variable(value, float64, name=name) for name, value in values.items()}
    reader = _Reader(text, dict(leaves))
    output = reader.read(tree)
    for name in values:
        if name not in reader.used:
            raise ExpressionError(f"{name!r} has a value and is not in the expression", text)
    return Expression(output, leaves)


def _parse(text: str) -> ast.Module:
    if len(text) > MOST_CHARACTERS:
        raise ExpressionError(f"the expression has {len(text):,} characters; {MOST_CHARACTERS:,} are read")
    if not text.strip():
        raise _empty()
    try:
        tree = ast.parse(text, mode="exec")
    except SyntaxError as error:
        column = None
        if error.lineno is not None and error.offset is not None:
            before = text.split("\n")[: error.lineno - 1]
            column = min(sum(map(len, before)) + len(before) + max(error.offset - 1, 0), len(text))
        raise ExpressionError(f"this cannot be read: {error.msg}", text, column) from None
    except (ValueError, MemoryError, RecursionError):
        raise ExpressionError("the expression is nested too deeply, or holds a character of code 0") from None
    if not tree.body:
        raise _empty()
    if sum(1 for _ in ast.walk(tree)) > MOST_PARTS:
        raise ExpressionError(f"the expression has more than {MOST_PARTS:,} parts")
    return tree


def _empty() -> ExpressionError:
    return ExpressionError("the expression is empty", mend='for example: chainrule explain "x**3" x=4')


class _Reader:
    """Walks a syntax tree and builds nodes; remembers which names were used."""

    def __init__(self, text: str, names: dict[str, Node]) -> None:
        self.text, self.names = text, names
        self.used: set[str] = set()

    def read(self, tree: ast.Module) -> Node:
        """The result of the last statement."""
        result: Node | None = None
        for number, statement in enumerate(tree.body, start=1):
            if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                (target,) = statement.targets
                if isinstance(target, ast.Name):
                    result = self._assign(target, statement.value)
                    continue
            if isinstance(statement, ast.Expr) and number == len(tree.body):
                result = self.node(statement.value)
                continue
            raise self.error(
                "only name = expression may stand before the last expression",
                statement,
                mend='for example "d = 2*b; c*(a + d)"',
            )
        assert result is not None  # an empty text was refused
        return result if is_float(result.dtype) else result.astype(float64)

    def _assign(self, target: ast.Name, value: ast.expr) -> Node:
        if target.id in self.names:
            raise self.error(f"{target.id!r} has a value already", target, mend="choose another name")
        result = self.node(value)
        self.names[target.id] = result if isinstance(result, Variable) else result.named(target.id)
        return result

    def error(self, what: str, tree: ast.AST, *, mend: str | None = None) -> ExpressionError:
        return ExpressionError(what, self.text, self._column(tree), mend=mend)

    def _column(self, tree: ast.AST) -> int:
        """Where a part begins in the text; ``ast`` counts bytes of UTF-8."""
        lines = self.text.split("\n")
        number, offset = getattr(tree, "lineno", 1) - 1, getattr(tree, "col_offset", 0)
        within = len(lines[number].encode()[:offset].decode(errors="ignore"))
        return sum(map(len, lines[:number])) + number + within

    def node(self, tree: ast.expr) -> Node:
        """A part as a node; Python numbers become constants."""
        value = self.value(tree)
        return value if isinstance(value, Node) else constant(value, float64)

    def value(self, tree: ast.expr) -> Any:
        """A part as a node, or as a Python number where one is written."""
        visit = getattr(self, f"_{type(tree).__name__.lower()}", None)
        if visit is None:
            raise self.error(f"{_KINDS.get(type(tree), 'this')} cannot stand in an expression", tree)
        try:
            result = visit(tree)
        except ExpressionError:
            raise
        except ChainruleError as error:
            # The text and the caret say where; the program's lines that built the nodes say nothing here.
            raise self.error(re.sub(r", from .*", "", error.what), tree, mend=error.mend) from None
        except (TypeError, ValueError, OverflowError) as error:
            raise self.error(f"this does not fit: {error}", tree) from None
        if isinstance(result, Node) and result.size > MOST_ELEMENTS:
            raise self.error(f"an array of {result.size:,} numbers; {MOST_ELEMENTS:,} are the most", tree)
        return result

    def _constant(self, tree: ast.Constant) -> int | float | bool:
        if type(tree.value) not in (int, float, bool):
            raise self.error(f"{tree.value!r} is no real number", tree)
        if type(tree.value) is int and abs(tree.value) >= 2**63:
            return float(tree.value)
        return tree.value  # type: ignore[return-value]  # the complex were refused

    def _name(self, tree: ast.Name) -> Node:
        if tree.id in self.names:
            self.used.add(tree.id)
            return self.names[tree.id]
        near = difflib.get_close_matches(tree.id, [*self.names, *FUNCTIONS], n=1)
        mend = f"give it a value: {tree.id}=1"
        if near and tree.id not in FUNCTIONS:
            mend += f", or write {near[0]}"
        if tree.id in FUNCTIONS:
            mend = f"write {tree.id}(…)"
        raise self.error(f"{tree.id!r} has no value", tree, mend=mend)

    def _binop(self, tree: ast.BinOp) -> Node:
        rule = _BINARY.get(type(tree.op))
        if rule is None:
            raise self.error("this operator is not known", tree, mend="the operators are + - * / ** @")
        left, right = self.value(tree.left), self.value(tree.right)
        if not isinstance(left, Node) and not isinstance(right, Node):
            left = constant(left, float64)  # no arithmetic outside the graph: 9**9**9 is one float
        result: Node = rule(left, right)
        return result

    def _unaryop(self, tree: ast.UnaryOp) -> Any:
        value = self.value(tree.operand)
        if isinstance(tree.op, ast.USub):
            return -value
        if isinstance(tree.op, ast.UAdd):
            return value
        raise self.error("this operator is not known", tree, mend="the signs are - and +")

    def _compare(self, tree: ast.Compare) -> Node:
        rule = _COMPARISONS.get(type(tree.ops[0]))
        if len(tree.ops) > 1 or rule is None:
            raise self.error("only a single comparison is known", tree, mend="the signs are < <= > >= == !=")
        return rule(self.value(tree.left), self.value(tree.comparators[0]))

    def _list(self, tree: ast.List | ast.Tuple) -> Node:
        items = [self.value(item) for item in tree.elts]
        if any(isinstance(item, Node) for item in items):
            return ops.stack([item if isinstance(item, Node) else constant(item, float64) for item in items])
        whole = bool(items) and all(type(item) is int for item in items)
        return constant(items, None if whole else float64)

    _tuple = _list

    def _subscript(self, tree: ast.Subscript) -> Node:
        array = self.node(tree.value)
        parts = tree.slice.elts if isinstance(tree.slice, ast.Tuple) else [tree.slice]
        result: Node = array[tuple([self._index(part) for part in parts])]
        return result

    def _index(self, tree: ast.expr) -> Any:
        if isinstance(tree, ast.Slice):
            ends = (tree.lower, tree.upper, tree.step)
            return slice(*(None if end is None else self._whole(end) for end in ends))
        return self._whole(tree)

    def _whole(self, tree: ast.expr) -> int:
        value = self.value(tree)
        if type(value) is not int:
            raise self.error("an index is a whole number", tree)
        return value

    def _call(self, tree: ast.Call) -> Node:
        if not isinstance(tree.func, ast.Name):
            raise self.error("only functions by name can be called", tree)
        name = tree.func.id
        known = FUNCTIONS.get(name)
        if known is None:
            near = difflib.get_close_matches(name, FUNCTIONS, n=3)
            hint = (
                f"did you mean {' or '.join(near)}?"
                if near
                else f"the functions are: {', '.join(sorted(FUNCTIONS))}"
            )
            raise self.error(f"there is no function {name!r}", tree, mend=hint)
        if not known.least <= len(tree.args) <= known.most:
            takes = str(known.least) if known.least == known.most else f"{known.least} to {known.most}"
            raise self.error(f"{name} takes {takes} argument(s), not {len(tree.args)}", tree)
        return known.function(
            *[self._argument(item) for item in tree.args], **self._options(tree, name, known)
        )

    def _argument(self, tree: ast.expr) -> Any:
        if isinstance(tree, ast.Starred):
            raise self.error("a star cannot stand here", tree)
        value = self.value(tree)
        return constant(value, float64) if isinstance(value, float) else value

    def _options(self, tree: ast.Call, name: str, known: Known) -> dict[str, Any]:
        found = {}
        for keyword in tree.keywords:
            if keyword.arg not in known.options:
                options = ", ".join(known.options)
                raise self.error(
                    f"{name} has no option {keyword.arg!r}", keyword.value,
                    mend=f"its options are: {options}" if options else f"{name} takes none",
                )  # fmt: skip
            value = (
                self.value(keyword.value) if isinstance(keyword.value, ast.Constant | ast.UnaryOp) else None
            )
            if type(value) is not (bool if keyword.arg == "keepdims" else int):
                kind = "True or False" if keyword.arg == "keepdims" else "a whole number"
                raise self.error(f"{keyword.arg} is {kind}", keyword.value)
            found[keyword.arg] = value
        return found


_KINDS: dict[type[ast.AST], str] = {
    ast.Attribute: "an attribute (a dot and a name)",
    ast.Lambda: "a lambda",
    ast.Dict: "a dict",
    ast.Set: "a set",
    ast.BoolOp: "and/or",
    ast.IfExp: "if/else",
    ast.JoinedStr: "a text",
    ast.ListComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.NamedExpr: ":=",
    ast.Await: "await",
    ast.Yield: "yield",
}
