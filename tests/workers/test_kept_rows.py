"""Rows beside their summaries: which are kept, how they lie in the store, and when they are read."""

import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.workers.test_intake import NOW, ZERO, Topic, intake, row, until_drained
from watchtower.core.binning import make_reference_profile
from watchtower.core.keeping import Kept
from watchtower.core.profiling import Folder
from watchtower.core.retaining import common
from watchtower.core.slicing import joined
from watchtower.core.trialling import ALL, chosen, row_hash
from watchtower.edges.clock import ManualClock
from watchtower.edges.tables import ReferenceTable
from watchtower.formats.watchtower_json import WatchtowerJson
from watchtower.nouns.batch import Catalog, Column, FeatureType, Messages, NumberColumn, PredictionBatch, PredictionKind, Schema, TextColumn, VectorColumn
from watchtower.nouns.binning import CategoryBins, digest_of
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.kept import KeepTerms, KeptRows
from watchtower.nouns.profile import Delta
from watchtower.nouns.settings import Watched, WindowSettings
from watchtower.nouns.window import Partition, Span
from watchtower.sources.file import File
from watchtower.store import Store, StoredReference
from watchtower.store.packing import pack_binning
from watchtower.store.row_packing import pack_rows, unpack_rows
from watchtower.workers.intake import Intake
from watchtower.workers.references import of_table
from watchtower.workers.rows import RowReader
from watchtower.workers.trials import not_kept

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SCHEMA = Schema({"amount": FeatureType.NUMERIC, "country": FeatureType.CATEGORICAL, "face": FeatureType.EMBEDDING}, PredictionKind.PROBABILITY)


def line(i: int, minute: int = 0, version: str = "7") -> bytes:
    features = {"amount": i / 7, "country": "DE" if i % 2 else "FR", "face": [i, 0.5]}
    said = {"model": "fraud", "version": version, "id": f"r-{minute}-{i}", "time": (TEN + minute * MINUTE + i * timedelta(microseconds=10)).isoformat()}
    return json.dumps(said | {"features": features, "prediction": 0.25, "latency_ms": 3, "instance": "pod-1"}).encode()


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store.open("sqlite://", now=ManualClock(TEN + timedelta(hours=1)).now)
    yield opened
    opened.close()


class Log:
    """A log file, and the folder that reads it."""

    def __init__(self, at: Path, most: int | None, left_out: frozenset[str] = frozenset()) -> None:
        self.path = at / "log.jsonl"
        self.path.touch()
        self.source = File(path=str(self.path), format=WatchtowerJson())
        self.folder = Folder(WindowSettings(size=MINUTE))
        self.folder.rows.terms = lambda _: None if most is None else KeepTerms(most, left_out)
        self.folder.assign([self.source.partition])

    def serve(self, lines: Sequence[bytes], store: Store) -> Delta:
        """Writes, reads, and commits."""
        at = self.path.stat().st_size
        with self.path.open("ab") as file:
            file.write(b"".join(each + b"\n" for each in lines))
        positions = at + np.cumsum([0, *(len(each) + 1 for each in lines[:-1])]).astype(np.int64)
        messages = Messages(self.source.partition, list(lines), positions, self.path.stat().st_size, np.full(len(lines), -1, dtype=np.int64))
        self.folder.add([messages], WatchtowerJson().decode([messages], Catalog({"fraud": SCHEMA})), now=None, ended=True)
        delta = self.folder.take(None)
        store.intake.checkpoint(delta, keep_original=False)
        self.folder.committed(delta)
        return delta

    def all(self) -> PredictionBatch:
        """Every row, read again."""
        found = RowReader([self.source]).read("fraud", [Span(self.source.partition, 0, self.path.stat().st_size - 1)], TEN, TEN + timedelta(days=1), SCHEMA)
        assert found is not None
        return found


def amounts(batch: PredictionBatch | None) -> list[float]:
    assert batch is not None
    column = batch.features["amount"]
    assert isinstance(column, NumberColumn)
    return [round(value * 7) for value in column.values.tolist()]


def hashes(batch: PredictionBatch) -> np.typing.NDArray[np.uint64]:
    return row_hash(0, batch.positions, batch.ordinals)


def test_rows_come_back_from_the_store_as_the_source_gives_them(tmp_path: Path, store: Store) -> None:
    log = Log(tmp_path, 1000)
    log.serve([line(i) for i in range(30)], store)
    log.serve([line(i) for i in range(30, 50)], store)
    kept, there = store.kept_rows.read("fraud", TEN, TEN + MINUTE), log.all()
    assert kept is not None
    assert (tuple(kept.ids or ()), kept.positions.tolist(), kept.times.tolist()) == (tuple(there.ids or ()), there.positions.tolist(), there.times.tolist())
    for name in ("amount", "country", "face"):
        mine, theirs = kept.features[name], there.features[name]
        if isinstance(mine, TextColumn) and isinstance(theirs, TextColumn):
            assert [mine.names[code] for code in mine.codes] == [theirs.names[code] for code in theirs.codes]
        elif isinstance(mine, NumberColumn | VectorColumn):
            assert np.array_equal(mine.values, theirs.values)  # type: ignore[union-attr]
    assert isinstance(kept.prediction, NumberColumn)
    assert set(kept.prediction.values.tolist()) == {0.25}
    assert kept.latency is None
    assert kept.instances is None


def test_nothing_is_kept_where_nobody_asks_for_it(tmp_path: Path, store: Store) -> None:
    log = Log(tmp_path, None)
    assert log.serve([line(i) for i in range(50)], store).rows == ()
    assert store.kept_rows.read("fraud", TEN, TEN + MINUTE) is None


def test_of_much_traffic_an_even_sample_is_kept_by_position_hash(tmp_path: Path, store: Store) -> None:
    """The kept rows are exactly those under the threshold, over several checkpoints; of 3,000 rows at most 400 and at least about half of them."""
    log = Log(tmp_path, 400)
    for start in range(0, 3_000, 500):
        log.serve([line(i) for i in range(start, start + 500)], store)
    kept, there = store.kept_rows.read("fraud", TEN, TEN + MINUTE), log.all()
    assert kept is not None
    assert 150 <= len(kept) <= 400
    bound = int(hashes(kept).max())
    assert sorted(kept.positions.tolist()) == there.positions[hashes(there) <= np.uint64(bound)].tolist()


def test_the_next_window_begins_with_the_last_ones_share_and_grows_again_with_room(tmp_path: Path, store: Store) -> None:
    log = Log(tmp_path, 100)
    first = log.serve([line(i) for i in range(1_000)], store)
    second = log.serve([line(i, minute=1) for i in range(1_000)], store)
    assert sum(len(each.batch) for each in second.rows) <= 100
    assert first.rows[0].threshold <= ALL >> 3
    for minute in range(2, 9):
        last = log.serve([line(i, minute=minute) for i in range(60)], store)
    assert (last.rows[0].threshold, len(last.rows[0].batch)) == (ALL, 60)


def test_a_trials_rows_are_among_the_kept_ones(tmp_path: Path, store: Store) -> None:
    """A trial of 8,192 rows takes an eighth of them from a window of 5,000; 3,072 are kept at most."""
    log = Log(tmp_path, Watched().keep_rows)
    log.serve([line(i) for i in range(5_000)], store)
    kept, there = store.kept_rows.read("fraud", TEN, TEN + MINUTE), log.all()
    assert kept is not None
    trial = Kept("p", 0, int(8_192 / 8 / 5_000 * ALL), 8_192)
    of_source, of_kept = there.positions[chosen(there, "7", trial)[0]], kept.positions[chosen(kept, "7", trial)[0]]
    assert of_kept.tolist() == of_source.tolist()
    assert 900 < len(of_source) < 1_150


def test_versions_are_sampled_apart(tmp_path: Path, store: Store) -> None:
    log = Log(tmp_path, 200)
    log.serve([line(i, version="7") for i in range(2_000)] + [line(i, version="8") for i in range(2_000, 2_050)], store)
    kept = store.kept_rows.read("fraud", TEN, TEN + MINUTE)
    assert kept is not None
    counts = dict(zip(kept.versions.names, np.bincount(kept.versions.codes).tolist(), strict=True))
    assert counts["8"] == 50
    assert 80 <= counts["7"] <= 200


def test_a_threshold_that_fell_between_two_pieces_holds_for_both() -> None:
    log = Folder(WindowSettings(size=MINUTE))
    log.rows.terms = lambda _: KeepTerms(100)
    log.assign([Partition("t")])
    pieces: list[KeptRows] = []
    for start in (0, 90, 500):
        lines = [line(i) for i in range(start, min(start + 400, start + (90 if start == 0 else 400)))]
        positions = np.arange(start, start + len(lines), dtype=np.int64)
        messages = Messages(Partition("t"), lines, positions, start + len(lines), np.full(len(lines), -1, dtype=np.int64))
        log.add([messages], WatchtowerJson().decode([messages], Catalog({"fraud": SCHEMA})), now=None, ended=True)
        pieces += log.take(None).rows
    assert pieces[0].threshold == ALL
    assert pieces[-1].threshold < ALL
    even = joined(common(pieces))
    assert hashes(even).max() <= np.uint64(pieces[-1].threshold)
    assert len(common(pieces)[0]) < len(pieces[0].batch)


def test_features_that_are_not_kept_raw_are_in_no_kept_row(tmp_path: Path, store: Store) -> None:
    watched = Watched.model_validate(
        {"features": {"amount": "numeric", "country": {"type": "categorical", "keep": "hash"}, "face": {"type": "embedding", "keep": "drop"}}, "keep": "raw"}
    )
    assert watched.kept == KeepTerms(3072, frozenset({"country", "face"}))
    log = Log(tmp_path, 1000, frozenset({"country", "face"}))
    log.serve([line(i) for i in range(10)], store)
    kept = store.kept_rows.read("fraud", TEN, TEN + MINUTE)
    assert kept is not None
    assert [*kept.features] == ["amount"]
    assert b"DE" not in pack_rows(replace(kept, ids=None))
    assert not_kept(watched) == "kept rows lack country, face, which is not kept raw"
    assert not_kept(watched.model_copy(update={"inputs": Watched.model_validate({"inputs": {"X": ["amount"]}}).inputs})) == ""


@pytest.mark.parametrize("keep", ["profile", "hash", "drop"])
def test_only_raw_keeps_rows(keep: str) -> None:
    assert Watched.model_validate({"keep": keep}).kept is None


def test_what_is_dropped_by_the_checkpoint_is_not_kept_either(tmp_path: Path, store: Store) -> None:
    """A folder that is reset (fenced) forgets rows that were not committed: they are read again."""
    log = Log(tmp_path, 1000)
    messages = Messages(log.source.partition, [line(1)], np.zeros(1, dtype=np.int64), 10, np.full(1, -1, dtype=np.int64))
    log.folder.add([messages], WatchtowerJson().decode([messages], Catalog({"fraud": SCHEMA})), now=None, ended=True)
    log.folder.reset({}, None)
    assert log.folder.take(None).rows == ()
    assert store.kept_rows.read("fraud", TEN, TEN + MINUTE) is None


def test_retention_takes_them_by_their_window(tmp_path: Path, store: Store) -> None:
    log = Log(tmp_path, 1000)
    log.serve([line(i) for i in range(5)], store)
    log.serve([line(i, minute=30) for i in range(5)], store)
    for age, left in ((timedelta(hours=2), [TEN, TEN + 30 * MINUTE]), (timedelta(minutes=5), [TEN + 30 * MINUTE])):
        store.retention.expire(windows_for=timedelta(days=1), scores_for=timedelta(days=1), rows_for=age)
        found = store.kept_rows.read("fraud", TEN, TEN + timedelta(hours=1))
        assert found is not None
        assert sorted({datetime.fromtimestamp(t // 60_000_000 * 60, tz=UTC) for t in found.times.tolist()}) == left


def test_numbers_come_back_to_the_bit() -> None:
    values = np.array([0.1, -0.0, np.nan, 1e300, 3.0])
    batch = replace(
        _one(),
        features={
            "a": NumberColumn(values),
            "b": NumberColumn(np.array([0.1, -0.0, np.nan, 1e-30, 3.0], dtype=np.float32).astype(np.float64)),
            "v": VectorColumn(values[:, None]),
        },
    )
    found = unpack_rows(pack_rows(batch), "m")
    for name, column in batch.features.items():
        mine = found.features[name]
        assert isinstance(mine, NumberColumn | VectorColumn)
        assert mine.values.tobytes() == column.values.tobytes()  # type: ignore[union-attr]


def test_rows_of_a_newer_release_are_refused() -> None:
    with pytest.raises(Unavailable, match="start the newer version that wrote them"):
        unpack_rows(b"R\x02whatever", "m")


def _one() -> PredictionBatch:
    messages = Messages(Partition("t"), [line(i) for i in range(5)], np.arange(5), 5, np.full(5, -1, dtype=np.int64))
    return WatchtowerJson().decode([messages], Catalog({"fraud": SCHEMA})).predictions[0]


# ------------------------------------------------------------------------------------------------------ what is left


def reader(log: Log, store: Store | None) -> RowReader:
    return RowReader([log.source], store.kept_rows if store is not None else None)


def test_a_file_that_was_cut_gives_what_is_left_and_the_store_the_rest(tmp_path: Path, store: Store) -> None:
    log = Log(tmp_path, 1000)
    log.serve([line(i) for i in range(40)], store)
    whole = Span(log.source.partition, 0, log.path.stat().st_size - 1)
    lines = log.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(b"".join(lines[:15]))
    left = reader(log, None).left("fraud", [whole], TEN, TEN + MINUTE, SCHEMA)
    assert (amounts(left.batch), left.was_kept) == ([*range(15)], 0)
    assert "was it cut or replaced?" in left.gone
    filled = reader(log, store).left("fraud", [whole], TEN, TEN + MINUTE, SCHEMA)
    assert (amounts(filled.batch), filled.was_kept) == ([*range(40)], 25)
    with pytest.raises(Unavailable) as gone:
        reader(log, None).read("fraud", [whole], TEN, TEN + MINUTE, SCHEMA)
    assert gone.value.expired
    assert amounts(reader(log, store).read("fraud", [whole], TEN, TEN + MINUTE, SCHEMA)) == [*range(40)]
    with pytest.raises(Unavailable):
        reader(log, store).read("fraud", [whole], TEN, TEN + MINUTE, SCHEMA, whole=True)
    assert sorted(each for piece in reader(log, store).pieces("fraud", [whole], TEN, TEN + MINUTE, SCHEMA) for each in amounts(piece)) == [*range(40)]


def test_a_file_that_is_gone_and_a_source_that_is_gone_leave_what_was_kept(tmp_path: Path, store: Store) -> None:
    log = Log(tmp_path, 1000)
    log.serve([line(i) for i in range(4)], store)
    log.path.unlink()
    spans = [Span(log.source.partition, 0, 100), Span(Partition("elsewhere"), 0, 9)]
    left = reader(log, store).left("fraud", spans, TEN, TEN + MINUTE, SCHEMA)
    assert amounts(left.batch) == [0, 1, 2, 3]
    assert "no source has elsewhere/0 any more; " in left.gone
    assert "is not there any more" in left.gone


def test_a_source_without_positions_is_read_from_the_store(tmp_path: Path, store: Store) -> None:
    log = Log(tmp_path, 1000)
    log.serve([line(i) for i in range(4)], store)
    assert amounts(reader(log, store).read("fraud", [], TEN, TEN + MINUTE, SCHEMA)) == [0, 1, 2, 3]
    assert reader(log, None).read("fraud", [], TEN, TEN + MINUTE, SCHEMA) is None


def test_kept_rows_are_what_the_schema_asks_for(tmp_path: Path, store: Store) -> None:
    log = Log(tmp_path, 1000)
    log.serve([line(i) for i in range(4)], store)
    found = reader(log, store).read("fraud", [], TEN, TEN + MINUTE, Schema({"amount": FeatureType.CATEGORICAL}))
    assert found is not None
    assert [*found.features] == ["amount"]
    column = found.features["amount"]
    assert isinstance(column, TextColumn)
    assert column.names[column.codes[3]] == "0.428571428571429"


# ------------------------------------------------------------------------------------------------------ through intake


def raw_intake(store: Store, topic: Topic) -> Intake:
    worker = intake(store, topic)
    worker.folder.rows.terms = lambda _: KeepTerms(1000)
    return worker


def logged(store: Store) -> list[float]:
    found = store.kept_rows.read("fraud", NOW, NOW + MINUTE)
    assert found is not None
    column = found.features["amount"]
    assert isinstance(column, NumberColumn)
    return [float(each) for each in column.values]


def test_rows_are_kept_as_they_are_before_the_model_has_a_binning(store: Store) -> None:
    topic = Topic({ZERO: [row(i / 10, id=str(i)) for i in range(30)]})
    until_drained(raw_intake(store, topic), [topic])
    assert logged(store) == [i / 10 for i in range(30)]


def test_a_checkpoint_that_is_refused_and_read_again_keeps_each_row_once(store: Store) -> None:
    """Somebody else moves the position under it: what was in memory is dropped, and nothing of it is kept."""
    log = [row(i / 10) for i in range(40)]
    mine, theirs = Topic({ZERO: log}), Topic({ZERO: log})
    worker, other = raw_intake(store, mine), raw_intake(store, theirs)
    worker.begin()
    other.begin()
    for _ in range(30):
        for each in (worker, other):
            each.step(NOW)
    assert mine.caught_up()
    assert theirs.caught_up()
    assert logged(store) == [i / 10 for i in range(40)]


# ------------------------------------------------------------------------------------------------------ hash and drop

HIDDEN = {"amount": "numeric", "country": {"type": "categorical", "keep": "hash"}, "town": {"type": "categorical", "keep": "drop"}}


def reference_of(watched: Watched) -> StoredReference:
    columns: dict[str, Column] = {
        "amount": NumberColumn(np.arange(4.0)),
        "country": TextColumn(np.array([0, 1, 0, -1], dtype=np.int32), ("Atlantis", "Utopia")),
        "town": TextColumn(np.zeros(4, dtype=np.int32), ("Shangri-La",)),
    }
    return of_table(ReferenceTable(columns, None, None, 4, ()), watched)


@pytest.mark.parametrize(
    "watched",
    [
        {"features": HIDDEN},
        {"features": HIDDEN, "keep": "raw"},
        {"features": {"amount": "numeric", "country": "categorical", "town": {"type": "categorical", "keep": "drop"}}, "keep": "hash"},
    ],
)
def test_names_of_hashed_and_dropped_features_are_nowhere_in_the_store(tmp_path: Path, watched: dict[str, object]) -> None:
    found = Watched.model_validate(watched)
    store = Store.open(f"sqlite:///{tmp_path}/w.db", now=ManualClock(TEN).now)
    store.references.begin("fraud", reference_of(found))
    stored = store.references.load("fraud")
    store.close()
    assert stored is not None
    assert [*stored.binning.subjects] == ["amount", "country"]
    written = pack_binning(stored.binning) + b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert not any(name in zlib_free(written) for name in (b"Atlantis", b"Utopia", b"Shangri-La"))
    again = TextColumn(np.array([0, 1, 2, -1], dtype=np.int32), ("Utopia", "Atlantis", "Oz"))
    profile = make_reference_profile(stored.binning, {"country": again}, 4)
    first = stored.binning.offsets[1]
    assert profile.cells[first:].tolist() == [1, 1, 0, 1, 1]  # Atlantis, Utopia, other, unseen, missing
    names = stored.binning.bins[1]
    assert isinstance(names, CategoryBins)
    assert names.names == (digest_of("Atlantis"), digest_of("Utopia"))


def zlib_free(blob: bytes) -> bytes:
    """*blob*, and what each of its compressed streams holds."""
    found = [blob]
    for start in (i for i in range(len(blob) - 1) if blob[i] == 0x78):
        with suppress(zlib.error):
            found.append(zlib.decompressobj().decompress(blob[start:]))
    return b"".join(found)


def test_names_under_profile_are_stored_and_found_by_the_same_search() -> None:
    stored = reference_of(Watched.model_validate({"features": {"amount": "numeric", "country": "categorical", "town": "categorical"}}))
    assert all(name in zlib_free(pack_binning(stored.binning)) for name in (b"Atlantis", b"Utopia", b"Shangri-La"))


def test_a_model_of_which_nothing_may_be_stored_is_watched_by_its_predictions() -> None:
    assert reference_of(Watched.model_validate({"keep": "drop", "features": {"amount": "numeric", "country": "categorical"}})).binning.subjects == ()
