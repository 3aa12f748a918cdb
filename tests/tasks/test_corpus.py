"""Text for language models: files, folders, tokens and splits, and what is said of those that do not do."""

from __future__ import annotations

import gzip

import pytest

from chainrule.data.sources import recorded_source
from chainrule.errors import ConfigurationError, DataError
from chainrule.tasks.corpus import (
    END,
    TextOptions,
    check_options,
    detokenise,
    read_corpus,
    read_test,
    tokenise,
)

PARTS = ("train", "validation", "test")


def options(source, **more):
    return TextOptions(source=str(source), **more)


def parts(corpus):
    return [getattr(corpus, part) for part in PARTS]


def flat(documents):
    return [token for document in documents for token in document]


def paragraphs(count):
    return [f"Paragraph {number} says\nword{number}. It ends." for number in range(count)]


# -- tokens ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "more", "expected"),
    [
        ("It rains. We\nstay 3 days.", {}, f"it rains . {END} we stay <number> days . {END}"),
        ("It rains.", {"lower": False}, f"It rains . {END}"),
        ("3 days", {"numbers": True}, f"3 days {END}"),
        ("a <unk> b", {}, f"a <unk> b {END}"),
        ("The <unk>\nisn't", {"tokens": "spaces"}, f"the <unk> {END} isn't {END}"),
        ("The  <unk> N ", {"tokens": "spaces", "lower": False}, f"The <unk> N {END}"),
        ("a\n\nb", {"tokens": "spaces"}, f"a {END} {END} b {END}"),
        ("", {}, ""),
    ],
)
def test_tokens(text, more, expected):
    assert tokenise(text, TextOptions(**more)) == expected.split()


def test_characters_keep_spaces_and_end_lines():
    settings = TextOptions(tokens="characters")
    assert tokenise("A b\nc", settings) == ["a", " ", "b", END, "c", END]


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("it doesn't rain (here). we stay.", {}),
        ("The <unk> N\nnext one", {"tokens": "spaces", "lower": False}),
        ("A b,  c.\n\n d", {"tokens": "characters", "lower": False}),
    ],
)
def test_detokenising_gives_the_text_back(text, more):
    settings = TextOptions(**more)
    assert detokenise(tokenise(text, settings), settings) == text


# -- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("start", "line_end"), [(b"", "\n"), (b"\xef\xbb\xbf", "\n"), (b"", "\r\n"), (b"\xef\xbb\xbf", "\r\n")]
)
def test_a_file_is_cut_at_blank_lines_whatever_ends_them(tmp_path, packed, start, line_end):
    content = start + "\n\n".join(paragraphs(60)).replace("\n", line_end).encode()
    path = tmp_path / "book.txt"
    path.write_bytes(gzip.compress(content) if packed else content)
    corpus = read_corpus(options(path))
    assert corpus.name == "book.txt"
    documents = [document for part in parts(corpus) for document in part]
    assert len(documents) == 60
    assert {len(document) for document in documents} == {
        len(f"paragraph n says w . {END} it ends . {END}".split())
    }
    assert not any("\ufeff" in token or "\r" in token for document in documents for token in document)
    assert 40 <= len(corpus.train) <= 54
    words = [{t for t in flat(part) if t.startswith("word")} for part in parts(corpus)]
    assert len(set.union(*words)) == 60  # no paragraph is in two parts
    assert sum(map(len, words)) == 60


def test_a_file_without_blank_lines_is_cut_every_twenty_lines(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("\n".join(f"line {number} ." for number in range(2000)))
    corpus = read_corpus(options(path, tokens="spaces"))
    assert {len(document) for part in parts(corpus) for document in part} == {80}
    assert sum(map(len, parts(corpus))) == 100


def test_a_file_of_one_line_is_cut_by_words(tmp_path):
    path = tmp_path / "line.txt"
    path.write_text("w " * 40_000)
    corpus = read_corpus(options(path, tokens="spaces"))
    assert flat(flat(parts(corpus))).count("w") == 40_000
    assert sum(map(len, parts(corpus))) == 100


def test_the_split_is_the_same_wherever_the_file_lies(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "book.txt").write_text("\n\n".join(paragraphs(50)))
    assert read_corpus(options(tmp_path / "a" / "book.txt")) == read_corpus(
        options(tmp_path / "b" / "book.txt")
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "there is no text to train on: 0 piece(s) were dealt out"),
        (b" \n\n \n", "there is no text to train on: 0 piece(s) were dealt out"),
        (b"One sentence.\n", "1 piece(s) were dealt out"),
    ],
)
def test_too_little_text_is_refused_with_the_files_name(tmp_path, content, message):
    path = tmp_path / "tiny.txt"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_corpus(options(path))
    assert message in caught.value.what
    assert caught.value.where == str(path)
    assert caught.value.mend == "give a longer text, or a folder with files named train, valid and test"


def test_bytes_that_are_not_of_the_encoding_are_named_with_their_place(tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes("one\ntwo caf\xe9\n".encode("latin-1"))
    with pytest.raises(DataError) as caught:
        read_corpus(options(path))
    assert caught.value.where == f"{path}, line 2, byte 11"
    with pytest.raises(DataError, match="piece"):  # it can be read in its own encoding
        read_corpus(options(path, encoding="latin-1"))


def test_a_source_that_is_not_there(tmp_path):
    with pytest.raises(DataError) as caught:
        read_corpus(options(tmp_path / "nowhere"))
    assert str(caught.value).startswith(
        f"no such file, folder or named source\n  where: {tmp_path / 'nowhere'}\n  mend:  "
    )


# -- folders ---------------------------------------------------------------------------------------


def write(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", ".")
        path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())


@pytest.mark.parametrize(
    "names",
    [
        ("ptb__train__txt__gz", "ptb__valid__txt", "ptb__test__txt"),
        ("train__txt", "dev__txt", "test__txt"),
        ("x_training__tokens", "x_val__tokens", "x_test__tokens"),
        ("TRAIN__TXT", "Validation__txt", "Test1__txt"),
    ],
)
def test_a_folder_whose_files_say_their_part_is_taken_as_split(tmp_path, names):
    write(tmp_path, **dict(zip(names, ("a b\nc <unk>\n", "d\n", "e\n"), strict=True)), latest__txt="other\n")
    corpus = read_corpus(options(tmp_path, tokens="spaces"))
    assert parts(corpus) == [[["a", "b", END, "c", "<unk>", END]], [["d", END]], [["e", END]]]
    assert read_test(options(tmp_path, tokens="spaces")) == (tmp_path.name, [["e", END]])


def test_a_split_folder_in_words_is_read_as_sentences(tmp_path):
    write(tmp_path, train__txt="One sentence\nwrapped. Another.\n", valid__txt="Two.", test__txt="Three.")
    corpus = read_corpus(options(tmp_path))
    assert corpus.train == [["one", "sentence", "wrapped", ".", END, "another", ".", END]]


def test_several_files_of_a_part_are_its_documents_and_a_packed_copy_counts_once(tmp_path):
    write(tmp_path, train_1__txt="a", train_2__txt="b", valid__txt="c", test__txt="d", test__txt__gz="d")
    assert parts(read_corpus(options(tmp_path, tokens="spaces"))) == [
        [["a", END], ["b", END]], [["c", END]], [["d", END]],
    ]  # fmt: skip


def test_a_folder_of_documents_is_split_by_their_names(tmp_path):
    write(tmp_path, **{f"doc{number}__txt": f"text {number}" for number in range(50)}, readme__txt="about")
    (tmp_path / "image.png").write_bytes(b"\x89PNG\xff")
    (tmp_path / "deeper").mkdir()
    corpus = read_corpus(options(tmp_path, tokens="spaces"))
    assert sum(map(len, parts(corpus))) == 50
    assert all(parts(corpus))
    assert "about" not in flat(flat(parts(corpus)))
    _, documents = read_test(options(tmp_path, tokens="spaces"))
    assert len(documents) == 50  # scored as a whole, since nothing says which of them are for testing


def test_a_folder_of_two_long_documents_is_split_within_them(tmp_path):
    lines = [f"line{number}" for number in range(1000)]
    write(tmp_path, one__txt="\n".join(lines[:500]), two__txt="\n".join(lines[500:]))
    corpus = read_corpus(options(tmp_path, tokens="spaces"))
    assert all(parts(corpus))
    assert sorted(word for word in flat(flat(parts(corpus))) if word != END) == sorted(lines)


def test_a_folder_that_lacks_a_part_says_which(tmp_path):
    write(tmp_path, train__txt="a", valid__txt="b")
    with pytest.raises(DataError) as caught:
        read_corpus(options(tmp_path))
    assert str(caught.value) == (
        "the folder has train.txt, valid.txt, and nothing named test\n"
        f"  where: {tmp_path}\n"
        "  mend:  add it, or name a single file, which will be split"
    )


def test_without_a_test_part_the_validation_part_is_scored_and_the_end_of_training_validates(tmp_path):
    lines = [f"line {number}" for number in range(45)]
    write(tmp_path, wiki__train__tokens__gz="\n".join(lines) + "\n", wiki__valid__tokens="to score\n")
    corpus = read_corpus(options(tmp_path, tokens="spaces"))
    assert "no test part" in corpus.note
    assert [" ".join(flat(part)).replace(f" {END}", ";") for part in parts(corpus)] == [
        " ".join(f"{line};" for line in lines[:43]), "line 43; line 44;", "to score;",
    ]  # fmt: skip
    assert not read_corpus(TextOptions()).note


def test_an_empty_part_and_an_empty_folder(tmp_path):
    with pytest.raises(DataError, match="the folder holds no text files"):
        read_corpus(options(tmp_path))
    write(tmp_path, train__txt="a", valid__txt="\n", test__txt="b")
    with pytest.raises(DataError, match="there is no text to validate on\n"):
        read_corpus(options(tmp_path))


# -- what is scored --------------------------------------------------------------------------------


def test_a_short_text_can_be_scored_though_not_split(tmp_path):
    path = tmp_path / "short.txt"
    path.write_text("One sentence.")
    assert read_test(options(path)) == ("short.txt", [["one", "sentence", ".", END]])
    path.write_text("\n")
    with pytest.raises(DataError) as caught:
        read_test(options(path))
    assert str(caught.value) == f"there is no text in it\n  where: {path}"


def test_of_the_python_docs_the_test_part_is_scored():
    corpus = read_corpus(TextOptions())
    name, documents = read_test(TextOptions())
    assert (name, documents) == ("python-docs", corpus.test)
    sizes = [len(flat(part)) for part in parts(corpus)]
    assert min(sizes) > 10_000
    assert 0.6 < sizes[0] / sum(sizes) < 0.95
    sentences = {" ".join(flat([document])) for part in parts(corpus)[1:] for document in part}
    assert not sentences & {" ".join(document) for document in corpus.train}


# -- options ---------------------------------------------------------------------------------------


def test_a_path_is_recorded_so_that_it_can_be_found_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, book__txt="a")
    assert recorded_source("book.txt") == str(tmp_path / "book.txt")
    (tmp_path / "python-docs").mkdir()
    assert recorded_source("python-docs") == "python-docs"  # which is meant, whatever is called so
    assert recorded_source("ptb") == "ptb"


def test_a_named_source_is_a_folder_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("CHAINRULE_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="ptb is not complete") as caught:
        read_corpus(options("ptb"))
    assert caught.value.where == str(tmp_path / "sources" / "ptb")


def test_an_encoding_there_is_not():
    check_options(TextOptions(encoding="latin-1"))
    with pytest.raises(ConfigurationError) as caught:
        check_options(TextOptions(encoding="utf8000"))
    assert str(caught.value) == (
        "data.encoding: no text encoding is called 'utf8000'\n  mend:  for example utf-8 or latin-1"
    )
