"""The folder of machine code: whatever is wrong with it, code is made anew and nothing is said."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from chainrule.engines.native import jit
from chainrule.engines.native.objects import ObjectCache, default_folder
from chainrule.engines.native.target import host
from chainrule.places import CACHE_VARIABLE

TEXT = "define i64 @twice(i64 %x) {\n  %y = add i64 %x, %x\n  ret i64 %y\n}\n"


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path / "not" / "there" / "yet")
    assert cache.load("a") is None
    cache.save("a", b"object")
    assert cache.load("a") == b"object"
    assert [p.name for p in (tmp_path / "not" / "there" / "yet").iterdir()] == ["a"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[:-1],
        lambda whole: whole[:7],
        lambda whole: b"",
        lambda whole: whole + b"\0",
        lambda whole: whole[:20] + bytes([whole[20] ^ 1]) + whole[21:],
        lambda whole: bytes([whole[0] ^ 1]) + whole[1:],
    ],
)
def test_a_damaged_file_counts_as_absent_and_is_replaced(tmp_path: Path, damage: object) -> None:
    cache = ObjectCache(tmp_path)
    cache.save("a", b"the object's own bytes")
    path = tmp_path / "a"
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    assert cache.load("a") is None
    cache.save("a", b"anew")
    assert cache.load("a") == b"anew"


def test_a_file_under_another_name_is_not_taken_for_it(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path)
    cache.save("a", b"object")
    os.replace(tmp_path / "a", tmp_path / "b")
    assert cache.load("b") is None


def test_a_folder_that_cannot_be_written_is_no_folder(tmp_path: Path) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("in the way")
    cache = ObjectCache(blocked / "code")
    cache.save("a", b"object")
    assert cache.load("a") is None
    assert blocked.read_text() == "in the way"
    nowhere = ObjectCache(None)
    nowhere.save("a", b"object")
    nowhere.prune()
    assert nowhere.load("a") is None


def test_the_oldest_files_go_when_the_folder_is_full(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path, largest=1000)
    for number in range(10):
        cache.save(f"k{number}", bytes(184))
        os.utime(tmp_path / f"k{number}", (1e9 + number, 1e9 + number))
    cache.prune()
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"k{number}" for number in range(5, 10)]


def test_writing_alone_keeps_the_folder_from_growing_without_end(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path, largest=10_000)
    for number in range(600):
        cache.save(f"k{number}", bytes(484))
    held = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert held < 100_000  # of 300,000 written


def test_use_keeps_a_file_young(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path)
    cache.save("a", b"object")
    os.utime(tmp_path / "a", (1e9, 1e9))
    assert cache.load("a") == b"object"
    assert (tmp_path / "a").stat().st_mtime > 1e9


def test_writers_may_race(tmp_path: Path) -> None:
    bodies = [bytes([number]) * 5000 for number in range(4)]
    wrong: list[bytes] = []

    def work(body: bytes) -> None:
        cache = ObjectCache(tmp_path, largest=20000)
        for turn in range(40):
            cache.save(f"k{turn % 3}", body)
            found = cache.load(f"k{turn % 3}")
            if found is not None and found not in bodies:
                wrong.append(found)

    threads = [threading.Thread(target=work, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".new-")]


def test_the_variable_names_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert default_folder() == tmp_path / "code"
    monkeypatch.setenv(CACHE_VARIABLE, "")
    assert default_folder() is None
    monkeypatch.delenv(CACHE_VARIABLE)
    folder = default_folder()
    assert folder is not None
    assert folder.parts[-2:] == ("chainrule", "code")


# ── with the code generator behind it ─────────────────────────────────────────────────────────────


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that reach the code generator, of a process that has nothing in memory yet."""
    seen: list[str] = []
    real = jit.compile_text
    monkeypatch.setattr(jit, "_addresses", {})
    monkeypatch.setattr(jit, "_linkers", {})
    monkeypatch.setattr(jit, "compile_text", lambda text, target: (seen.append(text), real(text, target))[1])
    return seen


def again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the process began anew."""
    monkeypatch.setattr(jit, "_addresses", {})
    monkeypatch.setattr(jit, "_linkers", {})


def test_a_second_process_compiles_nothing(
    tmp_path: Path, compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = ObjectCache(tmp_path)
    jit.compile_functions({"twice": TEXT}, objects=cache)
    assert len(compiled) == 1
    again(monkeypatch)
    jit.compile_functions({"twice": TEXT}, objects=cache)
    jit.compile_functions({"twice": TEXT}, objects=cache)
    assert len(compiled) == 1


def test_a_text_that_is_not_needed_is_not_asked_for(
    tmp_path: Path, compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = ObjectCache(tmp_path)
    asked: list[str] = []

    def text() -> str:
        asked.append("")
        return TEXT

    for _ in range(2):
        jit.compile_functions({"twice": text}, objects=cache)
        again(monkeypatch)
    assert len(asked) == len(compiled) == 1


def test_a_corrupted_object_is_compiled_again(
    tmp_path: Path, compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = ObjectCache(tmp_path)
    jit.compile_functions({"twice": TEXT}, objects=cache)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-100] + bytes(100))
    again(monkeypatch)
    jit.compile_functions({"twice": TEXT}, objects=cache)
    assert len(compiled) == 2
    again(monkeypatch)
    jit.compile_functions({"twice": TEXT}, objects=cache)
    assert len(compiled) == 2


def number(name: str, value: int) -> str:
    return f"define i32 @{name}() {{\n  ret i32 {value}\n}}\n"


def called(address: int) -> int:
    return int(ctypes.CFUNCTYPE(ctypes.c_int32)(address)())


def test_many_at_once_are_what_they_are_one_by_one(
    tmp_path: Path, compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some of them are on disk, some in memory; one text has two functions."""
    cache = ObjectCache(tmp_path)
    texts = {f"number{n}": partial(number, f"number{n}", n) for n in range(5)}
    first = jit.compile_functions({"number1": texts["number1"]}, objects=cache)
    again(monkeypatch)
    second = jit.compile_functions({"number3": texts["number3"]}, objects=cache)
    pair = {"seven eight": number("seven", 7) + number("eight", 8)}
    found = jit.compile_functions({**texts, **pair}, objects=cache)
    assert [called(found[name]) for name in (*texts, "seven", "eight")] == [0, 1, 2, 3, 4, 7, 8]
    assert found["number3"] == second["number3"]
    assert called(first["number1"]) == 1
    assert len(compiled) == len(list(tmp_path.iterdir())) == 6
    again(monkeypatch)
    found = jit.compile_functions({**texts, **pair}, objects=cache)
    assert [called(address) for address in found.values()] == [0, 1, 2, 3, 4, 7, 8]
    assert len(compiled) == 6


def test_what_cannot_be_written_or_compiled_is_said(tmp_path: Path, compiled: list[str]) -> None:
    """Whichever thread it happens on; what is well can be had afterwards."""

    def unwritten() -> str:
        raise KeyError("unwritten")

    interval, cache = sys.getswitchinterval(), ObjectCache(tmp_path)
    good = {"three": number("three", 3)}
    with pytest.raises(RuntimeError, match="expected"):
        jit.compile_functions({**good, "bad": "define nonsense", "four": number("four", 4)}, objects=cache)
    with pytest.raises(KeyError, match="unwritten"):
        jit.compile_functions({**good, "unwritten": unwritten}, objects=cache)
    assert sys.getswitchinterval() == interval
    assert not [thread for thread in threading.enumerate() if thread.name == "chainrule code generator"]
    assert called(jit.compile_functions(good, objects=cache)["three"]) == 3


def test_another_machine_has_other_objects(tmp_path: Path, compiled: list[str]) -> None:
    cache = ObjectCache(tmp_path)
    jit.compile_functions({"twice": TEXT}, host(), cache)
    other = type(host())(host().triple, host().cpu, host().features, 16, 16, False, False)
    jit.compile_functions({"twice": TEXT}, other, cache)
    assert len(compiled) == 2
    assert len(list(tmp_path.iterdir())) == 2


def test_the_library_has_every_function_in_both_widths() -> None:
    assert set(jit.library()) == {jit.PREFIX + name + width for name in jit.LIBRARY for width in ("", "f")}
    assert all(jit.library().values())
