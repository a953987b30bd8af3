"""`watchtower reference` beside a daemon that reads a file."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml

from watchtower.assembly.shared import build_evaluator, build_intake, build_references
from watchtower.cli.main import main
from watchtower.config.reader import read_settings
from watchtower.nouns.errors import ConfigError
from watchtower.nouns.score import Board, MeasureName, Need, Slot
from watchtower.nouns.window import EPOCH
from watchtower.programs.reference import span_of
from watchtower.store import Store
from watchtower.workers.intake import Feed

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ROWS = 400
SETTINGS = """
source: {kind: file, path: log.jsonl, format: {kind: watchtower_json}}
store: {url: "sqlite:///store.db"}
window: {size: 1m, lateness: 0s}
models:
  fraud:
    features: {amount: numeric, country: categorical}
    prediction: {kind: probability}
    reference: REFERENCE
    segments: [country]
"""
RULES = """
rules:
  - {name: Drift, model: fraud, when: {kind: above, measure: drift.psi, value: 0.2}}
"""
FIRST_TWO = "{kind: first_windows, count: 2}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "drift.yaml").write_text(RULES)
    settle(tmp_path, FIRST_TWO)
    return tmp_path


def settle(folder: Path, reference: str) -> None:
    (folder / "watchtower.yaml").write_text(SETTINGS.replace("REFERENCE", reference))


def log(folder: Path, windows: Mapping[int, float], version: str = "7") -> None:
    """Rows of each window, its amounts shifted by so much, behind those that are there."""
    with (folder / "log.jsonl").open("a") as file:
        for n, shift in windows.items():
            draw = np.random.default_rng(n)
            for i, (amount, answer) in enumerate(zip(draw.normal(shift, 1, ROWS), draw.random(ROWS), strict=True)):
                when = TEN + n * MINUTE + i * MINUTE / ROWS
                features = {"amount": float(amount), "country": "DE" if i % 4 else "FR"}
                file.write(
                    json.dumps({"model": "fraud", "version": version, "time": when.isoformat(), "features": features, "prediction": float(answer)}) + "\n"
                )


def watch(folder: Path) -> dict[int, Board]:
    """A daemon that starts, reads all that is there, evaluates what has closed, and ends: the boards by window."""
    loaded = read_settings(folder / "watchtower.yaml")
    store = Store.open(loaded.settings.store.url, now=lambda: TEN)
    store.hold_file_lock()
    source = loaded.settings.sources[0]
    session = source.open()
    references = build_references(loaded.settings, store, loaded.settings.sources)
    intake = build_intake(loaded.settings, store, references, [Feed(session, source.format)], lambda _: None, live=False)
    boards: dict[int, Board] = {}
    evaluator = build_evaluator(
        loaded.settings,
        store,
        references,
        lambda: loaded.book,
        lambda _model, window, evaluation: boards.__setitem__((window.start - TEN) // MINUTE, evaluation.board),
        lambda: False,
    )
    try:
        while intake.step(EPOCH) or not session.caught_up():
            while evaluator.step(EPOCH):
                pass
        while evaluator.step(EPOCH):
            pass
    finally:
        session.close()
        store.close()
    return boards


def psi(board: Board, segment: str = "", version: str = "7") -> float | str:
    scores = board.scores[Slot(version, segment, Need(MeasureName("drift", "psi")))]
    return scores.reasons[0] or float(scores.values[0])


def command(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["reference", *words])
    return int(ended.value.code or 0)


def test_windows_are_accepted_as_the_new_normal_from_the_next_window_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log(folder, {0: 0, 1: 0, 2: 0, 3: 3, 4: 3, 5: 3})
    before = watch(folder)
    assert (psi(before[1]), float(psi(before[2])) < 0.2, float(psi(before[4])) > 1) == ("reference: 1 of 2 windows", True, True)
    assert command("fraud", "--from-windows", "2026-11-20T10:03..2026-11-20T10:05", "--json") == 0
    told = capsys.readouterr()
    put = json.loads(told.out)
    assert (put["valid_from"], put["rows"]) == ("2026-11-20T10:06:00+00:00", 2 * ROWS)
    assert put["before"] != put["after"]
    assert "for windows from 2026-11-20 10:06:00 UTC on" in told.err
    log(folder, {6: 3, 7: 0, 8: 0})
    after = watch(folder)
    assert float(psi(after[5])) > 1
    assert float(psi(after[6])) < 0.2
    assert float(psi(after[6], "country=DE")) < 0.2
    assert psi(after[6], "country=FR") == "100 of 200 rows"
    assert float(psi(after[7])) > 1


def test_who_changed_it_when_and_from_what_is_kept(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "ann")
    log(folder, dict.fromkeys(range(5), 0.0))
    watch(folder)
    assert command("fraud", "--from-windows", "2026-11-20T10:02Z..2026-11-20T10:04Z") == 0
    capsys.readouterr()
    assert command("fraud", "--list", "--json") == 0
    (change,) = json.loads(capsys.readouterr().out)["changes"]
    assert change["who"].startswith("ann@")
    assert (change["from"], change["rows"], change["intact"]) == ("windows 2026-11-20T10:02:00+00:00 to 2026-11-20T10:04:00+00:00", 2 * ROWS, True)
    assert command("fraud", "--list") == 0
    assert "intact" in capsys.readouterr().out


def test_where_rows_have_expired_the_summaries_are_accepted_under_the_cells_as_they_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log(folder, {0: 0, 1: 0, 2: 0, 3: 3, 4: 3, 5: 3})
    watch(folder)
    (folder / "log.jsonl").rename(folder / "gone.jsonl")
    assert command("fraud", "--from-windows", "2026-11-20T10:03..2026-11-20T10:05", "--json") == 0
    told = capsys.readouterr()
    put = json.loads(told.out)
    assert (put["before"] == put["after"], put["rows"]) == (True, 2 * ROWS)
    assert "the cells stay as they are" in told.err
    (folder / "gone.jsonl").rename(folder / "log.jsonl")
    log(folder, {6: 3, 7: 3})
    assert float(psi(watch(folder)[6])) < 0.2


def test_a_file_is_accepted_instead_of_the_files_that_were(folder: Path) -> None:
    (folder / "references").mkdir()
    for version, shift in (("6", 0), ("8", 9)):
        rows = np.random.default_rng(1).normal(shift, 1, 900)
        (folder / "references" / f"{version}.csv").write_text(
            "amount,country\n" + "".join(f"{value},{'DE' if i % 4 else 'FR'}\n" for i, value in enumerate(rows))
        )
    settle(folder, '{kind: file, path: "references/{version}.csv"}')
    log(folder, {0: 3, 1: 3})
    assert float(psi(watch(folder)[0])) > 1
    new = np.random.default_rng(2).normal(3, 1, 900)
    (folder / "new.csv").write_text("amount,country\n" + "".join(f"{value},{'DE' if i % 4 else 'FR'}\n" for i, value in enumerate(new)))
    assert command("fraud", "--data", "new.csv") == 0
    log(folder, {2: 3, 3: 3})
    assert float(psi(watch(folder)[2])) < 0.2
    log(folder, {4: 3, 5: 3}, version="7b")
    assert float(psi(watch(folder)[4], version="7b")) < 0.2, "7b has no file of its own: 6's is older than what was accepted"
    log(folder, {6: 3, 7: 3}, version="8")
    assert float(psi(watch(folder)[6], version="8")) > 1, "8 has a file of its own"


def test_a_file_may_come_before_the_first_row(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = np.random.default_rng(2).normal(3, 1, 900)
    (folder / "new.csv").write_text("amount,country\n" + "".join(f"{value},DE\n" for value in rows))
    assert command("fraud", "--data", "new.csv", "--json") == 0
    assert json.loads(capsys.readouterr().out)["valid_from"] is None
    log(folder, {0: 3, 1: 0, 2: 0})
    boards = watch(folder)
    assert (float(psi(boards[0])) < 0.2, float(psi(boards[1])) > 1) == (True, True)


def test_proposed_rules_pass_check_and_hold_the_reference_itself(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log(folder, dict.fromkeys(range(4), 0.0))
    watch(folder)
    assert command("fraud", "--rules", "rules/quality.yaml") == 0
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["check"])
    assert (ended.value.code or 0, "quality.yaml" in capsys.readouterr().err) == (0, False)
    text = (folder / "rules" / "quality.yaml").read_text()
    assert [rule["name"] for rule in yaml.safe_load(text)["rules"]] == ["OutOfRange-fraud", "UnseenCategory-fraud", "Missing-fraud"]
    assert "#   country: 2 categories" in text
    assert command("fraud", "--rules", "rules/quality.yaml") == 1
    assert "not overwritten" in capsys.readouterr().err
    assert command("fraud") == 0
    assert capsys.readouterr().out == text


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("fraud",), 1, "no store yet"),
        (("other", "--data", "new.csv"), 1, "no model 'other'"),
        (("fraud", "--data", "none.csv"), 1, "no such reference file"),
        (("fraud", "--from-windows", "2026-11-20T10:03..2026-11-20T10:05"), 1, "no rows were served"),
        (("fraud", "--from-windows", "yesterday"), 64, "no span of time"),
        (("fraud", "--list", "--data", "new.csv"), 64, "say one of"),
    ],
)
def test_what_cannot_be_done_is_said(folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, says: str) -> None:
    (folder / "new.csv").write_text("amount,country\n1,DE\n")
    assert (command(*words), says in capsys.readouterr().err) == (code, True)


def test_a_span_of_time_is_utc_where_it_does_not_say() -> None:
    assert span_of("2026-11-20T10:00..2026-11-20T12:00+01:00") == (TEN, TEN + timedelta(hours=1))
    for wrong in ("2026-11-20T10:00", "2026-11-20T10:00..2026-11-20T10:00", "a..b"):
        with pytest.raises(ValueError, match=r"span|before|Invalid"):
            span_of(wrong)


def test_first_windows_are_the_first_ones_however_late_their_rows_can_be_read(folder: Path) -> None:
    log(folder, dict.fromkeys(range(6), 0.0))
    loaded = read_settings(folder / "watchtower.yaml")
    store = Store.open(loaded.settings.store.url, now=lambda: TEN)
    references = build_references(loaded.settings, store, loaded.settings.sources)
    session = loaded.settings.sources[0].open()
    intake = build_intake(loaded.settings, store, references, [Feed(session, loaded.settings.sources[0].format)], lambda _: None, live=False)
    boards: list[Board] = []
    evaluator = build_evaluator(loaded.settings, store, references, lambda: loaded.book, lambda *said: boards.append(said[2].board), lambda: False)
    while intake.step(EPOCH) or not session.caught_up():
        pass
    (folder / "log.jsonl").rename(folder / "away.jsonl")
    while evaluator.step(EPOCH):
        pass
    assert "cannot be read" in str(psi(boards[-1]))
    (folder / "away.jsonl").rename(folder / "log.jsonl")
    log(folder, {6: 0, 7: 0})
    while intake.step(EPOCH) or not session.caught_up():
        pass
    while evaluator.step(EPOCH):
        pass
    stored = store.references.load("fraud")
    session.close()
    store.close()
    assert stored is not None
    assert (stored.profiles["", ""].rows, stored.valid_from, float(psi(boards[-1])) < 0.2) == (2 * ROWS, TEN + 2 * MINUTE, True)


def test_each_version_waits_for_its_own_first_windows_over_restarts(folder: Path) -> None:
    settle(folder, "{kind: first_windows, count: 2, per: version}")
    log(folder, {0: 0, 1: 0, 2: 0, 3: 0})
    assert float(psi(watch(folder)[2])) < 0.2
    log(folder, {4: 3}, version="8")
    log(folder, {5: 3}, version="8")
    found = watch(folder)
    assert psi(found[4], version="8") == "reference of version 8: 0 of 2 windows"
    log(folder, {6: 3, 7: 0, 8: 0}, version="8")
    found = watch(folder)
    assert psi(found[5], version="8") == "reference of version 8: 1 of 2 windows"
    assert float(psi(found[6], version="8")) < 0.2
    assert float(psi(found[7], version="8")) > 1


def test_a_model_that_nobody_knows_is_no_desk(folder: Path) -> None:
    from watchtower.programs.reference import Desk

    loaded = read_settings(folder / "watchtower.yaml")
    store = Store.open("sqlite://", now=lambda: TEN)
    with pytest.raises(ConfigError, match="models: fraud"):
        Desk(loaded.settings, store, "frod", folder / "watchtower.yaml")
    store.close()
