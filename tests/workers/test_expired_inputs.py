"""Trials whose rows the source has no more, in part or in whole: over a real store, a real log file and real models."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.workers.test_trials import BAD, EQUAL, MINUTE, ROWS, TEN, Stage, look
from watchtower.core.trialling import ALL
from watchtower.edges.clock import ManualClock
from watchtower.nouns.batch import FeatureType, Messages, PredictionKind, Schema
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.evidence import Verdict
from watchtower.nouns.kept import KeptRows
from watchtower.nouns.profile import Delta
from watchtower.nouns.settings import Watched
from watchtower.nouns.window import Key, Span, Window
from watchtower.sources.file import File
from watchtower.store import Store
from watchtower.workers.rows import RowReader
from watchtower.workers.trials import TrialRoom

pytest.importorskip("onnxruntime")
SCHEMA = Schema({"amount": FeatureType.NUMERIC, "age": FeatureType.NUMERIC}, PredictionKind.PROBABILITY)


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store.open("sqlite://", now=ManualClock(TEN).now)
    yield opened
    opened.close()


def sizes(stage: Stage, minutes: int) -> list[int]:
    """Serves *minutes*; how long the log is after each."""
    found = []
    for _ in range(minutes):
        stage.serve()
        found.append((stage.folder / "log.jsonl").stat().st_size)
    return found


def cut(stage: Stage, size: int) -> None:
    log = stage.folder / "log.jsonl"
    log.write_bytes(log.read_bytes()[:size])


def room(stage: Stage, *, with_kept: bool = True) -> TrialRoom:
    made = stage.room()
    made.rows = RowReader([stage.source], stage.store.kept_rows if with_kept else None)
    return made


def keep(stage: Stage, minutes: Sequence[int]) -> None:
    """Keeps the rows of these minutes, as a checkpoint does."""
    whole = Span(stage.source.partition, 0, (stage.folder / "log.jsonl").stat().st_size - 1)
    for minute in minutes:
        window = Window(TEN + minute * MINUTE, TEN + (minute + 1) * MINUTE)
        batch = RowReader([stage.source]).read("fraud", [whole], window.start, window.end, SCHEMA)
        assert batch is not None
        rows = (KeptRows(Key("fraud", "2", "", window), ALL, batch),)
        stage.store.intake.checkpoint(Delta({}, {}, {}, (), {}, None, rows=rows), keep_original=False)


def test_of_three_windows_two_are_left_and_the_trial_goes_on_with_them(tmp_path: Path, store: Store) -> None:
    stage = Stage(tmp_path, store, EQUAL, labelled=False)
    two = sizes(stage, 3)[1]
    plan = stage.plan("1")
    plan = replace(plan, opened_at=TEN + MINUTE)
    cut(stage, two)
    judgement = look(room(stage), plan, TEN + 3 * MINUTE)
    assert (judgement.evidence["rows"], judgement.evidence["found"], judgement.evidence["asked"]) == (2 * ROWS, 2 * ROWS, 3 * ROWS)
    assert str(judgement.evidence["expired"]).startswith("inputs expired: ")
    assert not judgement.final
    after = look(room(stage), plan, stage.serve())
    assert (after.evidence["rows"], after.evidence["asked"]) == (3 * ROWS, 4 * ROWS)  # the lost window is not asked for again, the new one is


def test_a_log_that_was_replaced_by_a_longer_one_is_noticed_by_what_is_not_found(tmp_path: Path, store: Store) -> None:
    stage = Stage(tmp_path, store, EQUAL, labelled=False)
    plan = stage.served("1")
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"\n" * (log.stat().st_size + 1))
    judgement = look(room(stage), plan, ended="the alert resolved")
    assert (judgement.verdict, judgement.final) == (Verdict.INCONCLUSIVE, True)
    assert judgement.reason.startswith("inputs expired: 300 of 300 rows are no longer where they were read: was the file replaced?")


def test_kept_rows_take_the_place_of_what_the_source_has_no_more(tmp_path: Path, store: Store) -> None:
    stage = Stage(tmp_path, store, BAD)
    plan = stage.served("1")
    before = look(room(stage), replace(plan, incident="another"))
    keep(stage, [0])
    (tmp_path / "log.jsonl").unlink()
    judgement = look(room(stage), plan)
    assert (judgement.verdict, judgement.candidate) == (Verdict.ACCEPT, "1")
    for name in ("rows", "found", "asked", "agreement", "windows", "expired"):
        assert judgement.evidence[name] == before.evidence[name]
    gone = look(room(stage, with_kept=False), replace(plan, incident="third"), ended="the alert resolved")
    assert gone.reason.startswith(f"inputs expired: {tmp_path / 'log.jsonl'} is not there any more")


def test_rows_of_a_replaced_log_are_taken_from_the_kept_ones_too(tmp_path: Path, store: Store) -> None:
    stage = Stage(tmp_path, store, EQUAL, labelled=False)
    plan = stage.served("1")
    keep(stage, [0])
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"\n" * (log.stat().st_size + 1))
    judgement = look(room(stage), plan)
    assert (judgement.evidence["rows"], judgement.evidence["expired"]) == (ROWS, "")


def test_kept_rows_that_lack_a_feature_are_not_run_with_it_missing(tmp_path: Path, store: Store) -> None:
    stage = Stage(tmp_path, store, EQUAL, labelled=False)
    features = {"amount": "numeric", "age": {"type": "numeric", "keep": "drop"}}
    stage.watched = Watched.model_validate({**stage.watched.model_dump(exclude={"features"}, exclude_defaults=True), "features": features, "keep": "raw"})
    plan = stage.served("1")
    keep(stage, [0])
    (tmp_path / "log.jsonl").unlink()
    judgement = look(room(stage), plan, ended="the alert resolved")
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.reason.startswith("inputs expired: ")
    assert "kept rows lack age, which is not kept raw" in judgement.reason


class Away(File):
    """A file behind a far end that does not answer now."""

    def reread(self, spans: Sequence[Span]) -> Iterator[Messages]:  # noqa: ARG002  nothing is read
        msg = "no broker answers"
        raise Unavailable(msg)


def test_a_source_that_is_away_is_asked_again_and_nothing_is_given_up(tmp_path: Path, store: Store) -> None:
    stage = Stage(tmp_path, store, BAD)
    plan = stage.served("1")
    waiting = room(stage)
    waiting.rows = RowReader([Away(path=stage.source.path, format=stage.source.format)], store.kept_rows)
    judgement = look(waiting, plan)
    assert (judgement.verdict, judgement.final) == (Verdict.INCONCLUSIVE, False)
    assert judgement.reason == "inputs are away for now: no broker answers"
    assert (judgement.evidence["rows"], judgement.evidence["asked"]) == (0, 0)
    back = look(room(stage), plan)
    assert (back.verdict, back.evidence["rows"], back.evidence["expired"]) == (Verdict.ACCEPT, ROWS, "")
