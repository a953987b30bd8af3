"""Rules over stored history, beside what happened; and what they are calibrated to."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from watchtower.cli.main import main
from watchtower.config.reader import Loaded, read_settings
from watchtower.config.rulebook import read_rules
from watchtower.edges.clock import Clock, ManualClock
from watchtower.nouns.alert import AlertState
from watchtower.nouns.errors import ConfigError
from watchtower.nouns.window import EPOCH
from watchtower.programs.backtest import Backtest, Player, backtest
from watchtower.programs.calibrate import lines
from watchtower.store import Store
from watchtower.workers.calibrator import Calibrator

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WINDOWS, MOVED = 40, 32
"""Windows in all, and the first that has moved."""
SETTINGS = """
source: {kind: file, path: log.jsonl, format: {kind: watchtower_json}}
store: {url: "sqlite:///w.db"}
window: {size: 1m, lateness: 0s}
models: {fraud: {reference: {kind: first_windows, count: 10}}}
"""
SUM = "  - {name: Sum, model: fraud, when: {kind: cumulative, measure: drift.psi, feature: a, target: 0.1, slack: 0, value: 2}}\n"
RULE = "rules:\n  - {name: Drift, model: fraud, when: {kind: above, measure: drift.psi, value: 0.5}}\n" + SUM
NEW = """
rules:
  - {name: Drift, model: fraud, when: {kind: above, measure: drift.psi, value: 90}}
  - {name: Slower, model: fraud, hold: 3 windows, when: {kind: above, measure: drift.psi, feature: a, value: 0.5}}
  - {name: Later, model: fraud, when: {kind: cumulative, measure: drift.psi, feature: a, target: 0.1, slack: 0, value: 20}}
"""


def log(path: Path) -> None:
    rng = np.random.default_rng(1)
    with path.open("w") as file:
        for window in range(WINDOWS):
            moved = 2.0 if window >= MOVED else 0.0
            features = {"a": (rng.normal(size=300) + moved).tolist(), "b": rng.normal(size=300).tolist()}
            file.write(json.dumps({"model": "fraud", "version": "1", "rows": 300, "time": START.timestamp() + 60 * window, "features": features}) + "\n")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """A folder whose store holds the log's evaluated windows."""
    folder = tmp_path_factory.mktemp("history")
    log(folder / "log.jsonl")
    (folder / "rules").mkdir()
    (folder / "rules" / "r.yaml").write_text(RULE)
    (folder / "new.yaml").write_text(NEW)
    (folder / "watchtower.yaml").write_text(SETTINGS)
    loaded = read_settings(folder / "watchtower.yaml")
    _fill(loaded)
    return loaded


def _fill(loaded: Loaded) -> None:
    """Reads the log through the line, as the daemon does, into the settings' own store."""
    from watchtower.assembly.shared import build_evaluator, build_intake, build_references
    from watchtower.sources.file import ReplaySession
    from watchtower.workers.intake import Feed

    store = Store.open(loaded.settings.store.url, now=ManualClock(EPOCH).now)
    session = ReplaySession([loaded.path.parent / "log.jsonl"], loaded.settings.sources[0].format)
    references = build_references(loaded.settings, store, [session])
    intake = build_intake(loaded.settings, store, references, [Feed(session, loaded.settings.sources[0].format)], lambda _delta: None, live=False)
    evaluator = build_evaluator(loaded.settings, store, references, lambda: loaded.book, lambda *_heard: None, lambda: False)
    intake.begin()
    while not session.caught_up():
        intake.step(EPOCH)
    intake.folder.close_all()
    intake.finish(EPOCH)
    while evaluator.step(EPOCH):
        pass
    session.close()
    store.close()


@pytest.fixture
def store(settings: Loaded) -> Iterator[Store]:
    opened = Store.open(settings.settings.store.url, read_only=True, now=Clock().now)
    yield opened
    opened.close()


def played(store: Store, settings: Loaded, rules: Path, since: datetime = START) -> Backtest:
    return backtest(store, settings.settings, read_rules([rules], MINUTE), since, START + WINDOWS * MINUTE, Clock())


def fired(done: Backtest) -> list[tuple[str, str, int]]:
    """(rule, subject, how many windows after the start it began to fire)."""
    changes = [each for each in done.would if each.alert.state is AlertState.FIRING]
    return [(each.alert.id.rule, each.alert.id.subject, (each.at - START) // MINUTE) for each in changes]


def test_the_same_rules_would_have_done_what_they_did(store: Store, settings: Loaded) -> None:
    done = played(store, settings, settings.path.parent / "rules")
    assert done.counts() == {("Drift", "fraud"): (1, 1), ("Sum", "fraud"): (1, 1)}
    assert [(str(each.alert.id), each.at, each.alert.value) for each in done.would] == [
        (str(each.alert.id), each.at, each.alert.value) for each in done.happened
    ]
    assert fired(done) == [("Drift", "a", MOVED + 1), ("Sum", "a", MOVED + 1)]
    assert done.windows == WINDOWS


def test_other_rules_would_have_done_otherwise(store: Store, settings: Loaded) -> None:
    done = played(store, settings, settings.path.parent / "new.yaml")
    assert fired(done) == [("Slower", "a", MOVED + 3), ("Later", "a", MOVED + 7)]  # a PSI of about 3 a window adds up to 20 in seven
    assert done.counts() == {("Drift", "fraud"): (0, 1), ("Later", "fraud"): (1, 0), ("Slower", "fraud"): (1, 0), ("Sum", "fraud"): (0, 1)}


def test_what_lies_before_the_stretch_is_played_and_not_told(store: Store, settings: Loaded) -> None:
    done = played(store, settings, settings.path.parent / "new.yaml", since=START + (MOVED + 2) * MINUTE)
    assert fired(done) == [("Slower", "a", MOVED + 3), ("Later", "a", MOVED + 7)]
    assert done.windows == WINDOWS - MOVED - 2


def test_a_stretch_from_the_beginning_of_time_is_played_from_the_first_window_on(store: Store, settings: Loaded) -> None:
    done = played(store, settings, settings.path.parent / "rules", since=datetime(1, 1, 1, tzinfo=UTC))
    assert (done.windows, done.counts()) == (WINDOWS, {("Drift", "fraud"): (1, 1), ("Sum", "fraud"): (1, 1)})


def test_as_much_is_played_before_the_stretch_as_conditions_look_back_on(store: Store, settings: Loaded) -> None:
    def warming(rules: str) -> int:
        (settings.path.parent / "some.yaml").write_text(f"rules:\n  - {rules}\n")
        book = read_rules([settings.path.parent / "some.yaml"], MINUTE)
        return Player(store, settings.settings, book, "fraud", Calibrator(store, Clock().now), ()).warming

    assert warming("{name: A, model: fraud, over: 2h, when: {kind: above, measure: drift.psi, value: 1}}") - warming(
        "{name: A, model: fraud, when: {kind: above, measure: drift.psi, value: 1}}"
    ) == pytest.approx(119, abs=1)
    assert warming("{name: A, model: fraud, when: {kind: cumulative, measure: drift.psi, target: 0, slack: 0, value: 1}}") >= 499 + 60


def test_the_command_tells_it_as_json_and_writes_nothing(settings: Loaded, capsys: pytest.CaptureFixture[str]) -> None:
    before = (settings.path.parent / "w.db").read_bytes()
    with pytest.raises(SystemExit) as ended:
        main(["backtest", str(settings.path.parent / "new.yaml"), "-c", str(settings.path), "--since", "1d", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert ended.value.code == 0
    assert told["windows"] == WINDOWS
    assert {"rule": "Slower", "model": "fraud", "would_fire": 1, "fired": 0} in told["rules"]
    assert [each["state"] for each in told["would"] if each["rule"] == "Slower"] == ["pending", "firing"]
    assert [each["rule"] for each in told["happened"]] == ["Drift", "Sum"]
    assert (settings.path.parent / "w.db").read_bytes() == before


def test_calibrate_says_what_a_written_bound_must_be_expected_to_do(settings: Loaded) -> None:
    store = Store.open(settings.settings.store.url, now=Clock().now)
    try:
        kept = store.calibrations.of("fraud")
        (line,) = lines(store, settings.book, "fraud", Clock())
        assert (line.rule.name, line.is_auto, line.made.bound) == ("Drift", False, 0.5)
        assert line.made.expected < 1
        assert (line.made.rows, line.made.windows) == (300, 120)
        assert store.calibrations.of("fraud") == kept
        with pytest.raises(ConfigError, match="no rule with a bound"):
            list(lines(store, settings.book, "credit", Clock()))
    finally:
        store.close()


def test_calibrate_keeps_a_bound_that_was_asked_for(settings: Loaded, capsys: pytest.CaptureFixture[str]) -> None:
    asked = settings.path.parent / "auto"
    asked.mkdir(exist_ok=True)
    (asked / "r.yaml").write_text(RULE.replace("value: 0.5", "value: auto, false_alarms: 1 per 30d"))
    path = settings.path.with_name("auto.yaml")
    path.write_text(SETTINGS + "rules: auto\n")
    with pytest.raises(SystemExit) as ended:
        main(["calibrate", "fraud", "-c", str(path), "--json"])
    (told,) = json.loads(capsys.readouterr().out)["rules"]
    assert ended.value.code == 0
    assert (told["rule"], told["calibrated"], told["label"]) == ("Drift", True, "extrapolated")
    assert 0.03 < told["bound"] < 1
    store = Store.open(settings.settings.store.url, read_only=True, now=Clock().now)
    kept = [each.bound for each in store.calibrations.of("fraud").values()]
    store.close()
    assert kept == [told["bound"]]
