"""References from rows, whole and in pieces."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from watchtower.core.binning import make_binning
from watchtower.core.merging import merge
from watchtower.core.referencing import Maker, Sampler, columns_of, position_hash, profiles_of, with_lacking
from watchtower.core.slicing import sliced
from watchtower.nouns.batch import Column, NumberColumn, PredictionBatch, PredictionKind, TextColumn
from watchtower.nouns.binning import Binning, CategoryBins, NumericBins
from watchtower.nouns.window import Partition

ROWS = 20_000


def batch() -> PredictionBatch:
    draw = np.random.default_rng(8)
    names = ("common", *(f"rare{i}" for i in range(40)))
    codes = np.where(draw.random(ROWS) < 0.02, draw.integers(1, 41, ROWS), 0).astype(np.int32)
    one = TextColumn(np.zeros(ROWS, dtype=np.int32), ("7",))
    return PredictionBatch(
        model="fraud",
        times=np.arange(ROWS, dtype=np.int64),
        versions=TextColumn((np.arange(ROWS) % 4 == 0).astype(np.int32), ("7", "8")),
        roles=one,
        statuses=one,
        features={"amount": NumberColumn(draw.standard_t(2, ROWS)), "kind": TextColumn(codes, names)},
        prediction=NumberColumn(draw.random(ROWS)),
        latency=None,
        queue=None,
        compute=None,
        sampling=None,
        instances=None,
        gpu=None,
        ids=None,
        partition=np.zeros(ROWS, dtype=np.int32),
        partitions=(Partition("log"),),
        positions=np.arange(ROWS, dtype=np.int64) * 97,
        ordinals=np.zeros(ROWS, dtype=np.int32),
    )


WHOLE = batch()


def pieces(sizes: Sequence[int]) -> Iterator[PredictionBatch]:
    at = 0
    for size in sizes:
        yield sliced(WHOLE, np.arange(at, at + size))
        at += size


def binning_of(rows: PredictionBatch) -> Binning:
    return make_binning(columns_of(rows), {}, PredictionKind.PROBABILITY, ("kind",))


def sampled(share: float, sizes: Sequence[int]) -> PredictionBatch:
    sampler = Sampler(share)
    for piece in pieces(sizes):
        sampler.add(piece)
    found = sampler.batch()
    assert found is not None
    assert sampler.rows == ROWS
    return found


def test_few_rows_make_the_binning_all_of_them() -> None:
    assert binning_of(sampled(1.0, [7_000, 13_000])).id == binning_of(WHOLE).id


def test_a_sample_has_the_range_and_the_categories_of_all_rows_and_about_their_quantiles() -> None:
    part = sampled(0.1, [5_000] * 4)
    assert 1_800 < len(part) < 2_300
    few, all_ = binning_of(part), binning_of(WHOLE)
    amount, whole = (each.bins[each.subjects.index("amount")] for each in (few, all_))
    kinds, names = (each.bins[each.subjects.index("kind")] for each in (few, all_))
    assert isinstance(amount, NumericBins)
    assert isinstance(whole, NumericBins)
    assert isinstance(kinds, CategoryBins)
    assert isinstance(names, CategoryBins)
    assert (amount.edges[0], amount.edges[-1]) == (whole.edges[0], whole.edges[-1])
    assert set(kinds.names) == set(names.names)
    assert float(np.median(amount.edges)) == pytest.approx(float(np.median(whole.edges)), abs=0.1)


def test_the_same_rows_are_sampled_however_they_are_cut_and_about_the_share() -> None:
    hashes = position_hash(WHOLE)
    assert np.array_equal(np.concatenate([position_hash(piece) for piece in pieces([1, 9_999, 10_000])]), hashes)
    assert np.mean(hashes < np.uint64(2**63)) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("sizes", [[ROWS], [6_000, 14_000], [5_000] * 4])
def test_profiles_made_in_pieces_are_those_made_at_once(sizes: Sequence[int]) -> None:
    binning = binning_of(WHOLE)
    maker = Maker(binning, lambda piece: piece.versions.codes == 0)
    for piece in pieces(sizes):
        maker.add(piece)
    found = maker.profiles()
    live = sliced(WHOLE, np.flatnonzero(WHOLE.versions.codes == 0))
    for key, profile in profiles_of(binning, columns_of(WHOLE), ROWS).items():
        expected = with_lacking(binning, profile, None, ())
        answers = profiles_of(binning, columns_of(live), len(live)).get(key)
        features = [subject for subject in binning.subjects if subject and binning.is_feature(subject)]
        assert found[key].rows == profile.rows
        for subject in binning.subjects:
            i = binning.subjects.index(subject)
            part = slice(binning.offsets[i], binning.offsets[i + 1])
            side = expected if subject in features else answers
            assert side is not None
            assert np.array_equal(found[key].cells[part], side.cells[part]), (key, subject)


def test_where_no_row_is_the_live_versions_all_predictions_count() -> None:
    binning = binning_of(WHOLE)
    maker = Maker(binning, lambda piece: np.zeros(len(piece), dtype=bool))
    for piece in pieces([8_000, 12_000]):
        maker.add(piece)
    assert np.array_equal(maker.profiles()["", ""].cells, profiles_of(binning, columns_of(WHOLE), ROWS)["", ""].cells)


def test_columns_that_a_versions_file_lacks_are_the_models() -> None:
    binning = binning_of(WHOLE)
    whole = profiles_of(binning, columns_of(WHOLE), ROWS)["", ""]
    own_columns: dict[str, Column] = {"amount": NumberColumn(np.zeros(50))}
    own = profiles_of(binning, own_columns, 50, "8")["8", ""]
    mixed = with_lacking(binning, own, whole, own_columns)
    for subject, source in (("amount", own), ("kind", whole), ("", whole)):
        i = binning.subjects.index(subject)
        part = slice(binning.offsets[i], binning.offsets[i + 1])
        assert np.array_equal(mixed.cells[part], source.cells[part])
    assert merge([mixed]).rows == 50
