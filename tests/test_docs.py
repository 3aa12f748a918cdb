"""The guide: its programs run, its commands print what it says, its links lead somewhere."""

from __future__ import annotations

import doctest
import re
import shlex
import shutil
from pathlib import Path

import pytest

from chainrule.cli.main import cli, main
from chainrule.data.source_table import SOURCES
from chainrule.tasks import TASKS
from chainrule.train.configuration import Options, resolve, to_mapping

ROOT = Path(__file__).parent.parent
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", *DOCS]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def fenced(text: str, language: str) -> list[str]:
    """The blocks of a document that are written in a language."""
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def links(text: str) -> list[tuple[str, str]]:
    """Texts and targets of a document's links to files."""
    return [(t, target) for t, target in re.findall(r"\[([^\]]+)\]\(([^)]+)\)", text) if "://" not in target]


def anchors(text: str) -> set[str]:
    """What the headings of a document are called in links."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file_and_to_what_it_names(path: Path) -> None:
    found = links(path.read_text(encoding="utf-8"))
    assert found
    for text, target in found:
        file, _, anchor = target.partition("#")
        place = (path.parent / file).resolve() if file else path
        assert place.is_file(), f"{target} does not exist"
        assert place.is_relative_to(ROOT)
        if anchor:
            assert anchor in anchors(place.read_text(encoding="utf-8")), f"{target}: no such heading"
        name = re.fullmatch(r"`(\w+)`", text)
        if name and place.suffix == ".py":
            source = place.read_text(encoding="utf-8")
            assert re.search(rf"^\s*(def|class) {name[1]}\b", source, re.MULTILINE), (
                f"no {name[1]} in {target}"
            )


def test_every_row_of_the_lectures_has_a_place_or_says_not_yet() -> None:
    rows = [
        line for line in (ROOT / "docs/slides.md").read_text(encoding="utf-8").splitlines() if "|" in line
    ]
    rows = [line for line in rows if not line.startswith(("| row |", "|---"))]
    assert len(rows) >= 45
    for line in rows:
        _, row, lecture, place, _ = re.split(r"(?<!\\)\|", line)
        assert row.strip()
        assert re.fullmatch(r"[PBMC](, [PBMC])*", lecture.strip()), line
        assert links(place) or "not yet" in place, line


def test_every_example_is_in_the_index_and_every_row_s_example_runs_in_a_test() -> None:
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    listed = {target.removeprefix("../") for _, target in links(index) if target.startswith("../examples/")}
    assert listed == {f"examples/{path.name}" for path in (ROOT / "examples").glob("*.py")}


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_programs_print_what_they_say(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    program = "\n".join(fenced(text, "python"))
    test = doctest.DocTestParser().get_doctest(program, {}, path.name, str(path), 0)
    report: list[str] = []
    outcome = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append)
    assert not outcome.failed, "".join(report)
    assert program.count("```") == 0
    assert bool(test.examples) is (
        path.name
        in {
            "data.md",
            "derivations.md",
            "diagnosis.md",
            "explain.md",
            "native_engine.md",
            "ner.md",
            "own_op.md",
            "simplifying.md",
            "textcnn.md",
            "training.md",
        }
    )


def test_commands_print_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    blocks = fenced((ROOT / "docs/command_line.md").read_text(encoding="utf-8"), "console")
    commands = [part.split("\n", 1) for block in blocks for part in block.split("$ ")[1:]]
    assert len(commands) >= 8
    for command, said in commands:
        program, *arguments = shlex.split(command)
        assert program == "chainrule"
        main(arguments)
        captured = capsys.readouterr()
        printed = captured.out + captured.err
        wanted = re.sub(r"(?m)^…$", "...", said).replace("…", "...")
        assert doctest.OutputChecker().check_output(wanted, printed, FLAGS), f"{command} printed\n{printed}"


def commands(text: str) -> list[list[str]]:
    """What a document tells to type, on a line or in a sentence; output that is shown with it aside."""
    text = re.sub(r"\\\n\s*", " ", text)
    found = re.findall(r"(?m)^(?: {4})?(chainrule [a-z]+ .*)$", text)
    found += re.findall(r"`(chainrule [a-z]+ [^`|…]*)[`|]", text.replace("\n", " "))
    return [shlex.split(line, comments=True)[1:] for line in found]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_command_is_one_that_is_understood(path: Path) -> None:
    for name, *arguments in commands(path.read_text(encoding="utf-8")):
        arguments = arguments[: arguments.index(">")] if ">" in arguments else arguments
        params = cli.commands[name].make_context(name, arguments).params
        if name == "train":
            task = params["task"]
            resolve(task.Config, settings=params["settings"], task=task.name)
            data = params["data"] or ""
            assert re.search("[A-Z/.]|^$", data) or data in SOURCES, f"{data} is no named source"


def settings(config: type[Options]) -> set[str]:
    """``section.key`` of every setting."""
    sections = to_mapping(config()).items()
    return {f"{section}.{key}" for section, keys in sections if isinstance(keys, dict) for key in keys}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_setting_is_one_of_the_task_s(path: Path) -> None:
    """On the page of a task, of this one; elsewhere, of any."""
    tasks = [TASKS[path.stem]] if path.stem in TASKS else list(TASKS.values())
    known = set().union(*(settings(task.Config) for task in tasks))
    sections = "|".join({key.partition(".")[0] for key in known})
    text = path.read_text(encoding="utf-8")
    named = set(re.findall(rf"`((?:{sections})\.[a-z_0-9]+)(?:=[^`]*)?`", text))
    assert {name for name in named if not name.endswith((".html", ".py", ".safetensors"))} <= known
