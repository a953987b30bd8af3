"""Commands that keep the version in a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.rollback_targets.far_ends import SECRET, FarEnd
from watchtower.rollback_targets import RollbackTarget

SCRIPTS = {
    "current": '[ -e broken ] && { echo "refused: $SHARED $TOKEN" >&2; exit 1; }\n[ -e live ] && cat live\nexit 0',
    "switch": """
[ -e broken ] && { echo "refused: $SHARED $TOKEN $1" >&2; exit 1; }
case "$1" in [123]) ;; *) echo "there is no version $1" >&2; exit 2;; esac
[ "$(cat live)" = "$2" ] || exit 75
echo "$1" > live.next && mv live.next live
echo "switched with $TOKEN and $SHARED\"""",
    "check": 'case "$1" in [123]) ;; *) echo "there is no version $1"; exit 1;; esac',
}


def write(at: Path) -> None:
    """The scripts, and version 2."""
    for name, body in SCRIPTS.items():
        (at / name).write_text(f"#!/bin/sh\n{body}\n")
        (at / name).chmod(0o755)
    (at / "live").write_text("2\n")


@contextmanager
def far_end(at: Path, request: pytest.FixtureRequest) -> Iterator[FarEnd]:
    """Its file is seen, by inode and content."""
    del request
    write(at)
    (at / "token").write_text(SECRET)
    switch = ["./switch", "{version}", "{expected}"]
    fields = {"current": ["./current"], "switch": switch, "ready": ["./check", "{version}"], "dry_run": ["./check", "{version}"], "folder": str(at)}
    target = RollbackTarget.member("command").model_validate({**fields, "env": {"SHARED": SECRET}, "env_file": {"TOKEN": str(at / "token")}})

    def seen() -> object:
        return sorted((each.name, each.read_text(), each.stat().st_ino) for each in at.iterdir())

    yield FarEnd(target, seen, move=lambda: write_live(at, "3"), fail=(at / "broken").touch, secrets=True)


def write_live(at: Path, version: str) -> None:
    """Somebody else's switch."""
    (at / "live").write_text(f"{version}\n")
