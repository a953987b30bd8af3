"""The far ends that the contract suite of targets (tests/contracts/test_rollback_targets.py) runs against: one file a kind, found by its name.

To add kind `x`: write tests/rollback_targets/far_end_x.py with

    @contextmanager
    def far_end(at: Path, request: pytest.FixtureRequest) -> Iterator[FarEnd]: ...

*at* is an empty folder; `request.getfixturevalue("…")` has the session's servers (skip with a reason where one cannot be had). It gives a far end that
has the versions "1", "2" and "3" and names "2". The suite stands for every kind that has a file; a kind without one fails
`test_every_target_stands_in_this_suite`.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

from watchtower.rollback_targets import RollbackTarget

SECRET = "s3cret-that-must-not-show"  # noqa: S105  of these tests only


@dataclass(frozen=True)
class FarEnd:
    """A far end that names version "2".

    Attributes:
        target: settings that reach it; where the kind knows secrets, each of them holds SECRET, and `secrets` says so.
        seen: all that a switch could change, as a value to compare.
        touch: somebody else goes away from "2" and back to it; None where the kind's `state()` has no token.
        move: somebody else switches to "3".
        fail: from now on the far end refuses everything, and repeats in its refusals whatever it was sent.
        secrets: whether *target* holds SECRET.
        names: how the suite's versions "1", "2", "3" and "no-such-version" are written for this kind.
    """

    target: RollbackTarget
    seen: Callable[[], object]
    move: Callable[[], None]
    touch: Callable[[], None] | None = None
    fail: Callable[[], None] | None = None
    secrets: bool = False
    names: Callable[[str], str] = str


Made = Callable[[Path, pytest.FixtureRequest], AbstractContextManager[FarEnd]]


def makers() -> dict[str, Made]:
    """Every kind that has a file here."""
    here = Path(__file__).parent
    found: Iterator[str] = (file.stem.removeprefix("far_end_") for file in sorted(here.glob("far_end_*.py")))
    return {kind: import_module(f"tests.rollback_targets.far_end_{kind}").far_end for kind in found}
