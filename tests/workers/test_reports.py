"""Reports: our opinion beside Evidently's, made in a child that opens no socket to anywhere."""

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from watchtower.cli.main import main
from watchtower.core.binning import make_binning, make_reference_profile
from watchtower.core.reporting import features, why
from watchtower.edges.children import call
from watchtower.nouns.batch import Column, FeatureType, NumberColumn, PredictionBatch, TextColumn
from watchtower.nouns.report import EvidentlyReport, FeatureLine, Opinion, Table
from watchtower.nouns.settings import FileReference, Watched
from watchtower.store import Store, StoredReference
from watchtower.store.references import Accepted
from watchtower.workers import _evidently
from watchtower.workers.references import References, schema_of
from watchtower.workers.reports import Reporter, table_of, with_others
from watchtower.workers.rows import RowReader

pytest.importorskip("evidently", reason="reports need the extra 'reports'")
TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
LIMIT = timedelta(minutes=2)


def columns(rows: int, shift: float, seed: int) -> dict[str, Column]:
    rng = np.random.default_rng(seed)
    return {
        "amount": NumberColumn(rng.normal(shift, 1, rows)),
        "age": NumberColumn(rng.normal(0, 1, rows)),
        "country": TextColumn(rng.integers(0, 3, rows).astype(np.int32), ("DE", "FR", "IT")),
        "void": NumberColumn(np.full(rows, np.nan)),
    }


def spied(argument: object) -> tuple[EvidentlyReport, list[str]]:
    """Runs in the child: the report, and what was asked of sockets that are no pipe of this process to itself (and refused)."""
    events: list[str] = []

    def look(event: str, arguments: tuple[object, ...]) -> None:
        if event.startswith("socket.") and not (event == "socket.__new__" and arguments[1] == _evidently.LOCAL):
            events.append(event)

    sys.addaudithook(look)
    return _evidently.compare(argument), events


def test_the_child_finds_the_drifted_column_leaves_out_the_empty_one_and_opens_no_socket() -> None:
    sides = Table(columns(3_000, 0, 1)), Table(columns(3_000, 1, 2))
    answer = call("tests.workers.test_reports:spied", sides, time_limit=LIMIT)
    assert isinstance(answer, tuple)
    found, events = answer
    assert {name: each.drifted for name, each in found.opinions.items()} == {"amount": True, "age": False, "country": False, "void": None}
    assert "without values" in found.opinions["void"].reason
    assert "amount" in found.html
    assert "socket.connect" not in events
    assert not [event for event in events if event not in {"socket.__new__", "socket.bind"}]


def connects(_argument: object) -> str:
    """Runs in the child: what becomes of somebody who wants to telephone after a report was asked for."""
    import socket

    sys.addaudithook(_evidently._refuse)
    try:
        socket.create_connection(("127.0.0.1", 9), timeout=1)
    except PermissionError as refused:
        return str(refused)
    except OSError as other:
        return f"went out: {other}"
    return "went out"


def test_whoever_connects_in_the_child_is_refused() -> None:
    assert str(call("tests.workers.test_reports:connects", None, time_limit=LIMIT)).startswith("reports open no socket")


def line(value: float, p: float, *, drifted: bool, missing: tuple[float, float] = (0.0, 0.0)) -> FeatureLine:
    return FeatureLine("x", "wasserstein", value, p, 0.1, 900, drifted, cells=(("missing", *missing),))


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        (line(0.05, 0.2, drifted=False), Opinion("K-S p_value", 0.03, 0.05, drifted=True), "uncorrected"),
        (line(0.3, 0.02, drifted=False), Opinion("Wasserstein distance (normed)", 0.31, 0.1, drifted=True), "may be chance"),
        (line(0.05, 0.2, drifted=False), Opinion("PSI", 0.21, 0.1, drifted=True), "bins of its own"),
        (line(0.3, 1e-9, drifted=True, missing=(0.0, 0.05)), Opinion("Wasserstein distance (normed)", 0.01, 0.1, drifted=False), "0.0% to 5.0%"),
        (line(0.3, 1e-9, drifted=True), Opinion("K-S p_value", 0.06, 0.05, drifted=False), "not below 0.05"),
        (line(0.3, 1e-9, drifted=True), Opinion("Wasserstein distance (normed)", 0.4, 0.1, drifted=True), ""),
        (FeatureLine("x", "wasserstein", None, None, 0.1, 90, None, "90 of 200 rows"), Opinion("PSI", 0.4, 0.1, drifted=True), "90 of 200 rows"),
    ],
)
def test_where_the_two_differ_the_reason_is_told(ours: FeatureLine, theirs: Opinion, said: str) -> None:
    assert said in why(ours, theirs, FeatureType.NUMERIC)
    assert bool(why(ours, theirs, FeatureType.NUMERIC)) == bool(said)


def test_the_features_that_drifted_stand_first_and_those_without_a_score_last() -> None:
    reference, now = columns(3_000, 0, 1), columns(900, 1, 2)
    binning = make_binning(reference, {}, None, ())
    lines = features(binning, make_reference_profile(binning, reference, 3_000), make_reference_profile(binning, now, 900))
    assert lines[0].subject == "amount"
    assert lines[0].drifted is True
    assert [each.drifted for each in lines[1:3]] == [False, False]
    assert (lines[-1].subject, lines[-1].value) == ("void", None)
    assert sum(share for _, share, _ in lines[0].cells) == pytest.approx(1)


def log_of(path: Path, rows: int) -> None:
    rng = np.random.default_rng(3)
    with path.open("w") as file:
        for i in range(rows):
            moved = i >= rows * 2 // 3
            features = {"amount": rng.normal(2.0 if moved else 0.0), "age": rng.normal(40, 10), "country": str(rng.choice(["DE", "FR"]))}
            message = {
                "model": "fraud",
                "version": "7",
                "time": (TEN + i * timedelta(seconds=0.2)).isoformat(),
                "features": features,
                "prediction": rng.random(),
            }
            file.write(json.dumps(message) + "\n")


def test_a_replays_report_names_the_drifted_feature_and_holds_evidentlys_page(tmp_path: Path) -> None:
    log_of(tmp_path / "log.jsonl", 9_000)
    reference = "reference: {kind: first_windows, count: 10}"
    (tmp_path / "watchtower.yaml").write_text(
        "source: {kind: file, path: log.jsonl, format: {kind: watchtower_json}}\nrules: rules\n"
        f"models: {{fraud: {{features: {{amount: numeric, age: numeric, country: categorical}}, prediction: {{kind: probability}}, {reference}}}}}\n"
    )
    (tmp_path / "rules").mkdir()
    rule = "{name: Drift, model: fraud, when: {kind: above, measure: drift.psi, feature: '*', value: 0.2}}"
    (tmp_path / "rules" / "fraud.yaml").write_text(f"rules:\n  - {rule}\n")
    out = tmp_path / "out.html"
    with pytest.raises(SystemExit) as ended:
        main(["replay", str(tmp_path / "log.jsonl"), "-c", str(tmp_path / "watchtower.yaml"), "--report", str(out)])
    assert ended.value.code == 10
    text = out.read_text()
    assert "<b>amount</b>" in text
    assert text.index("<b>amount</b>") < text.index("<b>age</b>")
    row = text[text.index("<b>amount</b>") : text.index("<b>age</b>")]
    assert row.count("drifted</span>") == 2  # ours and Evidently's
    assert 'sandbox="allow-scripts"' in text
    assert "drawDashboard" in text
    assert "Drift" in text[text.index("<h2>Alerts</h2>") :]


def test_evidently_gets_the_rows_of_the_reference_that_was_accepted(tmp_path: Path) -> None:
    for name, rows in (("old", 300), ("new", 40)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps({"age": i, "prediction": 0.5}) + "\n" for i in range(rows)))
    watched = Watched(reference=FileReference(kind="file", path=str(tmp_path / "old.jsonl")))
    table: dict[str, Column] = {"age": NumberColumn(np.arange(300.0))}
    binning = make_binning(table, {}, None, ())
    stored = StoredReference(binning, TEN, {("", ""): make_reference_profile(binning, table, 300)})
    store = Store.open("sqlite://", now=lambda: TEN)
    store.references.begin("fraud", stored)
    reporter = Reporter(store, RowReader(()), References(store, lambda _: watched, RowReader(()), timedelta(minutes=1)), lambda _: watched)

    def given(reference: StoredReference) -> int:
        found = reporter._reference("fraud", reference, schema_of(reference, watched), "7")
        assert not isinstance(found, PredictionBatch)
        age = found["age"]
        assert isinstance(age, NumberColumn)
        return len(age.values)

    assert given(stored) == 300
    accepted = replace(stored, valid_from=TEN + timedelta(hours=1), accepted=True)
    store.references.accept("fraud", accepted, Accepted("me", TEN, str(tmp_path / "new.jsonl"), 40))
    assert given(accepted) == 40
    store.close()


def test_evidently_gets_the_columns_that_moved_most_and_the_others_say_so() -> None:
    table = columns(500, 0, 1)
    binning = make_binning(table, {}, None, ())
    assert list(table_of(["country", "age"], table).columns) == ["country", "age"]
    done = with_others(EvidentlyReport({"age": Opinion("PSI", 0.4, 0.1, drifted=True)}), ["country", "age"], binning)
    assert done.opinions["age"].drifted is True
    assert {name for name, each in done.opinions.items() if "moved most" in each.reason} == {"amount", "void"}
