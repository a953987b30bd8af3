"""How commands say things on a terminal."""

import sys
from collections.abc import Collection, Iterable, Sequence

from watchtower.nouns.errors import Problem


def complain(problems: Iterable[Problem], *, kind: str = "") -> None:
    """Each problem on a line of stderr, its place first so that editors find it; *kind* stands behind the place."""
    for each in problems:
        advice = f"; {each.advice}" if each.advice else ""
        print(f"{each.place}: {kind}{each.what}{advice}", file=sys.stderr)


def listed(problems: Iterable[Problem]) -> list[dict[str, str | int]]:
    """The same for ``--json``."""
    return [{"file": each.place.file, "line": each.place.line, "column": each.place.column, "what": each.what, "advice": each.advice} for each in problems]


PIPED = 160
"""Columns of a table that no terminal shows."""


def tell_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, whole: Collection[str] = ()) -> None:
    """Prints *rows*; "no *title*" where there are none. Cells are folded where it is narrow, never cut; those of columns in *whole* stay in one line."""
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table

    listed = list(rows)
    if not listed:
        print(f"no {title}")
        return
    headers = [Column(name, overflow="fold", no_wrap=name in whole) for name in columns]
    table = Table(*headers, title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for row in listed:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else PIPED, markup=False).print(table)


def moment(text: object) -> str:
    """``2026-11-20 10:00:05`` of ``2026-11-20T10:00:05.123Z``: a time as tables have it, in UTC."""
    return str(text)[:19].replace("T", " ")
