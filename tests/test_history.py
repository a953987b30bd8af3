"""What notebooks get: the store's history as frames, and the same rows for listings."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from watchtower import history
from watchtower.cli.main import main
from watchtower.core.merging import empty
from watchtower.edges.clock import ManualClock
from watchtower.nouns.alert import Alert, AlertChange, AlertId, AlertState
from watchtower.nouns.attribution import Attribution, Moved, Outside
from watchtower.nouns.decision import Decision, DecisionKind
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.evidence import Diagnosis, Verdict
from watchtower.nouns.facts import Fired, Judged
from watchtower.nouns.incident import Incident
from watchtower.nouns.memory import Evaluation, Memory
from watchtower.nouns.plan import Move, Plan
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Board, MeasureName, Need, Scores, Slot
from watchtower.nouns.step import Step
from watchtower.nouns.window import Window
from watchtower.store import Store

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ALERT = AlertId("FeatureDrift", "fraud", "", "amount")
PSI = Need(MeasureName.parse("drift.psi"))
MOVED = Attribution((Moved("amount", 0.4, 1e-9, 1.0, 1.0),), outside=Outside(200, 50, ("r-1",)))


def window(n: int) -> Window:
    return Window(TEN + n * MINUTE, TEN + (n + 1) * MINUTE)


def board(n: int) -> Board:
    scores = Scores(("amount", "age"), np.array([0.1 * n, np.nan]), np.array([0.5, np.nan]), np.array([500, 90]), (None, "90 of 200 rows"), excess=np.zeros(2))
    return Board("fraud", window(n), "7", {Slot("7", "", PSI): scores})


def profile() -> Profile:
    return replace(empty(None), rows=500, weight=500.0, statuses={"ok": 490.0, "error": 10.0}, status_rows={"ok": 490, "error": 10})


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Three windows of fraud: in the last one an alert fires, and its trial is judged."""
    address = f"sqlite:///{tmp_path}/watchtower.db"
    store = Store.open(address, now=ManualClock(TEN).now)
    alert = Alert(ALERT, "7", AlertState.FIRING, window(2).end, value=0.2, attribution=MOVED)
    incident = Incident("i1", "fraud", window(2).end, alerts=(ALERT,))
    plan = Plan("p1", "fraud", "i1", Step.ON_TRIAL, "7", ("6",), window(2).end)
    fired = Fired("fraud", "7", (ALERT,), window(2).end, ("6",), rollback=True, dry_run=False)
    for n in range(3):
        last = n == 2
        memory = Memory("fraud", (alert,), incident, plan) if last else Memory("fraud")
        changes = (AlertChange(alert, window(n).end),) if last else ()
        evaluation = Evaluation(board(n), changes, memory, (), (fired,) if last else ())
        store.evaluations.commit("fraud", window(n), {("7", ""): profile()}, evaluation, now=window(n).end)
    held = Decision(DecisionKind.HOLD, "fraud", window(3).end, "[no] rollback target")
    judged = Judged(Verdict.ACCEPT, Diagnosis.MODEL_REGRESSION, "0.03 < 0.09", "6", window(2).end, evidence={"n": 2048})
    store.plans.record(plan, judged, Move(replace(plan, step=Step.HELD, revision=2), (held,), "held"), window(2).end + MINUTE)
    store.close()
    return address


def test_scores_are_a_row_each_and_what_could_not_be_had_says_why(url: str) -> None:
    with history.opened(url) as past:
        frame = past.scores("fraud", measure="drift.*")
    assert frame["subject"].tolist() == ["amount", "age"] * 3
    assert frame["value"].dropna().tolist() == pytest.approx([0.0, 0.1, 0.2])
    assert set(frame.loc[frame["subject"] == "age", "reason"]) == {"90 of 200 rows"}
    assert set(frame["over"]) == {"1 window"}
    assert str(frame["time"].dtype) == "datetime64[ns, UTC]"
    assert frame["time"].iloc[0] == pd.Timestamp(window(0).end)


def test_a_measure_that_nobody_scored_is_an_empty_frame_with_all_columns(url: str) -> None:
    with history.opened(url) as past:
        frame = past.scores(measure="latency.*")
    assert frame.empty
    assert {"time", "value", "reason"} <= set(frame.columns)


def test_since_and_until_cut_by_window_end(url: str) -> None:
    with history.opened(url, now=window(2).end) as past:
        assert past.windows(since="90s")["end"].tolist() == [pd.Timestamp(window(1).end), pd.Timestamp(window(2).end)]
        assert past.windows(until=window(0).end)["end"].tolist() == [pd.Timestamp(window(0).end)]
        assert past.windows("churn").empty
        with pytest.raises(ValueError, match="yesterday"):
            past.windows(since="yesterday")
        with pytest.raises(ValueError, match="Invalid isoformat"):
            past.windows(since="9" * 30 + "d")  # longer than any duration
        assert len(past.windows(since="99999999d")) == len(past.windows())


def test_windows_tell_rows_and_errors(url: str) -> None:
    with history.opened(url) as past:
        frame = past.windows("fraud")
    assert frame[["rows", "errors"]].drop_duplicates().to_numpy().tolist() == [[500, pytest.approx(0.02)]]


def test_alerts_come_with_what_moved_and_verdicts_with_their_evidence(url: str) -> None:
    with history.opened(url) as past:
        alerts, evidence = past.alerts(), past.evidence("fraud")
    assert alerts[["rule", "subject", "state"]].to_numpy().tolist() == [["FeatureDrift", "amount", "firing"]]
    assert alerts["attribution"].iloc[0]["outside"] == {"rows": 200, "count": 50, "ids": ("r-1",), "share": 0.25}
    assert evidence[["incident", "verdict", "diagnosis"]].to_numpy().tolist() == [["i1", "accept", "model_regression"]]
    assert evidence["evidence"].iloc[0] == {"n": 2048}


def test_without_a_store_the_sentence_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no store yet"), history.opened(f"sqlite:///{tmp_path}/none.db"):
        pass


def test_more_rows_than_a_page_are_all_there_once(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/many.db"
    store = Store.open(address, now=ManualClock(TEN).now)
    for n in range(450):
        store.evaluations.commit("fraud", window(n), {("7", ""): profile()}, Evaluation(board(n), (), Memory("fraud"), ()), now=window(n).end)
    store.close()
    with history.opened(address) as past:
        assert past.windows()["end"].is_unique
        assert len(past.windows()) == 450
        assert len(past.scores(measure="drift.psi")) == 900


def test_the_command_lists_the_same_windows(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "watchtower.yaml"
    settings.write_text("source: {kind: file, path: log.jsonl, format: {kind: watchtower_json}}\nstore: {url: 'sqlite:///watchtower.db'}\n")
    assert url.endswith("watchtower.db")
    main_exit(["windows", "fraud", "-c", str(settings), "--since", "2m", "--json"])
    rows = json.loads(capsys.readouterr().out)["windows"]
    assert [(row["end"], row["rows"], row["live"]) for row in rows] == [("2026-11-20T10:02:00Z", 500, True), ("2026-11-20T10:03:00Z", 500, True)]
    assert main_exit(["windows", "-c", str(settings), "--since", "soon"]) == 1
    assert "write 1d" in capsys.readouterr().err


def test_status_and_incidents_are_told_on_a_terminal(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "watchtower.yaml"
    settings.write_text(f"source: {{kind: file, path: log.jsonl, format: {{kind: watchtower_json}}}}\nstore: {{url: '{url}'}}\n")
    assert main_exit(["status", "-c", str(settings)]) == 0
    told = capsys.readouterr().out
    assert re.search(r"FeatureDrift +fraud +amount +firing +2026-11-20 10:03:00 +0\.2\b", told)
    assert "daemon not running, last seen never" in told
    assert "2026-11-20 10:04:00 hold fraud: [no] rollback target" in told
    assert main_exit(["incidents", "-c", str(settings)]) == 0
    assert re.search(r"i1 +fraud +open +2026-11-20 10:03:00 +held", capsys.readouterr().out)


def main_exit(words: list[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words)
    return int(ended.value.code or 0)
