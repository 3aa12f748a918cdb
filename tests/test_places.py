from __future__ import annotations

from pathlib import Path

import pytest

from chainrule.places import CACHE_VARIABLE, cache_folder

HOME = Path("home", "user")


def test_the_variable_names_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert cache_folder() == tmp_path
    assert cache_folder("sources", "mr") == tmp_path / "sources" / "mr"


def test_an_empty_variable_says_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, "")
    assert cache_folder("vectors") is None


@pytest.mark.parametrize(
    ("system", "variable", "value", "folder"),
    [
        ("linux", "XDG_CACHE_HOME", None, HOME / ".cache"),
        ("linux", "XDG_CACHE_HOME", "/var/user", Path("/var/user")),
        ("darwin", "XDG_CACHE_HOME", "/var/user", HOME / "Library" / "Caches"),
        ("win32", "LOCALAPPDATA", None, HOME / "AppData" / "Local"),
        ("win32", "LOCALAPPDATA", "local", Path("local")),
    ],
)
def test_the_place_of_each_system(
    monkeypatch: pytest.MonkeyPatch, system: str, variable: str, value: str | None, folder: Path
) -> None:
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    monkeypatch.delenv(variable, raising=False)
    if value is not None:
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr(Path, "home", lambda: HOME)
    assert cache_folder("code") == folder / "chainrule" / "code"


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise RuntimeError("no home")

    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    monkeypatch.setattr(Path, "home", none)
    assert cache_folder() is None
