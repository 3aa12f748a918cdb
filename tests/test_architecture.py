"""The house: each room imports only rooms below it, no import runs in a circle or hides in a function."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import chainrule

SOURCE = Path(chainrule.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))

#: From the ground up; a room may import what stands before it.
ROOMS = (
    "version", "errors", "places", "dtypes", "special", "namespace", "trees", "graph", "loops", "rewrite",
    "ops", "functions", "differentiate", "simplify",
    "engines", "compile", "transforms",
    "nn", "optim", "data", "models", "train", "tasks",
    "view", "diagnose", "bench", "launch", "cli",
)  # fmt: skip

#: Third-party packages that may be imported where they are used: optional, or slow to import.
LAZY = {
    "charset_normalizer", "grpc", "igraph", "jax", "matplotlib", "mlx", "optuna", "pooch", "rich", "scipy",
    "sklearn", "sqlalchemy", "tensorflow", "torch",
}  # fmt: skip

#: What the package's own front door may do: import every room.
FRONT_DOORS = {"__init__.py", "__main__.py"}


def room_of(file: Path) -> str:
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def module_of(file: Path) -> str:
    parts = ("chainrule", *file.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


Import = tuple[str, list[str], ast.stmt, bool, bool]


def imports(tree: ast.AST, file: Path) -> Iterator[Import]:
    """Each import: module, names, statement, whether only for types, whether inside a function."""

    def walk(
        node: ast.AST, typing_only: bool, inside: bool
    ) -> Iterator[tuple[str, list[str], ast.stmt, bool, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield alias.name, [], child, typing_only, inside
            elif isinstance(child, ast.ImportFrom):
                yield absolute(child, file), [alias.name for alias in child.names], child, typing_only, inside
            else:
                test = child.test if isinstance(child, ast.If) else None
                guarded = typing_only or (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING")
                function = inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                yield from walk(child, guarded, function)

    yield from walk(tree, False, False)


def absolute(statement: ast.ImportFrom, file: Path) -> str:
    """The module that a ``from … import`` names, in full."""
    if not statement.level:
        return statement.module or ""
    package = module_of(file).split(".")
    if file.name != "__init__.py":
        package = package[:-1]
    base = package[: len(package) - statement.level + 1]
    return ".".join([*base, *([statement.module] if statement.module else [])])


def targets(module: str, names: list[str]) -> list[str]:
    """The files of the package that an import loads."""
    if module != "chainrule" and not module.startswith("chainrule."):
        return []
    found = [f"{module}.{name}" for name in names if is_module(f"{module}.{name}")]
    # `from . import x` with modules only does not need the package's own names.
    return found if found and len(found) == len(names) else [*found, module]


def is_module(name: str) -> bool:
    path = SOURCE.joinpath(*name.split(".")[1:])
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def test_every_file_lives_in_a_room() -> None:
    strays = [str(f.relative_to(SOURCE)) for f in FILES if room_of(f) not in (*ROOMS, "__init__", "__main__")]
    assert not strays, f"no room for {strays}: the design is missing something"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_imports_go_down(file: Path) -> None:
    if file.parent == SOURCE and file.name in FRONT_DOORS:
        return
    room = room_of(file)
    for module, names, statement, _, _ in imports(parsed(file), file):
        for target in targets(module, names):
            if target == "chainrule":
                pytest.fail(f"line {statement.lineno}: import the room, not the package's front door")
            other = target.split(".")[1]
            assert other == room or ROOMS.index(other) < ROOMS.index(room), (
                f"line {statement.lineno}: {room} imports {other}, which stands above it"
            )


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_no_import_hides_in_a_function(file: Path) -> None:
    for module, _, statement, _, inside in imports(parsed(file), file):
        assert not inside or module.split(".")[0] in LAZY, (
            f"line {statement.lineno}: {module} is imported inside a function"
        )


def test_no_import_runs_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for file in FILES:
        if file.parent == SOURCE and file.name in FRONT_DOORS:
            continue
        own = module_of(file)
        graph[own] = {
            target
            for module, names, _, typing_only, _ in imports(parsed(file), file)
            if not typing_only
            for target in targets(module, names)
            if target != own
        }
    state: dict[str, int] = {}

    def visit(node: str, path: tuple[str, ...]) -> None:
        if state.get(node) == 2:
            return
        assert state.get(node) != 1, f"a circle: {' -> '.join([*path[path.index(node) :], node])}"
        state[node] = 1
        for target in sorted(graph.get(node, ())):
            visit(target, (*path, node))
        state[node] = 2

    for node in sorted(graph):
        visit(node, ())


@pytest.mark.parametrize("room", [room for room in ROOMS if (SOURCE / room).is_dir()])
def test_a_room_says_what_it_is(room: str) -> None:
    doc = ast.get_docstring(parsed(SOURCE / room / "__init__.py")) or ""
    lines = [line for line in doc.splitlines() if line.strip()]
    assert len(lines) == 3, f"{room}/__init__.py opens with three lines: what, may import, where to start"
    assert lines[1].startswith("May import:")
    assert lines[2].startswith("Start reading at")


@pytest.mark.parametrize("room", [room for room in ROOMS if (SOURCE / room).is_dir() and room != "cli"])
def test_a_room_opens_onto_its_public_names(room: str) -> None:
    module = importlib.import_module(f"chainrule.{room}")
    assert module.__all__
    assert not [name for name in module.__all__ if not hasattr(module, name)]


def test_files_stay_small() -> None:
    long = {str(f.relative_to(SOURCE)): n for f in FILES if (n := len(f.read_text().splitlines())) > 450}
    assert not long, f"two rooms in one: {long}"


def test_no_folder_hides_behind_a_name_of_the_room_above() -> None:
    """``import a.b as it`` and ``a.b`` would be two things."""
    for folder in {file.parent for file in FILES} - {SOURCE}:
        front = folder.parent / "__init__.py"
        for module, names, *_ in imports(parsed(front), front):
            itself = module == module_of(front)  # from . import folder
            assert itself or folder.name not in names, f"{folder.relative_to(SOURCE)} is hidden"
