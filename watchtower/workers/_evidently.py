"""The child's side of a report: Evidently on two tables. It opens no socket to anywhere, and says nothing to its makers."""

import sys
from collections.abc import Mapping

import numpy as np

from watchtower.nouns.batch import Column, NumberColumn, TextColumn
from watchtower.nouns.report import EvidentlyReport, Opinion, Table

LOCAL = 1
"""AF_UNIX: asyncio's own pipe to itself, which Evidently makes; nothing else may be opened."""


def compare(argument: object) -> EvidentlyReport:
    """Evidently's drift preset on (reference, current): an opinion a column, and its page.

    Columns that it cannot take (embeddings; empty on one side) are left out, each with the reason. ShadowError becomes of whatever it raises.
    """
    assert isinstance(argument, tuple)
    reference, current = argument
    assert isinstance(reference, Table)
    assert isinstance(current, Table)
    sys.addaudithook(_refuse)
    columns, left_out = _chosen(reference, current)
    if not columns:
        return EvidentlyReport(left_out)
    opinions, html = _run(columns, reference, current)
    return EvidentlyReport({**left_out, **opinions}, html)


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook: no address is looked up, nothing is connected, bound or sent to."""
    if event == "socket.__new__" and arguments[1] == LOCAL:
        return
    if event.startswith("socket."):
        message = f"reports open no socket ({event})"
        raise PermissionError(message)


def _chosen(reference: Table, current: Table) -> tuple[dict[str, str], dict[str, Opinion]]:
    """Column -> numerical or categorical, and what is left out."""
    chosen: dict[str, str] = {}
    left_out: dict[str, Opinion] = {}
    for name, column in reference.columns.items():
        other = current.columns.get(name)
        kind = "numerical" if isinstance(column, NumberColumn) else "categorical" if isinstance(column, TextColumn) else ""
        if not kind or type(other) is not type(column):
            left_out[name] = Opinion(reason="Evidently takes numbers and categories only" if not kind else "not in these rows")
        elif not (_present(column) and _present(other)):
            left_out[name] = Opinion(reason="Evidently takes no column without values")
        else:
            chosen[name] = kind
    return chosen, left_out


def _present(column: Column | None) -> bool:
    if isinstance(column, NumberColumn):
        return bool(np.isfinite(column.values).any())
    return isinstance(column, TextColumn) and bool((column.codes >= 0).any())


def _run(columns: Mapping[str, str], reference: Table, current: Table) -> tuple[dict[str, Opinion], str]:
    import pandas as pd  # noqa: PLC0415  4 s and 280 MB with Evidently: here, in a child, only
    from evidently import DataDefinition, Dataset, Report  # noqa: PLC0415
    from evidently.presets import DataDriftPreset  # noqa: PLC0415

    kinds = {kind: [name for name, its in columns.items() if its == kind] for kind in ("numerical", "categorical")}
    definition = DataDefinition(numerical_columns=kinds["numerical"], categorical_columns=kinds["categorical"])
    sides = [Dataset.from_pandas(pd.DataFrame({name: _values(side.columns[name]) for name in columns}), definition) for side in (current, reference)]
    done = Report([DataDriftPreset()]).run(*sides)
    return {name: opinion for name, opinion in map(_opinion, done.dict()["metrics"]) if name in columns}, str(done.get_html_str(as_iframe=False))


def _values(column: Column) -> object:
    if isinstance(column, TextColumn):
        return np.array([*column.names, None], dtype=object)[column.codes]
    return column.values  # noqa: PD011  ours, not pandas'


def _opinion(metric: Mapping[str, object]) -> tuple[str, Opinion]:
    config, value = metric["config"], metric["value"]
    if not isinstance(config, dict) or "column" not in config or not isinstance(value, float | int):
        return "", Opinion()
    method, threshold = str(config["method"]), float(config["threshold"])
    drifted = value < threshold if "p_value" in method else value >= threshold
    return str(config["column"]), Opinion(method, float(value), threshold, bool(drifted))
