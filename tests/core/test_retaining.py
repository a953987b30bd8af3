"""Rows that wait for their checkpoint."""

from datetime import UTC, datetime, timedelta

from tests.core.test_trialling import batch
from watchtower.core.retaining import RowsTally
from watchtower.nouns.kept import KeepTerms
from watchtower.nouns.window import Key, Window

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)


def test_a_backlog_of_many_windows_before_one_checkpoint_loses_no_window() -> None:
    tally = RowsTally(lambda _model: KeepTerms(100, frozenset()))
    assert tally.wants("fraud")
    keys = [Key("fraud", "2", "", Window(TEN + timedelta(minutes=i), TEN + timedelta(minutes=i + 1))) for i in range(50)]
    for key in keys:
        tally.add(key, batch(5))
    assert {each.key for each in tally.take()} == {*keys}
    assert tally.take() == ()


def test_versions_that_served_nothing_for_an_hour_are_forgotten() -> None:
    tally = RowsTally(lambda _model: KeepTerms(100, frozenset()))
    assert tally.wants("fraud")
    assert tally.wants("other")

    def add(model: str, version: str, minute: int) -> None:
        tally.add(Key(model, version, "", Window(TEN + timedelta(minutes=minute), TEN + timedelta(minutes=minute + 1))), batch(5))

    add("other", "1", 0)
    for i in range(100):
        add("fraud", f"build-{i}", i)
        tally.take()
    assert {version for model, version in tally._open if model == "fraud"} == {f"build-{i}" for i in range(39, 100)}
    assert ("other", "1") in tally._open, "another model's windows are its own"
    add("fraud", "build-0", 0)
    add("fraud", "build-100", 100)
    assert {each.key.version for each in tally.take()} == {"build-0", "build-100"}, "what waits for its checkpoint is not forgotten"
