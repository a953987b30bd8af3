"""Numbers, tables, and the machine that they were measured on."""

import os
import platform
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from tests.servers.kafka import VERSION as KAFKA

PACKAGES = ("kafka-python", "crc32c", "numpy", "msgspec", "scipy", "sqlalchemy")


class CannotMeasureError(Exception):
    """The measurement itself could not be made."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure that must be reached, and what was measured."""

    what: str
    asked: str
    measured: str
    met: bool


def say(text: str = "") -> None:
    """A line of the report."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """What happens meanwhile."""
    sys.stderr.write(f"  {text}\n")
    sys.stderr.flush()


def median(values: Sequence[float]) -> float:
    """The middle value; the mean of both middle ones."""
    ordered, half = sorted(values), len(values) // 2
    if not ordered:
        return float("nan")
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def spread(values: Sequence[float], form: str) -> str:
    """Median, and every value behind it."""
    return f"{median(values):{form}} ({', '.join(f'{value:{form}}' for value in values)})"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table whose columns line up on a terminal too."""
    cells = [[str(cell) for cell in head], *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(head))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def machine() -> str:
    """Processor, cores, load, and the versions that matter."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    name = found.group(1) if found else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start; {platform.system()} {platform.release()}"


def versions() -> str:
    """Python, broker and packages."""
    return ", ".join([f"Python {platform.python_version()}", f"Kafka {KAFKA}", *(f"{name} {_version(name)}" for name in PACKAGES)])


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
