"""Tables and pages of figures that were never measured, so that every number is known."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from chainrule.bench import Figure, Machine, Results, Work, check_page, write_page
from chainrule.bench.results import BEGIN, END
from chainrule.errors import DataError
from chainrule.train.json_text import plain


def results() -> Results:
    """Ours at 20 µs, a peer at 50 µs with other losses, one that failed, and one thread without ours."""
    found = Results(
        "chainrule stepper",
        {1: Machine(1, 1e9, {4_000: 1e9}), 2: Machine(2, 2e9, {4_000: 1e9})},
        {"mlp16": Work(10_000, 4_000)},
        {"mlx": "not installed here"},
        machine="a machine",
        date="2001-02-03",
    )
    found.figures = [
        Figure(
            "mlp16",
            "chainrule stepper",
            1,
            "chainrule 1",
            device="CPU",
            step=20e-6,
            processor=19e-6,
            cold=0.5,
            warm=0.25,
            memory=3 << 20,
            agrees=True,
        ),
        Figure(
            "mlp16",
            "torch eager",
            1,
            "torch 9",
            "fused",
            "CPU",
            step=50e-6,
            processor=48e-6,
            cold=1.0,
            warm=1.0,
            agrees=False,
        ),
        Figure("mlp16", "jax scan", 1, problem="not | now"),
        Figure(
            "mlp16",
            "torch eager",
            2,
            "torch 9",
            "loop",
            "H200 (1 of 2)",
            step=40e-6,
            processor=80e-6,
            cold=1.0,
            warm=1.0,
            agrees=True,
        ),
    ]
    return found


def test_ratios_and_shares() -> None:
    found = results()
    ours, torch, _, alone = found.figures
    assert (found.ratio(ours), found.ratio(torch)) == (1.0, 2.5)
    assert math.isnan(found.ratio(alone))
    assert found.share(ours) == pytest.approx(10e-6 / 20e-6)  # 10,000 FLOPs at 1e9 outlast 4,000 bytes at 1e9
    assert found.share(alone) == pytest.approx(5e-6 / 40e-6)
    assert found.wrong == [torch]
    ours.problem = "it broke"
    assert found.wrong == [ours, torch]


def test_a_busy_machine_shows() -> None:
    found = results()
    assert math.isnan(found.unrest)
    for figure, best in zip(found.figures, (10e-6, 40e-6, math.nan, 40e-6), strict=True):
        if figure.way != "jax scan":
            figure.best, figure.rounds = best, [figure.step]
    assert found.unrest == pytest.approx(1.25)  # of 2, 1.25 and 1


def test_the_table_of_a_workload() -> None:
    table = results().table("mlp16")
    assert table.title == "mlp16: 784-16-16-10, sigmoid, cross-entropy (0.0 MFLOP, 0.00 MB)"
    assert [tuple(str(cell).strip() for cell in row) for row in table.rows] == [
        ("chainrule stepper", "1", "CPU", "20.0", "1.00", "50%", "19.0", "0.50", "0.25", "3", ""),
        (
            "torch eager",
            "1",
            "CPU",
            "50.0",
            "2.50",
            "20%",
            "48.0",
            "1.00",
            "1.00",
            "None",
            "fused, OTHER LOSSES: not the same network",
        ),
        ("jax scan", "1", "", "", "", "", "", "", "", "None", "not | now"),
        ("torch eager", "2", "H200 (1 of 2)", "40.0", "—", "12%", "80.0", "1.00", "1.00", "None", "loop"),
    ]
    assert {len(row[3]) for row in table.rows} == {4}


def test_the_summary_and_the_peaks() -> None:
    found = results()
    assert found.summary(1).rows == (("mlp16", "20.0", "50.0 (2.5×)", "—"),)
    assert found.summary(2).rows == (("mlp16", "40.0"),)
    assert [[cell.strip() for cell in row[2:]] for row in found.peaks().rows] == [
        ["1", "1", "0.01", "0.00", "10.0"],
        ["2", "1", "0.01", "0.00", "5.0"],
    ]


def test_against_the_fastest_way_that_trains_the_same() -> None:
    found = results()
    assert [cell.strip() for cell in map(str, found.verdict().rows[0])] == [
        "mlp16",
        "1",
        "20.0",
        "",
        "",
        "50%",
        "—",
    ]
    found.figures += [
        Figure("mlp16", "jax step", 1, step=60e-6, agrees=True),
        Figure("mlp16", "mlx compile", 1, step=30e-6, agrees=True),
    ]
    (row,) = found.verdict().rows
    assert row == ("mlp16", 1, "20.0", "30.0", "1.50", "50%", "mlx compile")


def test_for_machines() -> None:
    found = json.loads(json.dumps(plain(results().mapping()), allow_nan=False))
    assert (found["machine"], found["date"], found["versions"]) == (
        "a machine",
        "2001-02-03",
        ["chainrule 1", "torch 9"],
    )
    assert found["workloads"][0]["flops"] == 10_000
    assert found["peaks"][1] == {"threads": 2, "flops": 2e9, "bandwidth": {"4000": 1e9}, "core": ""}
    assert [figure["ratio"] for figure in found["figures"]] == [1.0, 2.5, None, None]
    assert found["not_measured"] == {"mlx": "not installed here"}


def test_a_page_is_begun_and_brought_up_to_date(tmp_path: Path) -> None:
    page, found = tmp_path / "page.md", results()
    write_page(found, page)
    begun = page.read_text(encoding="utf-8")
    assert begun.startswith("# Benchmarks\n")
    assert (
        "Measured on 2001-02-03: a machine.\n\nVersions: chainrule 1, torch 9.\n\nNot measured: mlx (not"
        in begun
    )
    assert "| mlp16 | 20.0 | 50.0 (2.5×) | — |" in begun
    assert "| jax scan | 1 |  |  |  |  |  |  |  |  | not \\| now |" in begun
    page.write_text(begun.replace("# Benchmarks", "# My own words") + "\nand an end\n", encoding="utf-8")
    found.date = "2002-03-04"
    write_page(found, page)
    now = page.read_text(encoding="utf-8")
    assert now.startswith("# My own words\n")
    assert now.endswith(f"{END}\n\nand an end\n")
    assert ("2001-02-03" in now, now.count("2002-03-04"), now.count(BEGIN)) == (False, 1, 1)


@pytest.mark.parametrize("text", ["nothing", f"{END} {BEGIN}", f"{BEGIN}{BEGIN}{END}", BEGIN])
def test_a_file_without_a_place_for_figures_is_left_alone(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="no place for the figures"):
        write_page(results(), page)
    assert page.read_text(encoding="utf-8") == text


def test_pages_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        check_page(tmp_path / "nowhere" / "page.md")
    with pytest.raises(DataError, match="a folder where a file was expected"):
        check_page(tmp_path)


def test_what_ran_on_a_gpu_is_held_against_no_processors_roofline() -> None:
    found = results()
    found.machines = {}
    assert math.isnan(found.share(found.figures[0]))
    text = found.markdown()
    assert "What a step cannot go below" not in text
    assert "| torch eager | 2 | H200 (1 of 2) | 40.0 | — | — |" in text
    assert plain(found.mapping())["figures"][3]["device"] == "H200 (1 of 2)"
