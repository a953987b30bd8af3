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
