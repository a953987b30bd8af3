"""A folder of versions."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.rollback_targets.far_ends import FarEnd
from watchtower.rollback_targets.directory import Directory


@contextmanager
def far_end(at: Path, request: pytest.FixtureRequest) -> Iterator[FarEnd]:
    """Its `current` is a link; everything in it is seen, by inode."""
    del request
    for version in ("1", "2", "3"):
        (at / version).mkdir()
    (at / "current").symlink_to("2")

    def named(version: str) -> None:
        (at / "beside").symlink_to(version)
        (at / "beside").replace(at / "current")

    def back_and_forth() -> None:
        named("3")
        named("2")

    def seen() -> object:
        return sorted((each.name, each.is_symlink() and str(each.readlink()), each.lstat().st_ino) for each in at.iterdir() if each.name != ".watchtower.lock")

    yield FarEnd(Directory(path=str(at)), seen, move=lambda: named("3"), touch=back_and_forth)
