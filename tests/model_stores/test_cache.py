"""Artefacts of far away, on this machine."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from watchtower.model_stores._cache import IN_USE, SEAL, Cache, size_of
from watchtower.nouns.errors import ShadowError


def blob(size: int, name: str = "model.onnx") -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        (folder / name).write_bytes(b"x" * size)

    return fill


def aged(cache: Cache, key: str, seconds: float) -> None:
    """As if *key* had last been used so long ago."""
    found = cache.kept(key, None)
    assert found is not None
    when = (found.folder / SEAL).stat().st_mtime - seconds
    os.utime(found.folder / SEAL, (when, when))


def test_what_was_filled_is_kept_under_its_stamp_with_its_note(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 10_000)
    made = cache.filled("a", "1", {"author": "ann"}, blob(10))
    assert (made.folder / "model.onnx").read_bytes() == b"x" * 10
    assert cache.kept("a", "1") == made
    assert cache.kept("a", None) == made
    assert cache.kept("a", "2") is None
    assert cache.kept("b", None) is None


def test_only_this_user_may_read_it(tmp_path: Path) -> None:
    made = Cache(tmp_path / "cache", 10_000).filled("a", "1", {}, blob(10))
    assert made.folder.stat().st_mode & 0o077 == 0


def test_what_was_used_last_is_what_is_kept_where_nobody_can_say_the_stamp(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 10_000)
    first = cache.filled("a", "1", {}, blob(10))
    aged(cache, "a", 60.0)
    second = cache.filled("a", "2", {}, blob(20))
    assert cache.kept("a", None) == second
    assert cache.kept("a", "1") == first, "a trial that began with it goes on with it"


@pytest.mark.parametrize("harm", ["changed", "missing", "seal"])
def test_what_is_no_longer_whole_is_not_used(tmp_path: Path, harm: str) -> None:
    cache = Cache(tmp_path / "cache", 10_000)
    folder = cache.filled("a", "1", {}, blob(10)).folder
    if harm == "changed":
        (folder / "model.onnx").write_bytes(b"y" * 10)
    elif harm == "missing":
        (folder / "model.onnx").unlink()
    else:
        (folder / SEAL).write_text("{")
    assert cache.kept("a", "1") is None
    assert (cache.filled("a", "1", {}, blob(10)).folder / "model.onnx").read_bytes() == b"x" * 10


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 2_500)
    for key, age in (("a", 3.0), ("b", 2.0)):
        cache.filled(key, "1", {}, blob(1_000))
        aged(cache, key, age * IN_USE)
    cache.filled("c", "1", {}, blob(1_000))
    assert [cache.kept(key, "1") is not None for key in "abc"] == [False, True, True]


def test_what_a_child_may_be_about_to_read_stays(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 2_500)
    for key in "abc":
        cache.filled(key, "1", {}, blob(1_000))
    assert all(cache.kept(key, "1") for key in "abc")


def test_an_artefact_larger_than_the_cache_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 100)
    with pytest.raises(ShadowError, match="more than the cache may hold"):
        cache.filled("a", "1", {}, blob(101))
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_filling_that_fails_leaves_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 100)

    def fill(folder: Path) -> None:
        (folder / "half").write_bytes(b"x")
        msg = "it broke off"
        raise ShadowError(msg)

    with pytest.raises(ShadowError, match="it broke off"):
        cache.filled("a", "1", {}, fill)
    assert list((tmp_path / "cache").iterdir()) == []


def test_what_a_killed_process_left_goes_after_a_while(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 10_000)
    left = tmp_path / "cache" / ".part-dead"
    left.mkdir(parents=True)
    cache.filled("a", "1", {}, blob(1))
    assert left.exists(), "another process may be filling it"
    when = left.stat().st_mtime - 2 * IN_USE
    os.utime(left, (when, when))
    cache.filled("b", "1", {}, blob(1))
    assert not left.exists()


def test_a_disk_that_refuses_is_broken_evidence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ShadowError, match="cannot be written"):
        Cache(tmp_path / "file" / "cache", 100).filled("a", "1", {}, blob(1))


def test_many_that_fill_the_same_at_once_all_find_it_whole(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 10_000_000)
    start = threading.Barrier(8)
    found: list[bytes] = []

    def use() -> None:
        start.wait()
        for n in range(10):
            entry = cache.kept("a", str(n)) or cache.filled("a", str(n), {}, blob(50_000))
            found.append((entry.folder / "model.onnx").read_bytes())

    threads = [threading.Thread(target=use) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert len(found) == 80
    assert set(found) == {b"x" * 50_000}
    assert len(list((tmp_path / "cache").iterdir())) == 10
    assert size_of(tmp_path / "cache") < 550_000
