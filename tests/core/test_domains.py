"""Rows as points."""

import numpy as np

from watchtower.core.binning import make_binning
from watchtower.core.domains import subjects_of, tables, vectors
from watchtower.nouns.batch import Column, NumberColumn, TextColumn, VectorColumn
from watchtower.nouns.settings import FeatureSettings

AMOUNT = NumberColumn(np.array([1.0, 3.0, 5.0, 7.0]))
COUNTRY = TextColumn(np.array([0, 0, 1, -1], dtype=np.int32), ("de", "fr"))
FACE = VectorColumn(np.array([[0.0, 2.0], [2.0, 2.0], [0.0, 2.0], [2.0, 2.0]]))
TYPES = {name: FeatureSettings.model_validate({"type": kind}) for name, kind in (("amount", "numeric"), ("country", "categorical"), ("face", "embedding"))}
COLUMNS: dict[str, Column] = {"amount": AMOUNT, "country": COUNTRY, "face": FACE}
BINNING = make_binning(COLUMNS, TYPES, None, ())


def test_a_table_by_hand() -> None:
    current: dict[str, Column] = {
        "amount": NumberColumn(np.array([4.0, np.nan, 1e9])),
        "country": TextColumn(np.array([0, 1, -1], dtype=np.int32), ("fr", "zz")),
        "face": VectorColumn(np.array([[1.0, 2.0], [3.0, 3.0], [np.nan, np.nan]])),
    }
    found = tables(BINNING, COLUMNS, current, (4, 3))
    assert not isinstance(found, str)
    # amount, missing | de, fr, others, missing | two dimensions of the face over the root of 2, missing
    assert found[1][:, :2].tolist() == [[0, 0], [0, 1], [5, 0]]
    assert found[1][:, 2:6].tolist() == [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert np.allclose(found[1][:, 6:], [[0, 0, 0], [2 / np.sqrt(2), 1 / np.sqrt(2), 0], [0, 0, 1]])
    assert np.allclose(found[0][:, 0], np.array([-3, -1, 1, 3]) / np.sqrt(5))


def test_a_feature_that_is_gone_is_missing_in_every_row() -> None:
    found = tables(BINNING, COLUMNS, {}, (4, 2))
    assert not isinstance(found, str)
    assert found[1].shape == (2, found[0].shape[1])
    assert found[1][:, 1].tolist() == [1, 1]
    assert np.isfinite(found[1]).all()


def test_vectors_that_are_there_are_compared_if_they_are_alike() -> None:
    found = vectors(FACE, VectorColumn(np.array([[1.0, 2.0], [np.nan, np.nan]])))
    assert not isinstance(found, str)
    assert found[1].tolist() == [[1, 2]]
    assert vectors(FACE, VectorColumn(np.ones((1, 3)))) == "vectors of width 3, in the reference 2"
    assert vectors(None, FACE) == "no vectors in the reference"
    assert vectors(FACE, None) == "no vectors"


def test_embeddings_are_subjects_beside_the_whole_table() -> None:
    assert subjects_of(BINNING, on_vectors=True) == ("", "face")
    assert subjects_of(BINNING, on_vectors=False) == ("",)
