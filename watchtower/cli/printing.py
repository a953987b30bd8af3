"""How commands say things on a terminal."""

import sys
from collections.abc import Iterable

from watchtower.nouns.errors import Problem


def complain(problems: Iterable[Problem], *, kind: str = "") -> None:
    """Each problem on a line of stderr, its place first so that editors find it; *kind* stands behind the place."""
    for each in problems:
        advice = f"; {each.advice}" if each.advice else ""
        print(f"{each.place}: {kind}{each.what}{advice}", file=sys.stderr)


def listed(problems: Iterable[Problem]) -> list[dict[str, str | int]]:
    """The same for ``--json``."""
    return [{"file": each.place.file, "line": each.place.line, "column": each.place.column, "what": each.what, "advice": each.advice} for each in problems]
