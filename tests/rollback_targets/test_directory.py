"""The directory target: one atomic rename, compare-and-set."""

import ctypes
import fcntl
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from watchtower.nouns.errors import RollbackError
from watchtower.rollback_targets import RollbackTarget, Switch, directory
from watchtower.rollback_targets._errors import Moved
from watchtower.rollback_targets.directory import CURRENT, LOCK, NEXT, Directory, DirectorySession

CREATED, FROM, TO, GONE = 0x100, 0x40, 0x80, 0x200


@pytest.fixture(params=["link", "file"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    for version in ("1", "2", "3"):
        (tmp_path / version).mkdir()
    if request.param == "link":
        (tmp_path / CURRENT).symlink_to("2")
    else:
        (tmp_path / CURRENT).write_text("2\n")
    return tmp_path


@pytest.fixture
def session(folder: Path) -> DirectorySession:
    return Directory(path=str(folder)).open()


def test_its_kind_is_its_file() -> None:
    assert RollbackTarget.member("directory") is Directory


def test_a_switch_changes_what_current_names_and_says_what_it_named(folder: Path, session: DirectorySession) -> None:
    was_link = (folder / CURRENT).is_symlink()
    assert session.switch_to("1", expected="2") == Switch("2", "1", changed=True)
    assert session.current() == "1"
    assert (folder / CURRENT).is_symlink() is was_link
    assert was_link or (folder / CURRENT).read_text() == "1\n"
    assert not (folder / NEXT).exists()


def test_a_switch_is_one_rename_and_current_is_never_missing(folder: Path, session: DirectorySession) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    libc.inotify_add_watch(watch, os.fsencode(folder), CREATED | FROM | TO | GONE)
    session.switch_to("1", expected="2")
    session.switch_to("1", expected="2")
    assert [mask for name, mask in events(os.read(watch, 65536)) if name == CURRENT] == [TO]
    os.close(watch)


def events(raw: bytes) -> list[tuple[str, int]]:
    found, at = [], 0
    while at < len(raw):
        _, mask, _, size = struct.unpack_from("iIII", raw, at)
        found.append((raw[at + 16 : at + 16 + size].rstrip(b"\0").decode(), mask))
        at += 16 + size
    return found


def test_a_third_version_means_that_somebody_else_switched(folder: Path, session: DirectorySession) -> None:
    before = {each.name for each in folder.iterdir()}
    with pytest.raises(Moved, match="names 2, not 3: nothing was switched") as moved:
        session.switch_to("1", expected="3")
    assert moved.value.found == "2"
    assert session.current() == "2"
    assert {each.name for each in folder.iterdir()} - {LOCK} == before


def test_where_current_is_missing_there_is_no_version_and_only_expecting_none_makes_one(folder: Path, session: DirectorySession) -> None:
    (folder / CURRENT).unlink()
    assert session.current() is None
    with pytest.raises(Moved, match="names nothing, not 2"):
        session.switch_to("1", expected="2")
    assert session.switch_to("1", expected=None) == Switch(None, "1", changed=True)
    assert session.current() == "1"


@pytest.mark.parametrize("candidate", ["9", "", ".", "..", "current", "../1", "1/", "a\0b"])
def test_a_candidate_without_a_folder_is_refused(session: DirectorySession, candidate: str) -> None:
    with pytest.raises(RollbackError, match="no folder for version"):
        session.switch_to(candidate, expected="2")
    assert session.current() == "2"


@pytest.mark.parametrize("left", ["link", "file"])
def test_what_a_killed_switch_left_does_not_hinder_the_next(folder: Path, session: DirectorySession, left: str) -> None:
    if left == "link":
        (folder / NEXT).symlink_to("3")
    else:
        (folder / NEXT).write_text("half")
    assert session.switch_to("1", expected="2").changed
    assert session.current() == "1"
    assert not (folder / NEXT).is_symlink()


def test_the_lock_of_a_switch_under_way_is_waited_for(folder: Path, session: DirectorySession) -> None:
    with (folder / LOCK).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        found: list[Switch] = []
        thread = threading.Thread(target=lambda: found.append(session.switch_to("1", expected="2")))
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        assert session.current() == "2"
    thread.join(5)
    assert found == [Switch("2", "1", changed=True)]


def test_a_lock_that_is_never_let_go_is_an_error(folder: Path, session: DirectorySession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "LOCK_WITHIN", 0.05)
    with (folder / LOCK).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(RollbackError, match="held by another switch"):
            session.switch_to("1", expected="2")


def test_of_many_that_switch_at_once_one_renames(folder: Path) -> None:
    script = f"from watchtower.rollback_targets.directory import Directory; print(Directory(path={str(folder)!r}).open().switch_to('1', expected='2').changed)"
    racers = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert sorted(racer.communicate(timeout=30)[0].strip() for racer in racers) == ["False", "False", "True"]


@pytest.mark.parametrize("text", ["2", "./2", "2/", "{folder}/2", "../{name}/2"])
def test_a_link_may_name_its_version_in_any_spelling(tmp_path: Path, text: str) -> None:
    (tmp_path / "2").mkdir()
    (tmp_path / CURRENT).symlink_to(text.format(folder=tmp_path, name=tmp_path.name))
    assert Directory(path=str(tmp_path)).open().current() == "2"


def test_a_link_out_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / CURRENT).symlink_to("/elsewhere/2")
    with pytest.raises(RollbackError, match="points out of its folder"):
        Directory(path=str(tmp_path)).open().current()


def test_a_current_that_is_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / CURRENT).mkdir()
    with pytest.raises(RollbackError, match="cannot be read"):
        Directory(path=str(tmp_path)).open().current()


def test_a_folder_that_is_not_there_names_nothing_and_cannot_be_switched(tmp_path: Path) -> None:
    session = Directory(path=str(tmp_path / "missing")).open()
    assert session.current() is None
    with pytest.raises(RollbackError, match="no folder for version '1'"):
        session.switch_to("1", expected=None)
