"""Words in columns: CoNLL-U and older formats, the oddities of real files, the faults of broken ones."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data import CONLLU, Sentences, read_columns, read_conllu, write_columns
from chainrule.errors import ArgumentError, DataError, IndexRangeError


def word(identity: str, form: str, head: str = "0", **more: str) -> str:
    values = dict.fromkeys(CONLLU, "_") | {"form": form, "head": head} | more
    return "\t".join([identity, *values.values()])


SPANISH = "\n".join(
    [
        "# newdoc id = n1",
        "# text = Vámonos al 10 000 # mar",
        "1-2\tVámonos\t" + "\t".join("_" * 8),
        word("1", "Vamos", lemma="ir", upos="VERB", deprel="root"),
        word("2", "nos", "1", upos="PRON"),
        "3-4\tal\t" + "\t".join("_" * 8),
        word("3", "a", "6"),
        word("4", "el", "6"),
        "# a remark in the middle",
        word("5", "10 000", "6"),
        word("6", "#", "1", upos="_"),
        word("6.1", "left out", "_", deps="6:x"),
        word("7", "mar", "_"),
        "",
        " \t",
        "# a remark and no words",
        "",
        word("0.1", "left out", "_"),
        word("1", "Sí"),
    ]
)
FORMS = [["Vamos", "nos", "a", "el", "10 000", "#", "mar"], ["Sí"]]


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\n\n\n", "\n \n"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_conllu_as_it_comes(
    tmp_path: Path, start: bytes, line_end: str, end: str, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "a.conllu"
    path.write_bytes(pack(start + (SPANISH + end).replace("\n", line_end).encode()))
    found = read_conllu(path)
    assert found["form"] == FORMS
    assert found["upos"][0] == ["VERB", "PRON", "_", "_", "_", "_", "_"]
    assert found["lemma"][0][0] == "ir"
    assert found["head"][0] == ["0", "1", "6", "6", "6", "1", "_"]
    assert tuple(found.columns) == CONLLU
    assert (len(found), found.sizes, found.lines, found.path) == (2, [7, 1], [4, 19], path)


@pytest.mark.parametrize("content", ["", "\n", "# only\n\n# remarks"])
def test_a_file_without_words_has_no_sentences(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a"
    path.write_text(content)
    assert len(read_conllu(path)) == 0
    assert read_columns(path, ("form",), comments="#") == Sentences({"form": []}, [], path)


@pytest.mark.parametrize(
    ("lines", "line", "message"),
    [
        (["It\tP"], 1, r"2 tab-separated column\(s\) where CoNLL-U has 10: 'It\\tP'"),
        ([word("1", "a"), word("2", "b") + "\t_"], 2, "11 tab-separated"),
        ([word("1", "a").replace("\t", "  ")], 1, "(?s)1 tab-separated.*put tabs"),
        ([word("1", "a"), "", word("1", "")], 3, "the column 'form' is empty"),
        ([word("", "a")], 1, "the column 'id' is empty"),
        ([word("1", "a", feats="")], 1, "'feats' is empty"),
        ([word("2", "a")], 1, "numbered '2' where 1 was expected"),
        ([word("1", "a"), word("1", "b")], 2, "numbered '1' where 2 was expected"),
        ([word("1", "a"), word("01", "b")], 2, "numbered '01'"),
        ([word("1", "a"), word("2.1", "b")], 2, "numbered '2.1'"),
        ([word("x", "a")], 1, "numbered 'x'"),
        ([word("²", "a")], 1, "numbered '²'"),
        ([word("2-3", "ab")], 1, "multi-word token 2-3 stands before word 1"),
        ([word("1-0", "ab")], 1, "multi-word token 1-0|numbered '1-0'"),
        ([word("1-2", "ab"), word("1-2", "ab")], 2, "multi-word token 1-2 stands"),
        ([word("1-2", "ab"), word("1", "a"), "", word("1", "c")], 1, "1-2 reaches beyond the 1 word"),
        ([word("1-3", "ab"), word("1", "a"), word("2", "b")], 1, "1-3 reaches beyond the 2 word"),
        ([word("1", "a", "1"), word("2", "b", "3")], 2, r"the head '3' is none of the 2 word\(s\)"),
        ([word("1", "a", "-1")], 1, "the head '-1'"),
        ([word("1", "a", "root")], 1, "the head 'root'"),
        ([word("1", "a", "٠")], 1, "the head"),
        ([word("1", "x" * 100)[:-2]], 1, r"9 tab.*'1\\tx{50,}…'"),
    ],
)
def test_broken_conllu_names_its_line(tmp_path: Path, lines: list[str], line: int, message: str) -> None:
    path = tmp_path / "a.conllu"
    path.write_text("# remark\n" + "\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        read_conllu(path)
    assert (caught.value.path, caught.value.line) == (path, line + 1)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "read", [read_conllu, lambda path, encoding="utf-8": read_columns(path, ("form",), encoding=encoding)]
)
def test_bytes_of_another_encoding(tmp_path: Path, read: Callable[..., Sentences]) -> None:
    path = tmp_path / "a"
    path.write_bytes((word("1", "a") if read is read_conllu else "a").encode() + b"\n\n\xe9\n")
    with pytest.raises(DataError, match="are not utf-8") as caught:
        read(path)
    assert caught.value.line == 3
    path.write_bytes((word("1", "caf\xe9") if read is read_conllu else "caf\xe9").encode("latin-1"))
    assert read(path, encoding="latin-1")["form"] == [["café"]]


def test_equal_values_are_kept_once(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("Oslo NNP\nOslo NNP\n\nOslo NNP\n")
    forms = read_columns(path, ("form", "pos"))["form"]
    assert len({id(form) for sentence in forms for form in sentence}) == 1


# -- any columns -----------------------------------------------------------------------------------

OSLO = Sentences({"form": [["In", "Oslo", "."], ["Yes"]], "ner": [["O", "B-LOC", "O"], ["O"]]}, [1, 5], "")


@pytest.mark.parametrize(
    ("text", "separator", "lines"),
    [
        ("In O\nOslo B-LOC\n. O\n\nYes O\n", None, [1, 5]),
        ("In\tO\nOslo\t \tB-LOC\n.   O\n \t \n  Yes O  ", None, [1, 5]),
        ("In O\nOslo B-LOC\n. O\n\nYes O\n", " ", [1, 5]),
        ("In\tO\nOslo\tB-LOC\n.\tO\n\t\nYes\tO", "\t", [1, 5]),  # a line of a tab ends a sentence, too
        ("-DOCSTART- -X- O O\n\nIn O\nOslo B-LOC\n. O\n-DOCSTART-\nYes O\n\n", None, [3, 7]),
        ("\n\n\nIn O\nOslo B-LOC\n. O\n\n\n\nYes O\n\n\n", None, [4, 10]),
        ("In\tO\r\nOslo\tB-LOC\r\n.\tO\r\n\r\nYes\tO\r\n", "\t", [1, 5]),
        ("\ufeffIn,O\nOslo,B-LOC\n.,O\n\nYes,O\n", ",", [1, 5]),
        ("In::O\nOslo::B-LOC\n.::O\n\nYes::O\n", "::", [1, 5]),
    ],
)
def test_columns_as_they_come(tmp_path: Path, text: str, separator: str | None, lines: list[int]) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(text.encode()))
    assert read_columns(path, ("form", "ner"), separator) == Sentences(OSLO.columns, lines, path)


def test_comments_only_where_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("# id 1\n#NFL O\nwon O\n")
    with pytest.raises(DataError, match=r"3 column\(s\) where 2 were expected \(form, ner\): '# id 1'"):
        read_columns(path, ("form", "ner"))
    found = read_columns(path, ("form", "ner"), comments="# ")
    assert (found["form"], found.lines) == ([["#NFL", "won"]], [2])


def test_a_document_line_can_be_a_word(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("-DOCSTART- O\n\na O\n")
    assert read_columns(path, ("form", "ner"), docstart=None)["form"] == [["-DOCSTART-"], ["a"]]
    path.write_text("a O\n%% 7\nb O\n")
    assert read_columns(path, ("form", "ner"), docstart="%%")["form"] == [["a"], ["b"]]


def test_only_blanks_and_tabs_part_columns(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("10\xa0000 NUM\n\u3000 SYM\n\x85 SYM\na\u2028b X\n", encoding="utf-8")
    assert read_columns(path, ("form", "pos"))["form"] == [["10\xa0000", "\u3000", "\x85", "a\u2028b"]]
    path.write_text("10 000\tNUM\n \tSYM\n")
    assert read_columns(path, ("form", "pos"), "\t")["form"] == [["10 000", " "]]


def test_a_column_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("Oslo NNP B-NP B-LOC\n")
    found = read_columns(path, ("form", "_", "_", "ner"))
    assert found.columns == {"form": [["Oslo"]], "ner": [["B-LOC"]]}


@pytest.mark.parametrize(
    ("text", "separator", "line", "message", "mend"),
    [
        (
            "a b O\n",
            None,
            1,
            r"3 column\(s\) where 2 were expected \(form, ner\): 'a b O'",
            "name each column",
        ),
        ("a O\n\nb\n", None, 3, r"1 column\(s\) where 2 were expected", "mend this line"),
        ("a O\nb O O\n", None, 2, "3 column", "mend this line"),
        ("a  O\n", " ", 1, "3 column", "check what parts them"),
        ("a\tO\nb O\n", "\t", 2, "1 column", "any blanks: None"),
        ("a\tO\n\tO\n", "\t", 2, "the column 'form' is empty", "written as _"),
        ("a\tO\nb\t\n", "\t", 2, "the column 'ner' is empty", "written as _"),
        (" O\n", None, 1, "1 column", "name each"),
    ],
)
def test_broken_columns_name_their_line(
    tmp_path: Path, text: str, separator: str | None, line: int, message: str, mend: str
) -> None:
    path = tmp_path / "a.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        read_columns(path, ("form", "ner"), separator)
    assert (caught.value.path, caught.value.line) == (path, line)
    assert mend in str(caught.value.mend)


@pytest.mark.parametrize("names", [(), ("a", "a"), ("_", "_"), "form"])
def test_names_that_name_nothing(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(ArgumentError, match="columns named"):
        read_columns(tmp_path / "absent", names)


@pytest.mark.parametrize("separator", ["", "\n", "\r\n"])
def test_separators_that_part_nothing(tmp_path: Path, separator: str) -> None:
    for call in (
        lambda: read_columns(tmp_path / "absent", ("form",), separator),
        lambda: write_columns(tmp_path / "absent", OSLO, separator=separator),
    ):
        with pytest.raises(ArgumentError, match="cannot be parted by"):
            call()


def test_a_sentence_of_ten_thousand_words(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("w O\n" * 10_000)
    assert read_columns(path, ("form", "ner")).sizes == [10_000]


# -- sentences -------------------------------------------------------------------------------------


def test_a_column_there_is_not() -> None:
    with pytest.raises(DataError) as caught:
        OSLO["nre"]
    assert caught.value.what == "no column 'nre'; there are: 'form', 'ner'"
    assert caught.value.mend == "did you mean 'ner'?"


def test_selected_sentences_keep_their_lines() -> None:
    found = OSLO.select(iter([1, 0, 1]))
    assert (found["form"], found.lines) == ([["Yes"], ["In", "Oslo", "."], ["Yes"]], [5, 1, 5])
    assert len(OSLO.select([])) == 0
    for outside in (2, -1):
        with pytest.raises(IndexRangeError, match=f"sentence {outside} is not among 0 … 1"):
            OSLO.select([outside])


@pytest.mark.parametrize(
    ("columns", "lines", "message"),
    [
        ({}, [], "at least one column"),
        ({"form": [["a"]]}, [], "0 line numbers for 1 sentences"),
        ({"form": [["a"]], "pos": []}, [1], "their number of sentences, 1 and 0"),
        ({"form": [["a"], ["b"]], "pos": [["x"], []]}, [1, 3], "the length of sentence 1, 1 and 0"),
    ],
)
def test_columns_that_do_not_fit_each_other(
    columns: dict[str, list[list[str]]], lines: list[int], message: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        Sentences(columns, lines, "")


# -- writing ---------------------------------------------------------------------------------------

VALUES = st.text(st.sampled_from("ab# \t,\r\n\ufeff\u2028\x85é"), max_size=4) | st.just("-DOCSTART-")
TABLES = st.lists(st.lists(st.tuples(VALUES, VALUES), max_size=3), max_size=3)


@settings(deadline=None, max_examples=300)
@given(TABLES, st.sampled_from(["\t", " ", ",", "ab"]))
def test_what_is_written_is_read_back_or_refused(
    tmp_path_factory: pytest.TempPathFactory, table: list[list[tuple[str, str]]], separator: str
) -> None:
    path = tmp_path_factory.mktemp("columns") / "a.txt"
    columns = {
        "form": [[row[0] for row in sentence] for sentence in table],
        "ner": [[row[1] for row in sentence] for sentence in table],
    }
    sentences = Sentences(columns, [1] * len(table), "")
    try:
        write_columns(path, sentences, separator=separator)
    except ArgumentError:
        assert not path.exists()
        assert any(
            not sentence
            or any(
                not value
                or set(value) & set("\r\n")
                or set(separator) & set(value)
                or not (row[0] + row[1]).strip(" \t")
                or value.startswith(("-DOCSTART-", "\ufeff"))
                for row in sentence
                for value in row
            )
            for sentence in table
        )
    else:
        assert read_columns(path, ("form", "ner"), separator).columns == columns


def test_chosen_columns_are_written_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_columns(path, OSLO, ("ner", "form"), " ")
    assert path.read_bytes() == b"O In\nB-LOC Oslo\nO .\n\nO Yes\n\n"


def test_what_cannot_be_written_is_named_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(
        ArgumentError, match=r"word 0 of sentence 1 cannot be written .*: form 'a b', pos 'X'"
    ):
        write_columns(
            path, Sentences({"form": [["c"], ["a b"]], "pos": [["X"], ["X"]]}, [1, 3], ""), separator=" "
        )
    with pytest.raises(ArgumentError, match="sentence 0 is empty"):
        write_columns(path, Sentences({"form": [[]]}, [1], ""))
    assert path.read_text() == "old"
