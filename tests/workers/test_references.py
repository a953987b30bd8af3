"""Where references come from, and what a bad file does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workers._acting import MINUTE, at
from watchtower.edges.clock import ManualClock
from watchtower.nouns.errors import ConfigError
from watchtower.nouns.plan import Memory, Served
from watchtower.nouns.settings import Watched
from watchtower.store import Store
from watchtower.workers.references import References
from watchtower.workers.rows import RowReader


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store.open("sqlite://", now=ManualClock(at(0)).now)
    yield opened
    opened.close()


def references(store: Store, folder: Path, *, lenient: bool) -> References:
    watched = Watched.model_validate({"features": {"amount": "numeric"}, "reference": {"kind": "file", "path": str(folder / "{version}.jsonl")}})
    return References(store, lambda _: watched, RowReader([]), MINUTE, lenient=lenient)


def memory(live: str) -> Memory:
    return Memory("fraud", served=Served(live=live))


def test_a_versions_own_file_that_cannot_be_read_leaves_the_models_reference_and_is_tried_again(store: Store, tmp_path: Path) -> None:
    (tmp_path / "1.jsonl").write_text("".join(f'{{"amount": {i}}}\n' for i in range(300)))
    (tmp_path / "2.jsonl").write_text('{"amount": 1')
    made = references(store, tmp_path, lenient=True)
    made.comparison("fraud", memory("1"))
    stored, comparison = made.comparison("fraud", memory("2"))
    assert stored is not None
    assert comparison.profiles is not None
    assert ("2", "") not in comparison.profiles
    (tmp_path / "2.jsonl").write_text("".join(f'{{"amount": {i}}}\n' for i in range(400)))
    again = made.comparison("fraud", memory("2"))[1].profiles
    assert again is not None
    assert again["2", ""].rows == 400


def test_a_models_only_file_that_cannot_be_read_is_no_score_with_that_reason(store: Store, tmp_path: Path) -> None:
    (tmp_path / "1.jsonl").write_text('{"amount": 1')
    stored, comparison = references(store, tmp_path, lenient=True).comparison("fraud", memory("1"))
    assert stored is None
    assert "1.jsonl" in comparison.reason
    with pytest.raises(ConfigError):
        references(store, tmp_path, lenient=False).comparison("fraud", memory("1"))
