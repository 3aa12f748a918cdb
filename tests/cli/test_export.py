"""``chainrule export`` and the picture that ``train word2vec`` leaves."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from chainrule.cli.main import main
from chainrule.data import read_vectors

QUICK = (
    "--set", "training.epochs=1", "--set", "model.width=4", "--set", "data.tokens=spaces", "--set",
    "data.min_count=1", "--set", "baseline=false", "--set", "data.subsample=0",
)  # fmt: skip


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of word2vec."""
    folder = tmp_path_factory.mktemp("word2vec")
    (folder / "text.txt").write_text("the river bends\nthe river falls\nstone upon stone\n" * 8)
    out = folder / "run"
    data = str(folder / "text.txt")
    assert main(["train", "word2vec", "-q", "--data", data, "--out", str(out), *QUICK]) == 0
    return out


def test_training_leaves_a_map_in_the_folder_and_on_the_page(vectors: Path) -> None:
    assert ElementTree.parse(vectors / "map.svg").getroot().tag.endswith("svg")
    page = (vectors / "report.html").read_text(encoding="utf-8")
    assert "<h2>Learned</h2>" in page
    assert "in the plane of most variance" in page


@pytest.mark.parametrize("form", ["word2vec", "glove", "word2vec-binary"])
def test_what_is_written_is_read_back_bit_for_bit(run, vectors: Path, tmp_path: Path, form: str) -> None:
    ran = run("export", str(vectors), "--format", form, "--out", "v.gz", "--json")
    assert ran.code == 0
    told = json.loads(ran.out)
    assert (told["words"], told["dimension"], told["format"]) == (6, 4, form)
    found = read_vectors(tmp_path / "v.gz")
    assert set(found.words) == {"the", "river", "bends", "falls", "stone", "upon"}
    assert run("export", str(vectors), "--format", "word2vec-binary", "--out", "again.bin").code == 0
    again = read_vectors(tmp_path / "again.bin")
    assert found.words == again.words
    np.testing.assert_array_equal(found.matrix, again.matrix)
    head = gzip.decompress((tmp_path / "v.gz").read_bytes())[:4]
    assert (head == b"6 4\n") == (form != "glove")


def test_the_usual_place_is_the_run_folder(run, vectors: Path) -> None:
    ran = run("export", str(vectors))
    assert ran.code == 0
    assert "6 words, 4 numbers each" in ran.err
    assert (vectors / "vectors.txt").is_file()
    (vectors / "vectors.txt").unlink()


def test_a_run_without_vectors_and_a_place_that_is_none(run, vectors: Path, finished: Path) -> None:
    ran = run("export", str(finished))
    assert ran.code != 0
    assert "has no word vectors" in ran.err
    ran = run("export", str(vectors), "--out", "nowhere/v.txt")
    assert ran.code == 3
    assert "no such folder" in ran.err


def test_questions_on_the_command_line(run, vectors: Path) -> None:
    ran = run("predict", str(vectors), "river", "the river", "--json")
    answers = json.loads(ran.out)["predictions"]
    assert len(answers[0]["nearest"]) == 5
    assert -1 <= answers[1]["similarity"] <= 1
    rows = [line.split("\t") for line in run("predict", str(vectors), "river", "the river").out.splitlines()]
    assert [row[0] for row in rows] == ["river", "the river"]
    assert (rows[0][2], rows[1][1]) == ("", "")  # an answer that the other has
