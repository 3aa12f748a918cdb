"""``chainrule explain``: both passes over an expression, node by node; or what a trained network looks at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from ..engines.nonfinite import first_nonfinite
from ..engines.trace import Step, Trace, step_through
from ..errors import DataError
from ..graph import Leaf
from ..tasks import Explains, Table
from ..view import draw
from .command import Command, json_option, open_run
from .expressions import Expression, ExpressionError, binding_table, read_expression
from .output import emit_json, print_report, print_table, report_mapping, say


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
    short_help="The chain rule on an expression, step by step; or what a run looks at.",
    epilog="""\b
Examples:
  chainrule explain "c*(a+2*b)" a=3 b=1 c=-2
  chainrule explain "d = 2*b; e = a + d; L = c*e" a=3 b=1 c=-2 --svg graph.svg
  chainrule explain "(x+y)*max(y,z)" x=1 y=2 z=0
  chainrule explain "sum(sigmoid(x @ w))" x=[[1,2],[3,4]] "w=[0.5, -1]"
  chainrule explain "cross_entropy(z, 2)" "z=[1, 2, 3]" --unfold
  chainrule explain -- "-log(sigmoid(x))" x=0.5
  chainrule explain runs/textcnn-1 --first 5

\b
An expression has numbers, lists, names, + - * / ** @, comparisons, x[0], and functions such as
  exp log sqrt sin cos tanh sigmoid relu gelu softplus sum mean max min softmax logsumexp
  cross_entropy mse_loss pick outer dot where clip
A statement  name = expression;  gives an intermediate result a name. The last result must be a scalar.

\b
Of a run of textcnn: for each filter the n-grams that excite it most, and how many texts of each class have
them; the filters that decide most come first.
""",
)
@click.argument("expression")
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--svg", "svg", metavar="FILE", help="Draw the graph to FILE.svg (or .png).")
@click.option("--unfold", is_flag=True, help="Open composites such as softmax into their parts.")
@click.option(
    "--first",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="Of a run, show so many tables; 0 shows all.",
)
@json_option
def explain(
    expression: str, values: tuple[str, ...], svg: str | None, unfold: bool, first: int, as_json: bool
) -> None:
    """Show both passes over EXPRESSION: each value, each upstream × local product, each gradient.

    Where EXPRESSION is the folder of a run, show what its network has learned to look at.
    """
    if not values and _is_run(expression):
        _explain_run(expression, first, as_json)
        return
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


def _is_run(text: str) -> bool:
    """Whether it is a folder, or was meant as one: something below a folder that is there."""
    path = Path(text)
    return path.is_dir() or (len(path.parts) > 1 and path.parent.is_dir())


def _explain_run(run: str, first: int, as_json: bool) -> None:
    name, folder, system = open_run(run)
    if not isinstance(system, Explains):
        raise click.UsageError(
            f"a run of {name} has nothing to explain\n  mend:  chainrule evaluate {folder.path} shows scores"
        )
    report = system.explain()
    if as_json:
        emit_json({"task": name, "run": str(folder.path), **report_mapping(report)})
        return
    shown = report.tables[:first] if first else report.tables
    print_report(replace(report, tables=shown))
    if len(shown) < len(report.tables):
        say(f"\n{len(report.tables) - len(shown)} more; --first 0 shows all")


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
