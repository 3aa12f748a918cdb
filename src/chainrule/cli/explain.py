"""``chainrule explain``: an expression, its forward and its backward pass, node by node."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from ..engines.nonfinite import first_nonfinite
from ..engines.trace import Step, Trace, step_through
from ..errors import DataError
from ..graph import Leaf
from ..tasks import Table
from ..view import draw
from .command import Command, json_option
from .expressions import Expression, ExpressionError, binding_table, read_expression
from .output import emit_json, print_table, say


class ExplainCommand(Command):
    """An expression that begins with a minus is answered with how to give it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            mend = 'an expression that begins with a minus stands after --: chainrule explain -- "-x" x=1'
            raise click.UsageError(f"no such option {error.option_name!r}\n  mend:  {mend}", ctx) from None


@click.command(
    cls=ExplainCommand,
    short_help="The chain rule on an expression, step by step.",
    epilog="""\b
Examples:
  chainrule explain "c*(a+2*b)" a=3 b=1 c=-2
  chainrule explain "d = 2*b; e = a + d; L = c*e" a=3 b=1 c=-2 --svg graph.svg
  chainrule explain "(x+y)*max(y,z)" x=1 y=2 z=0
  chainrule explain "sum(sigmoid(x @ w))" x=[[1,2],[3,4]] "w=[0.5, -1]"
  chainrule explain "cross_entropy(z, 2)" "z=[1, 2, 3]" --unfold
  chainrule explain -- "-log(sigmoid(x))" x=0.5

\b
An expression has numbers, lists, names, + - * / ** @, comparisons, x[0], and functions such as
  exp log sqrt sin cos tanh sigmoid relu gelu softplus sum mean max min softmax logsumexp
  cross_entropy mse_loss pick outer dot where clip
A statement  name = expression;  gives an intermediate result a name. The last result must be a scalar.
""",
)
@click.argument("expression")
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--svg", "svg", metavar="FILE", help="Draw the graph to FILE.svg (or .png).")
@click.option("--unfold", is_flag=True, help="Open composites such as softmax into their parts.")
@json_option
def explain(expression: str, values: tuple[str, ...], svg: str | None, unfold: bool, as_json: bool) -> None:
    """Show both passes over EXPRESSION: each value, each upstream × local product, each gradient."""
    found = read_expression(expression, binding_table(values))
    if found.output.size != 1:
        raise ExpressionError(
            f"the result has shape {found.output.shape}; the chain rule starts at a scalar",
            mend="put sum(…) or mean(…) around it, or take one entry with […]",
        )
    trace = step_through(found.output, unfold=unfold)
    if svg is not None:
        _save(found, svg, unfold)
    if as_json:
        emit_json(_mapping(expression, found, trace))
        return
    result = found.output.name or " ".join(expression.split())
    click.secho(f"{result} = {_short(trace[trace.output].value)}\n", bold=True)
    print_table(Table("", ("node", "rule", "value", "upstream × local", "gradient"), tuple(trace.table())))
    click.echo()
    label = found.output.name or "result"
    for name, leaf in found.variables.items():
        gradient = trace[leaf].gradient
        shown = "0 (nothing flows)" if gradient is None else _short(gradient)
        click.echo(f"  ∂{label}/∂{name} = {shown}")
    _warn(trace)
    if svg is not None:
        say(f"\nthe graph is in {svg}")


def _warn(trace: Trace) -> None:
    """Where a value that is not finite came from."""
    if all(np.isfinite(step.value).all() for step in trace if step.value.dtype.kind == "f"):
        return
    finding = first_nonfinite([trace.output], {})
    if finding is not None:
        told = [line for line in str(finding).splitlines() if not line.lstrip().startswith("written at:")]
        say("\n".join(["", f"not every value is finite: {told[0]}", *told[1:]]))


def _save(found: Expression, path: str, unfold: bool) -> None:
    if not path.endswith((".svg", ".png")):
        raise click.UsageError(f"--svg {path}: the name must end in .svg or .png")
    try:
        draw(found.output, path, fold=not unfold)
    except OSError as error:
        raise DataError(f"the drawing cannot be written: {error.strerror or error}", path=path) from None


def _mapping(expression: str, found: Expression, trace: Trace) -> dict[str, Any]:
    numbers = {step.node: step.number for step in trace}
    return {
        "expression": expression,
        "value": trace[trace.output].value,
        "gradients": {name: trace[leaf].gradient for name, leaf in found.variables.items()},
        "nodes": [_node(step, numbers) for step in trace],
    }


def _node(step: Step, numbers: dict[Any, int]) -> dict[str, Any]:
    leaf = isinstance(step.node.op, Leaf)
    return {
        "number": step.number,
        "name": step.node.name,
        "op": step.node.op.name,
        "inputs": [] if leaf else [numbers[child] for child in step.node.inputs],
        "value": step.value,
        "gradient": step.gradient,
        "contributions": [
            {
                "from": numbers[part.consumer],
                "upstream": part.upstream,
                "local": part.local,
                "downstream": part.downstream,
            }
            for part in step.contributions
        ],
    }


def _short(value: Any) -> str:
    array = np.asarray(value)
    if array.ndim == 0:
        return f"{array.item():.6g}"
    return np.array2string(array, precision=4, threshold=20, separator=", ").replace("\n", "")
