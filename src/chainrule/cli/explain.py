"""``chainrule explain``: both passes over a scalar, node by node; or what a trained network looks at."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from ..diagnose import GradientRow, gradient_report
from ..dtypes import is_float
from ..engines.nonfinite import first_nonfinite
from ..engines.trace import Step, Trace, step_through
from ..errors import DataError
from ..graph import Array, Leaf, Node, Variable, derived_from, leaf_value, topological
from ..tasks import Differentiates, Explains, Table
from ..view import Explanation, derive, draw
from ..view import explain as make_page
from ..view.formulas import Convention
from .bindings import binding_table
from .command import Command, check_ending, check_text, json_option, open_run
from .explained_file import NO_LINE, names_function, read_function
from .expressions import ExpressionError, read_expression
from .output import emit_json, print_report, print_table, report_mapping, say

_TITLE = 200
"""Characters above a page."""


class ExplainCommand(Command):
    """An expression that begins with a minus is answered with how to give it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.option_name.startswith("--"):  # a misspelt option: no expression begins so
                raise
            mend = 'an expression that begins with a minus stands after --: chainrule explain -- "-x" x=1'
            raise click.UsageError(f"no such option {error.option_name!r}\n  mend:  {mend}", ctx) from None


@click.command(
    cls=ExplainCommand,
    short_help="The chain rule step by step: on an expression, a function, or one example of a run.",
    epilog="""\b
Examples:
  chainrule explain "c*(a+2*b)" a=3 b=1 c=-2
  chainrule explain "c*(a+2*b)" a=3 b=1 c=-2 --out l.html
  chainrule explain "c*(a+2*b)" a=3 b=1 c=-2 --derive l.tex
  chainrule explain "d = 2*b; e = a + d; L = c*e" a=3 b=1 c=-2 --svg graph.svg
  chainrule explain "sum(sigmoid(x @ w))" x=[[1,2],[3,4]] "w=[0.5, -1]"
  chainrule explain "cross_entropy(z, 2)" "z=[1, 2, 3]" --unfold
  chainrule explain -- "-log(sigmoid(x))" x=0.5
  chainrule explain my_network.py:loss x=[1,2] --out loss.html
  chainrule explain runs/pos --text "time flies" --gold "NOUN VERB" --out flies.html
  chainrule explain runs/textcnn-1 --first 5

\b
With --out the page of both passes is written: the graph, each value, each upstream × local product, the
numerical gradient beside the analytic one. It is one file, opens from disk and needs no network.

\b
An expression has numbers, lists, names, + - * / ** @, comparisons, x[0], and functions such as
  exp log sqrt sin cos tanh sigmoid relu gelu softplus sum mean max min softmax logsumexp
  cross_entropy mse_loss pick outer dot where clip
A statement  name = expression;  gives an intermediate result a name. The last result must be a scalar.

\b
FILE.py:function is called on variables with the values given, or with its defaults; FILE.py:name may also
be a node that the file has built. The file is run, as with python FILE.

\b
Of a run, --text takes one example as predict does (a sentence; of digits the pixels or an IDX file; of
word2vec a word and one beside it) and follows the chain rule through its loss. --gold says what is right:
a class, or one tag a word; without it, it is what the network finds. Without --text a run of textcnn shows
for each filter the n-grams that excite it most; the filters that decide most come first.
""",
)
@click.argument("subject", metavar="EXPRESSION|FILE.py:NAME|RUN")
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--out", "out", metavar="FILE", help="Write the page of both passes to FILE.html.")
@click.option("--svg", "svg", metavar="FILE", help="Draw the graph to FILE.svg (or .png).")
@click.option(
    "--derive", "derived", metavar="FILE", help="Derive the gradients by hand in FILE: .tex, .html or .txt."
)
@click.option("--unfold", is_flag=True, help="Open composites such as softmax into their parts.")
@click.option(
    "--convention",
    type=click.Choice(["row", "column"]),
    default="row",
    show_default=True,
    help="What a vector is in the page's matrix products: a row (x W) or a column (W x).",
)
@click.option("--exercise", is_flag=True, help="The page hides numbers, for the reader to find.")
@click.option("--text", metavar="TEXT", help="Of a run, the example whose loss is shown.")
@click.option("--gold", metavar="GOLD", help="What is right for the example.")
@click.option(
    "--first",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="Of a run, show so many tables; 0 shows all.",
)
@json_option
def explain(
    subject: str,
    values: tuple[str, ...],
    out: str | None,
    svg: str | None,
    derived: str | None,
    unfold: bool,
    convention: Convention,
    exercise: bool,
    text: str | None,
    gold: str | None,
    first: int,
    as_json: bool,
) -> None:
    """Show both passes over a scalar: each value, each upstream × local product, each gradient.

    The scalar is an expression, what a function in a file returns, or the loss of one example (--text) of
    a trained run.
    """
    for option, file, endings in (
        ("--out", out, (".html", ".htm")),
        ("--svg", svg, (".svg", ".png")),
        ("--derive", derived, (".tex", ".html", ".txt")),
    ):
        if file is not None:
            check_ending(option, file, endings)
    if exercise and out is None:
        raise click.UsageError("--exercise makes a page\n  mend:  give --out FILE.html")
    if out is not None and derived is not None and Path(out).absolute() == Path(derived).absolute():
        raise click.UsageError(f"--out and --derive are both {out}\n  mend:  give each a file of its own")
    for option, given in (("--text", text), ("--gold", gold)):
        check_text(option, given or "")
    is_file = names_function(subject)
    if not values and not is_file and _is_run(subject):
        if text is None:
            if (
                given := _given({"--out": out, "--svg": svg, "--derive": derived, "--gold": gold})
            ) is not None:
                raise click.UsageError(f"{given} of a run needs an example\n  mend:  give --text TEXT")
            _explain_run(subject, first, as_json)
            return
        shown = _of_example(subject, text, gold)
    elif text is not None or gold is not None:
        if os.path.isdir(subject):
            raise click.UsageError(f"{values[0]}: values are for expressions and functions, not for runs")
        raise click.UsageError("--text and --gold are for runs\n  mend:  name the folder of a run")
    else:
        shown = _of_file(subject, values) if is_file else _of_expression(subject, values)
    trace = step_through(shown.output, shown.feed, unfold=unfold)
    if svg is not None:
        _save(shown.output, svg, unfold)
    if derived is not None:
        _derive(shown, trace, derived, convention)
    if out is not None:
        page = make_page(
            shown.output,
            shown.feed,
            path=out,
            title=shown.title,
            about=shown.about,
            convention=convention,
            exercise=exercise,
        )
    if as_json:
        emit_json({**shown.named, **_mapping(shown, trace)})
        return
    shown.show(trace)
    _warn(trace, shown.feed)
    if svg is not None:
        say(f"\nthe graph is in {svg}")
    if derived is not None:
        say(f"\nthe derivation is in {derived}")
    if out is not None:
        say(f"\nthe page is in {out}: {_size(page)}")


# -- what is explained --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Shown:
    """A scalar, and how it is told."""

    output: Node
    feed: dict[Node, Array]
    variables: dict[str, Node]
    """Whose gradients are the result."""
    title: str
    about: str
    named: dict[str, Any]
    """What it is, for machines."""
    head: str = ""
    whole: bool = True
    """Whether every step is printed, or the parameters' gradients alone."""

    def parameters(self) -> tuple[GradientRow, ...]:
        """How much gradient reaches each of the variables."""
        floats = {name: leaf for name, leaf in self.variables.items() if is_float(leaf.dtype)}
        return gradient_report(self.output, floats, self.feed).rows

    def show(self, trace: Trace) -> None:
        value = _short(trace[trace.output].value)
        if not self.whole:
            click.secho(f"{self.title}: {value}\n", bold=True)
            click.echo(f"{self.about}\n")
            print_table(Table("", _NORMS, tuple(map(_norms, self.parameters()))))
            return
        click.secho(f"{self.head} = {value}\n", bold=True)
        print_table(
            Table("", ("node", "rule", "value", "upstream × local", "gradient"), tuple(trace.table()))
        )
        click.echo()
        label = trace.output.name or "result"
        for name, leaf in self.variables.items():
            if is_float(leaf.dtype):
                gradient = _gradient(trace, leaf)
                shown = "0 (nothing flows)" if gradient is None else _short(gradient)
                click.echo(f"  ∂{label}/∂{name} = {shown}")


def _of_expression(expression: str, values: tuple[str, ...]) -> _Shown:
    with derived_from(NO_LINE, ""):
        found = read_expression(expression, binding_table(values))
    if found.output.size != 1:
        raise ExpressionError(
            f"the result has shape {found.output.shape}; the chain rule starts at a scalar",
            mend="put sum(…) or mean(…) around it, or take one entry with […]",
        )
    text = " ".join(expression.split())
    given = ", ".join(f"{name} = {_short(leaf.value)}" for name, leaf in found.variables.items())
    return _Shown(
        found.output,
        {},
        dict(found.variables),
        text,
        f"at {given}" if given else "",
        {"expression": expression},
        head=found.output.name or text,
    )


def _of_file(text: str, values: tuple[str, ...]) -> _Shown:
    with contextlib.redirect_stdout(sys.stderr):  # what the file prints is no result
        found = read_function(text, binding_table(values))
    values_of = {name: leaf_value(leaf, found.feed) for name, leaf in found.variables.items()}
    given = ", ".join(f"{name} = {_short(value)}" for name, value in values_of.items())
    name = text.rpartition(":")[2]
    return _Shown(
        found.output,
        found.feed,
        found.variables,
        Path(text).name,
        f"at {given}" if given else "",
        {"function": text},
        head=found.output.name or name,
    )


def _of_example(run: str, text: str, gold: str | None) -> _Shown:
    name, folder, system = open_run(run)
    if not isinstance(system, Differentiates):
        raise click.UsageError(f"a run of {name} shows no single example")
    example = system.loss_of(text, gold)
    parameters: dict[str, Node] = {
        node.label: node for node in topological([example.loss]) if isinstance(node, Variable)
    }
    return _Shown(
        example.loss,
        example.feed,
        parameters,
        _in_a_line(example.title),
        example.about,
        {"task": name, "run": str(folder.path), "text": text, "gold": gold, "about": example.about},
        whole=False,
    )


def _in_a_line(title: str) -> str:
    """Of a long text its beginning and its end stand for it."""
    return title if len(title) <= _TITLE else f"{title[: _TITLE // 2]} … {title[-_TITLE // 2 :]}"


def _given(options: dict[str, Any]) -> str | None:
    return next((name for name, value in options.items() if value is not None), None)


_NORMS = ("parameter", "shape", "‖value‖", "‖gradient‖", "zeros", "")


def _norms(row: GradientRow) -> tuple[Any, ...]:
    shape = "×".join(map(str, row.shape)) or "scalar"
    zeros = None if row.gradient_norm is None else f"{row.zeros:.1%}"
    return (row.name, shape, row.value_norm, row.gradient_norm, zeros, row.remark)


def _size(page: Explanation) -> str:
    return f"{len(page.record['nodes'])} nodes, {len(page.html.encode('utf-8')) / 1e6:.2f} MB"


def _is_run(text: str) -> bool:
    """Whether it is a folder, or was meant as one: something below a folder that is there."""
    path = Path(text)
    # An expression may be no possible name, of which Path.is_dir raises an error.
    return bool(text) and (os.path.isdir(text) or (len(path.parts) > 1 and os.path.isdir(path.parent)))


def _explain_run(run: str, first: int, as_json: bool) -> None:
    name, folder, system = open_run(run)
    if not isinstance(system, Explains):
        mend = (
            "give an example: --text TEXT"
            if isinstance(system, Differentiates)
            else f"chainrule evaluate {folder.path} shows scores"
        )
        raise click.UsageError(f"a run of {name} as a whole has nothing to explain\n  mend:  {mend}")
    report = system.explain()
    if as_json:
        emit_json({"task": name, "run": str(folder.path), **report_mapping(report)})
        return
    shown = report.tables[:first] if first else report.tables
    print_report(replace(report, tables=shown))
    if len(shown) < len(report.tables):
        say(f"\n{len(report.tables) - len(shown)} more; --first 0 shows all")


def _warn(trace: Trace, feed: dict[Node, Array]) -> None:
    """Where a value that is not finite came from."""
    if all(np.isfinite(step.value).all() for step in trace if step.value.dtype.kind == "f"):
        return
    finding = first_nonfinite([trace.output], feed)
    if finding is not None:
        told = [line for line in str(finding).splitlines() if not line.lstrip().startswith("written at:")]
        say("\n".join(["", f"not every value is finite: {told[0]}", *told[1:]]))


def _save(output: Node, path: str, unfold: bool) -> None:
    try:
        draw(output, path, fold=not unfold)
    except OSError as error:
        raise DataError(f"the drawing cannot be written: {error.strerror or error}", path=path) from None


def _derive(shown: _Shown, trace: Trace, path: str, convention: Convention) -> None:
    """The derivation of the gradients that flow."""
    wrt = [leaf for leaf in shown.variables.values() if _gradient(trace, leaf) is not None]
    if not wrt:
        raise click.UsageError(f"--derive {path}: no gradient flows to any of the values")
    derive(shown.output, wrt, shown.feed, convention=convention).save(path)


def _gradient(trace: Trace, leaf: Node) -> Array | None:
    """None also for what the output does not depend on."""
    return next((step.gradient for step in trace if step.node is leaf), None)


def _mapping(shown: _Shown, trace: Trace) -> dict[str, Any]:
    result = {
        "value": trace[trace.output].value,
        "gradients": {name: _gradient(trace, leaf) for name, leaf in shown.variables.items()},
    }
    if not shown.whole:  # of a network all numbers are in the page
        norms = {
            row.name: {"norm": row.value_norm, "gradient_norm": row.gradient_norm}
            for row in shown.parameters()
        }
        return {"value": result["value"], "parameters": norms}
    numbers = {step.node: step.number for step in trace}
    return {**result, "nodes": [_node(step, numbers) for step in trace]}


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
