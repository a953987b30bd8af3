"""Folding: which rows land where, and what a delta says of them."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from watchtower import line
from watchtower.core.binning import make_binning
from watchtower.core.merging import merge
from watchtower.core.profiling import Bound, Folder
from watchtower.formats.watchtower_json import WatchtowerJson
from watchtower.nouns.batch import Catalog, Column, FeatureType, Messages, NumberColumn, PredictionKind, Schema, TextColumn
from watchtower.nouns.binning import PREDICTION, NumericBins
from watchtower.nouns.profile import Delta
from watchtower.nouns.settings import FeatureSettings, WindowSettings
from watchtower.nouns.window import Partition, micros, moment

START = datetime(2026, 5, 11, 6, tzinfo=UTC)
SETTINGS = WindowSettings(size=timedelta(seconds=30), lateness=timedelta(seconds=10))
HERE = Partition("log.jsonl")
CATALOG = Catalog({"fraud": Schema({"amount": FeatureType.NUMERIC, "country": FeatureType.CATEGORICAL}, PredictionKind.PROBABILITY)})


def row(second: float, **change: object) -> dict[str, object]:
    when = (START + timedelta(seconds=second)).isoformat()
    return {"model": "fraud", "version": "1", "time": when, "features": {"amount": second, "country": "DE"}, "prediction": 0.5, "latency_ms": 10.0} | change


def messages(rows: list[dict[str, object]], first: int = 0) -> Messages:
    values = [json.dumps(each).encode() for each in rows]
    n = len(values)
    return Messages(HERE, values, np.arange(first, first + n, dtype=np.int64), first + n, np.full(n, -1, dtype=np.int64))


def folded(rows: list[dict[str, object]], pieces: int = 1, folder: Folder | None = None, *, ended: bool = True) -> Delta:
    folder = folder or Folder(SETTINGS)
    folder.assign([HERE])
    step = -(-len(rows) // pieces)
    for first in range(0, len(rows), step):
        line.fold([messages(rows[first : first + step], first)], WatchtowerJson(), CATALOG, folder, now=None, ended=ended)
    return folder.take(None)


def windows(delta: Delta, *, late: bool = False) -> dict[tuple[str, int], int]:
    found = delta.late if late else delta.profiles
    return {(key.version, int((key.window.start - START).total_seconds())): profile.rows for key, profile in found.items()}


def test_rows_land_in_the_half_open_window_of_their_event_time() -> None:
    assert windows(folded([row(0), row(29.999), row(30), row(61, version="2")])) == {("1", 0): 2, ("1", 30): 1, ("2", 60): 1}


@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_late_rows_are_the_same_whatever_the_pieces_they_are_read_in(pieces: int) -> None:
    delta = folded([row(1), row(45), row(5), row(20), row(50)], pieces)
    assert (windows(delta), windows(delta, late=True)) == ({("1", 0): 1, ("1", 30): 2}, {("1", 0): 2})
    assert (delta.totals["fraud", "1"].predictions, delta.totals["fraud", "1"].late) == (5, 2)


def test_rows_of_other_roles_are_counted_apart_and_are_no_traffic() -> None:
    delta = folded([row(1), row(2, role="shadow"), row(3, role="mirror"), row(4, role="shadow")])
    assert windows(delta) == {("1", 0): 1}
    assert delta.totals["fraud", "1"].other_roles == {"shadow": 2, "mirror": 1}


def test_a_jump_ahead_waits_for_what_follows_and_then_moves_nothing() -> None:
    folder = Folder(SETTINGS)
    folder.assign([HERE])
    rows = [row(1), row(9_000), row(2)]
    line.fold([messages(rows)], WatchtowerJson(), CATALOG, folder, now=None)
    assert folder.progress[HERE].position == 1
    line.fold([messages([row(3)], 3)], WatchtowerJson(), CATALOG, folder, now=None, ended=True)
    delta = folder.take(None)
    assert folder.progress[HERE].position == 4
    assert [each.reason for each in delta.rejected] == ["time_in_future"]
    assert (windows(delta), delta.messages) == ({("1", 0): 3}, 4)


def test_sampling_weights_traffic_latency_and_errors_but_not_rows() -> None:
    delta = folded([row(1, sampling=0.25, status="error"), row(2)])
    (profile,) = delta.profiles.values()
    assert (profile.rows, profile.weight, profile.statuses, profile.status_rows) == (2, 5.0, {"error": 4.0, "ok": 1.0}, {"error": 1, "ok": 1})
    assert profile.latency is not None
    assert (profile.latency.weight, profile.latency.rows) == (5.0, 2)
    assert profile.latency.total == pytest.approx(0.05)


def test_profiles_of_pieces_merge_to_the_profile_of_the_whole() -> None:
    reference: dict[str, Column] = {
        "amount": NumberColumn(np.linspace(0, 30, 500)),
        "country": TextColumn(np.zeros(500, dtype=np.int32), ("DE",)),
        PREDICTION: NumberColumn(np.full(500, 0.5)),
    }
    binning = make_binning(reference, {}, PredictionKind.PROBABILITY, ())
    rows = [row(second / 10, features={"amount": second / 7, "country": "DE" if second % 3 else "FR"}) for second in range(290)]

    def bound() -> Folder:
        folder = Folder(SETTINGS)
        folder.bound["fraud"] = Bound(binning, 0)
        return folder

    whole = next(iter(folded(rows, 1, bound()).profiles.values()))
    folder = bound()
    parts = [next(iter(folded(rows[first : first + 100], 1, folder).profiles.values())) for first in (0, 100, 200)]
    merged = merge(parts)
    assert merged.cells.tolist() == whole.cells.tolist()
    assert merged.cells.sum() == 290 * len(binning.subjects)
    np.testing.assert_allclose(merged.moments, whole.moments, rtol=1e-9)


def test_segments_are_part_of_the_key() -> None:
    reference: dict[str, Column] = {
        "amount": NumberColumn(np.linspace(0, 30, 500)),
        "country": TextColumn(np.arange(500, dtype=np.int32) % 2, ("DE", "FR")),
    }
    folder = Folder(SETTINGS)
    folder.bound["fraud"] = Bound(make_binning(reference, {}, None, ("country",)), 0)
    delta = folded([row(1), row(2, features={"amount": 1, "country": "IT"}), row(3)], 1, folder)
    assert {key.segment: profile.rows for key, profile in delta.profiles.items()} == {"": 3, "country=DE": 2, "country=other": 1}


def test_what_was_handed_out_is_not_handed_out_again() -> None:
    folder = Folder(SETTINGS)
    first = folded([row(1)], 1, folder)
    folder.committed(first)
    again = folder.take(None)
    assert again.is_empty
    assert not again.progress
    assert moment(0).year == 1970


@pytest.mark.parametrize("known_late", [False, True])
def test_texts_of_windows_before_a_new_reference_are_held_against_the_words_of_theirs(known_late: bool) -> None:  # noqa: FBT001  a table's column
    """The old reference knows "red", the new one "blue": red texts are known before the change, unknown after it."""
    notes = {"note": FeatureSettings(type=FeatureType.TEXT)}
    old, new = (make_binning({"note": TextColumn(np.zeros(2, dtype=np.int32), (name,))}, notes, None, ()) for name in ("red", "blue"))
    folder = Folder(SETTINGS)
    before, after = Bound(old, 0), Bound(new, micros(START) + 30_000_000, Bound(old, 0))
    folder.bound["fraud"] = before if known_late else after
    folder.assign([HERE])
    catalog = Catalog({"fraud": Schema({"note": FeatureType.TEXT}, PredictionKind.PROBABILITY)})
    for first, rows in enumerate([[row(1, features={"note": "red"})], [row(2, features={"note": "red"})], [row(31, features={"note": "red"})]]):
        line.fold([messages(rows, first)], WatchtowerJson(), catalog, folder, now=None, ended=True)
        folder.bound["fraud"] = after
    shares = {}
    for key, profile in folder.take(None).profiles.items():
        binning = old if key.window.start == START else new
        assert profile.binning == binning.id
        i = binning.subjects.index("note.unknown_words")
        bins = binning.bins[i]
        assert isinstance(bins, NumericBins)
        shares[key.window.start == START] = bins.mean + profile.moments[i, 1] / profile.moments[i, 0]
    assert shares == {True: 0.0, False: 1.0}
