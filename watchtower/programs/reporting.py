"""Writes reports: a page over some models, one over an incident."""

from collections.abc import Mapping
from pathlib import Path

from watchtower.nouns.errors import ConfigError, Problem, Unavailable
from watchtower.nouns.place import Place
from watchtower.nouns.report import ModelReport
from watchtower.nouns.window import Window
from watchtower.web.report_page import page
from watchtower.workers.reports import Reporter


def write(path: Path, reporter: Reporter, windows: Mapping[str, Window]) -> None:
    """A page over every model of *windows*, each as of its window; ConfigError where *path* cannot be written."""
    reports: list[ModelReport] = []
    lacking: list[tuple[str, str]] = []
    for model, window in sorted(windows.items()):
        try:
            reports.append(reporter.report(model, window.end))
        except Unavailable as reason:
            lacking.append((model, str(reason)))
    keep(path, page("Replay", reports, lacking))


def keep(path: Path, text: str) -> None:
    """Writes *text* to *path*."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as refused:
        raise ConfigError([Problem(Place(str(path)), f"the report cannot be written: {refused.strerror}", "name a file in a folder that exists")]) from refused
