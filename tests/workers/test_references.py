"""Where references come from, and what a bad file does."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.measures.views import served
from tests.workers._acting import MINUTE, at
from watchtower.edges.clock import ManualClock
from watchtower.formats.watchtower_json import WatchtowerJson
from watchtower.nouns.batch import Messages
from watchtower.nouns.binning import PREDICTION, NumericBins
from watchtower.nouns.errors import ConfigError, Unavailable
from watchtower.nouns.memory import Evaluation, Memory, Served
from watchtower.nouns.score import Board
from watchtower.nouns.settings import Watched
from watchtower.nouns.window import Partition, Span, Window
from watchtower.store import Store
from watchtower.store.references import Accepted
from watchtower.store.windows import ClosedRow
from watchtower.workers.first_windows import OwnWindows, from_windows
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


# -------------------------------------------------------------------------------------------- first windows


class Log:
    """A source that holds its lines, and counts how often it is read and how many lines it gives out at once."""

    format = WatchtowerJson()

    def __init__(self, lines: Sequence[bytes]) -> None:
        self.lines, self.reads, self.largest = lines, 0, 0

    def owns(self, partition: Partition) -> bool:
        return partition == LOG

    def reread(self, spans: Sequence[Span]) -> Iterator[Messages]:
        self.reads += 1
        for span in spans:
            for first in range(span.first, span.last + 1, 100):
                some = self.lines[first : min(first + 100, span.last + 1)]
                self.largest = max(self.largest, len(some))
                n = len(some)
                yield Messages(LOG, list(some), np.arange(first, first + n), first + n, np.full(n, -1))


LOG = Partition("log")


def first_windows(windows: int, each: int) -> tuple[Log, list[ClosedRow]]:
    """Windows of so many rows; every fourth is another version's, with other predictions."""
    draw = np.random.default_rng(4)
    lines = [
        json.dumps(
            {
                "model": "fraud",
                "version": "8" if i % 4 == 3 else "7",
                "time": (at(0) + i * MINUTE / each).isoformat(),
                "features": {"amount": float(draw.normal())},
                "prediction": 0.9 if i % 4 == 3 else 0.1,
            }
        ).encode()
        for i in range(windows * each)
    ]
    past = [
        ClosedRow(Window(at(n), at(n + 1)), "7", {("7", ""): replace(served(each), spans=(Span(LOG, n * each, (n + 1) * each - 1),))}) for n in range(windows)
    ]
    return Log(lines), past


WATCHED = Watched.model_validate({"features": {"amount": "numeric"}, "prediction": {"kind": "probability"}})


def test_many_rows_are_read_twice_in_pieces_and_make_the_same_counts() -> None:
    log, past = first_windows(5, 400)
    whole = from_windows(RowReader([log]), "fraud", WATCHED, past)
    assert whole is not None
    assert (log.reads, log.largest, whole.profiles["", ""].rows) == (1, 100, 2_000)
    pieces = from_windows(RowReader([log]), "fraud", WATCHED, past, most=500)
    assert pieces is not None
    assert (log.reads, pieces.profiles["", ""].rows) == (3, 2_000)
    amount, cut = (each.binning.bins[0] for each in (whole, pieces))
    assert isinstance(amount, NumericBins)
    assert isinstance(cut, NumericBins)
    assert (cut.edges[0], cut.edges[-1]) == (amount.edges[0], amount.edges[-1])
    assert pieces.profiles["", ""].moments[0, 0] == 2_000


@pytest.mark.parametrize("most", [100, 10_000])
def test_the_references_predictions_are_the_live_versions(most: int) -> None:
    log, past = first_windows(5, 400)
    made = from_windows(RowReader([log]), "fraud", WATCHED, past, most=most)
    assert made is not None
    i = made.binning.subjects.index(PREDICTION)
    bins = made.binning.bins[i]
    assert isinstance(bins, NumericBins)
    n, first = made.profiles["", ""].moments[i, :2].tolist()
    assert (n, bins.mean + first / n) == (1_500, pytest.approx(0.1))


def test_a_versions_own_windows_begin_anew_with_an_accepted_reference_of_the_same_cells(store: Store) -> None:
    """Windows 2 and 3 came before the second reference; whoever added them up must not go on from them."""
    log, past = first_windows(6, 400)
    made = from_windows(RowReader([log]), "fraud", WATCHED, past[:2])
    assert made is not None
    whole = made.profiles["", ""]
    for each in past:
        told = Memory("fraud", evaluated_through=each.window.end)
        board = Evaluation(Board("fraud", each.window, "7", {}), (), told, ())
        store.evaluations.commit("fraud", each.window, {("8", ""): whole}, board, now=each.window.end)
    watched = Watched.model_validate({"reference": {"kind": "first_windows", "count": 3, "per": "version"}})
    own = OwnWindows(store)
    first, second = replace(made, valid_from=at(2)), replace(made, valid_from=at(4))
    store.references.begin("fraud", first)
    memory = Memory("fraud", served=Served(live="7", first_served={"8": at(0)}), evaluated_through=at(4))
    assert own.look("fraud", first, memory, watched)[1] == {"8": "reference of version 8: 2 of 3 windows"}
    store.references.accept("fraud", second, Accepted("ann", at(4), "windows", 800))
    assert own.look("fraud", second, replace(memory, evaluated_through=at(6)), watched)[1] == {"8": "reference of version 8: 2 of 3 windows"}


class Away(Log):
    def reread(self, spans: Sequence[Span]) -> Iterator[Messages]:
        msg = f"retention took {len(spans)} span"
        raise Unavailable(msg)


def test_first_windows_that_cannot_be_read_say_so_and_are_the_same_ones_later(store: Store) -> None:
    log, past = first_windows(5, 400)
    watched = Watched.model_validate({**WATCHED.model_dump(exclude_unset=True), "reference": {"kind": "first_windows", "count": 2}})
    for each in past:
        told = Memory("fraud", served=Served(live="7"), evaluated_through=each.window.end)
        store.evaluations.commit("fraud", each.window, each.profiles, Evaluation(Board("fraud", each.window, "7", {}), (), told, ()), now=each.window.end)
    memory = Memory("fraud", served=Served(live="7"), evaluated_through=past[-1].window.end, reference_windows=2, reference_rows=800)
    made = References(store, lambda _: watched, RowReader([Away(log.lines)]), MINUTE)
    stored, comparison = made.comparison("fraud", memory)
    assert (stored, comparison.reason) == (None, "reference: the rows of its first windows cannot be read: retention took 1 span")
    made.rows = RowReader([log])
    stored, comparison = made.comparison("fraud", memory)
    assert stored is not None
    assert (stored.profiles["", ""].rows, stored.valid_from, comparison.reason) == (800, past[1].window.end, "")
