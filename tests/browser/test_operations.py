"""The page's rules beside the stepper's, op by op and as whole programs, and what each element reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.engines.stepper import Stepper, run_op
from chainrule.graph import bind
from chainrule.view.page import decode, explain
from chainrule.view.page.program import SUPPORTED, Place, program

from ..engines.native.random_graphs import Maker, total
from ..view.page.replay import Applied, applications, as_array
from .modules import open_modules

pytestmark = pytest.mark.browser

#: Ops whose result IEEE 754 or integer arithmetic does not fix: units in the last place.  NumPy's own
#: vectorised functions are good to 4.
ULPS = dict.fromkeys(
    """arccos arccosh arcsin arcsinh arctan arctan2 arctanh cos cosh erf exp expm1 log log1p log2 pow sigmoid
    sin sinh tan tanh""".split(),  # noqa: SIM905  # words in a row are read at a glance
    4,
)

#: Sums and products whose order, and whose fused steps, are the array library's own: for each term a unit in
#: the last place of the sum of the terms' magnitudes.  (Sums come out equal to the bit all the same.)
SUMS = {"matmul", "sum", "prod"}


@pytest.fixture(scope="module")
def modules(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    page = open_modules(browser, tmp_path_factory.mktemp("modules"))
    yield page
    page.close()


def in_batches(modules: Any, function: str, cases: Sequence[Applied], size: int = 500) -> list[Any]:
    found: list[Any] = []
    for first in range(0, len(cases), size):
        batch = [case.as_json() for case in cases[first : first + size]]
        found += modules.evaluate(f"(cases) => {function}(cases)", batch)
    return found


def tolerance(case: Applied) -> Any:
    """How far each element may lie from the stepper's; ∞ where a sum overflows or not by its order."""
    name, value = case.node.op.name, case.value
    with np.errstate(all="ignore"):
        if name in SUMS and value.dtype.kind == "f":
            finite = [np.where(np.isfinite(array), np.abs(array), 0) for array in case.inputs]
            sizes = run_op(case.node, [array.astype(value.dtype) for array in finite])
            terms = case.inputs[0].shape[-1] if name == "matmul" else case.inputs[0].size
            return np.where(np.isfinite(sizes), terms * np.spacing(sizes), np.inf)
        return ULPS.get(name, 0) * np.spacing(np.abs(value))


def assert_equal(case: Applied, found: Any) -> None:
    what = f"{case.node.op.name} in {case.row}"
    assert isinstance(found, str), f"{what}: {found}"
    got = as_array(found, case.value.shape, case.value.dtype.name)
    if case.value.dtype.kind != "f":
        np.testing.assert_array_equal(got, case.value, err_msg=what)
        return
    with np.errstate(all="ignore"):
        alike = (got == case.value) | (np.isnan(got) & np.isnan(case.value))
        allowed = tolerance(case)
        near = (np.isfinite(got) & (np.abs(got - case.value) <= allowed)) | np.isposinf(allowed)
    assert (alike | near).all(), f"{what}: {got} for {case.value}, of {case.inputs}"


@pytest.mark.parametrize("special", [False, True], ids=["ordinary", "infinities, NaNs and zeros"])
def test_every_op_equals_the_stepper(modules: Any, special: bool) -> None:
    cases = list(applications(special=special))
    assert len(cases) > 2000
    if not special:
        assert {case.node.op.name for case in cases} == SUPPORTED
    for case, found in zip(cases, in_batches(modules, "applied", cases), strict=True):
        assert_equal(case, found)


def test_the_page_computes_what_the_library_says_it_does(modules: Any) -> None:
    assert set(modules.evaluate("supported()")) == SUPPORTED


def test_an_unknown_op_is_refused_and_reads_everything(modules: Any) -> None:
    case = {"op": "cube", "settings": {}, "inputs": [], "shape": [], "dtype": "float32"}
    assert "cannot compute cube" in modules.evaluate("(cases) => applied(cases)", [case])[0]["error"]
    tensor = {"shape": [2], "dtype": "float32", "data": "AAAAAAAAAAA="}
    assert modules.evaluate("(cases) => readings(cases)", [case | {"inputs": [tensor]}]) == [[[["all"]]] * 2]


def test_an_index_outside_its_axis_is_refused_in_words(modules: Any) -> None:
    x, i = cr.placeholder((3,)), cr.placeholder((1,), "int64")
    node = cr.take(x, i)
    case = Applied("", node, (np.ones(3, np.float32), np.array([3])), np.ones(1, np.float32))
    error = modules.evaluate("(cases) => applied(cases)", [case.as_json()])[0]["error"]
    assert "the index 3 is outside an axis of length 3" in error


# -- what an element reads -----------------------------------------------------------------------------------


def changed(array: Any, place: int, trial: int, rng: np.random.Generator) -> Any:
    """The array with one element another: for indices one that stands elsewhere, so that it is in range."""
    found = np.array(array)
    flat = found.reshape(-1)
    if found.dtype.kind == "b":
        flat[place] = not flat[place]
    elif found.dtype.kind == "f":
        flat[place] += rng.choice([-1, 1]) * rng.uniform(0.5, 2)
    else:
        flat[place] = flat[(place + 1) % flat.size] if trial else max(int(flat[place]), 1) - 1
    return found


def affected(case: Applied, which: int, place: int, base: Any, rng: np.random.Generator) -> set[int]:
    """The elements of the stepper's result that move when one element of an input does."""
    found: set[int] = set()
    for trial in range(1 if case.inputs[which].dtype.kind == "f" else 2):
        inputs = [np.array(array) for array in case.inputs]
        inputs[which] = changed(inputs[which], place, trial, rng)
        with np.errstate(all="ignore"):
            try:
                value = run_op(case.node, inputs)
            except cr.errors.ChainruleError:  # an index of first_places that is no first place
                continue
        moved = ~(
            (value == base) | (np.isnan(value) & np.isnan(base)) if value.dtype.kind == "f" else value == base
        )
        found |= set(np.flatnonzero(moved).tolist())
    return found


def test_only_elements_that_say_so_read_an_element(modules: Any) -> None:
    rng = np.random.default_rng(0)
    narrow = {"float32", "int32"}  # reading is the same in the wide types
    cases = [
        case
        for case in applications()
        if sum(array.size for array in case.inputs) <= 30
        and not narrow & {array.dtype.name for array in case.inputs}
    ]
    assert {case.node.op.name for case in cases} == SUPPORTED
    said, moved = dict.fromkeys(SUPPORTED, 0), dict.fromkeys(SUPPORTED, 0)
    for case, found in zip(cases, in_batches(modules, "readings", cases), strict=True):
        # Copies: NumPy's products of strided arrays round otherwise than those of contiguous ones.
        base = run_op(case.node, [np.array(array) for array in case.inputs])
        for which, array in enumerate(case.inputs):
            readers = [read_by(claims, which, array.size) for claims in found]
            for place in range(array.size):
                effect = affected(case, which, place, base, rng)
                for claimed in readers:
                    assert effect <= claimed[place], (
                        f"{case.node.op.name} in {case.row}: element {place} of input {which} moves "
                        f"{sorted(effect - claimed[place])}, which do not claim to read it"
                    )
                said[case.node.op.name] += len(readers[0][place])
                moved[case.node.op.name] += len(effect)
    # Nothing claims everything: what is smooth moves most of what it claims to.
    for name in ("add", "multiply", "matmul", "sum", "reshape", "permute_dims", "slice", "concat", "tanh"):
        assert moved[name] >= 0.6 * said[name] > 0, name


def read_by(claims: Sequence[Sequence[Sequence[int]]], which: int, size: int) -> list[set[int]]:
    """For each element of an input the elements of the result that claim to read it."""
    found: list[set[int]] = [set() for _ in range(size)]
    for index, inputs in enumerate(claims):
        for place in inputs[which]:
            found[place].add(index)
    return found


# -- whole programs ------------------------------------------------------------------------------------------

_REPLAY = """
import { run, places } from "chainrule/interpreter";
window.replay = (program) => {
  const found = {};
  for (const [place, tensor] of places(program, run(program))) found[place] = encode(tensor.data);
  return found;
};
"""


def _fork() -> cr.Node:
    x, y, z = (cr.variable(value, name=name) for name, value in [("x", 1.0), ("y", 2.0), ("z", 0.0)])
    return (x + y) * cr.maximum(y, z)


def _perceptron() -> cr.Node:
    rng = np.random.default_rng(3)

    def drawn(*shape: int) -> Any:
        return rng.normal(0, 0.3, shape).astype(np.float32)

    h: cr.Node = cr.constant(np.abs(drawn(8, 784)))
    for rows, columns in [(784, 16), (16, 16), (16, 10)]:
        h = h @ cr.variable(drawn(rows, columns)) + cr.variable(drawn(columns))
        h = cr.nn.gelu(h) if columns == 16 else h
    return cr.nn.cross_entropy(h, rng.integers(0, 10, 8))


def _attention() -> cr.Node:
    rng = np.random.default_rng(4)
    q, k, v = (cr.variable(rng.normal(size=(2, 4, 3)), name=name) for name in "qkv")
    return cr.sum(cr.nn.scaled_dot_product_attention(q, k, v) ** 3)


def _dropout() -> cr.Node:
    x = cr.variable(np.linspace(-1, 1, 12).reshape(3, 4))
    return cr.mean(cr.nn.dropout(x, 0.5, cr.random.fold_in(cr.random.key(5), 2)) ** 2)


def _tagger() -> cr.Node:
    rng = np.random.default_rng(5)
    table, weights = (cr.variable(rng.normal(size=shape)) for shape in [(20, 6), (18, 5)])
    words = np.array([[3, 1, 4], [1, 5, 9], [2, 6, 5], [3, 5, 8]])
    rows = cr.reshape(cr.nn.embedding(words, table), (4, 18))
    return cr.nn.cross_entropy(cr.tanh(rows @ weights), [0, 1, 2, 4])


GRAPHS = {
    "fork": _fork,
    "784-16-16-10": _perceptron,
    "attention": _attention,
    "dropout": _dropout,
    "tagger": _tagger,
}


@pytest.mark.parametrize("name", GRAPHS)
def test_both_passes_equal_the_record(browser: Any, tmp_path: Path, name: str) -> None:
    record = explain(GRAPHS[name](), check=False).record
    page = open_modules(browser, tmp_path, _REPLAY)
    found = page.evaluate("(program) => replay(program)", record["program"])
    page.close()
    compared = 0
    for place, number in shown_places(record):
        assert (number is None) == (place not in found), place
        if number is None or record["tensors"][number]["rows"] or record["tensors"][number]["columns"]:
            continue
        expected, *_ = decode(record["tensors"][number])
        got = as_array(found[place], expected.shape, expected.dtype.name)
        # Errors of a few units in the last place travel through the graph and may cancel to near nothing.
        scale = max(1.0, float(np.abs(expected).max(initial=0)))
        atol = 64 * scale * float(np.finfo(expected.dtype).eps) if expected.dtype.kind == "f" else 0
        np.testing.assert_allclose(got, expected, rtol=0, atol=atol, err_msg=place)
        compared += 1
    assert compared > 20


#: As the other engines are held to it: random graphs magnify what the last place rounds.
_CLOSE = {"float32": 2e-3, "float64": 1e-8}


def random_program(seed: int, dtype: str) -> tuple[dict[str, Any], list[Any]]:
    """The program of a random graph and of gradients of it, and the stepper's values."""
    rng = np.random.default_rng(seed)
    maker = Maker(lambda n: int(rng.integers(n)), dtype)
    for _ in range(6):
        maker.grow()
    nodes = maker.pool[-3:]
    if nodes and maker.variables:
        nodes += [found for found in cr.gradients(total(nodes), maker.variables[-4:]) if found is not None]
    environment = bind(maker.feed)
    return program([Place(node) for node in nodes], environment), Stepper(nodes).run(dict(environment))


@pytest.mark.parametrize("dtype", _CLOSE)
def test_random_graphs_and_their_gradients(browser: Any, tmp_path: Path, dtype: str) -> None:
    made = [random_program(seed, dtype) for seed in range(80)]
    offered = [(found, values) for found, values in made if "refused" not in found]
    assert len(offered) > 60
    page = open_modules(browser, tmp_path, _REPLAY)
    replayed = page.evaluate("(programs) => programs.map(replay)", [found for found, _ in offered])
    page.close()
    for places, (_, values) in zip(replayed, offered, strict=True):
        assert len(places) == len(values)
        for number, expected in enumerate(values):
            got = as_array(places[f"value:{number}"], expected.shape, expected.dtype.name)
            within = _CLOSE[dtype] * max(1e-2, float(np.abs(expected).max(initial=0)))
            np.testing.assert_allclose(got, expected, rtol=_CLOSE[dtype], atol=within)


def shown_places(record: dict[str, Any]) -> Iterator[tuple[str, int | None]]:
    """Every place of a page, with the number of its tensor."""
    for node in record["nodes"]:
        yield f"value:{node['id']}", node["value"]
        yield f"gradient:{node['id']}", node["gradient"]
        for k, term in enumerate(node["terms"]):
            for role in ("upstream", "local", "downstream"):
                yield f"{role}:{node['id']}:{k}", term[role]
