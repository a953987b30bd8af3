"""What runs versions again for their importance holds nothing of a device that others use."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.runners.models import logistic, placed
from watchtower.edges.clock import ManualClock
from watchtower.model_stores import Artefact
from watchtower.nouns.batch import FeatureType, NumberColumn
from watchtower.nouns.errors import ShadowError
from watchtower.nouns.settings import PredictionSettings, Watched
from watchtower.nouns.window import EPOCH
from watchtower.runners._importance import Question
from watchtower.runners.onnx import CPU, Onnx
from watchtower.store import Store
from watchtower.workers.rerunning import Reruns
from watchtower.workers.rows import RowReader
from watchtower.workers.trials import Terms

pytest.importorskip("onnxruntime")
LIMIT = timedelta(seconds=60)


@pytest.fixture
def reruns() -> Iterator[Reruns]:
    store = Store.open("sqlite://", now=ManualClock(EPOCH).now)
    found = Reruns(store, RowReader([]), lambda _model: Terms(Watched(), None))
    yield found
    found.close()
    store.close()


@pytest.mark.parametrize(("device", "stays"), [("cpu", True), ("auto", False)])
def test_a_child_in_which_a_version_failed_ends_where_it_may_hold_a_device(reruns: Reruns, tmp_path: Path, device: str, stays: bool) -> None:  # noqa: FBT001  of a table
    columns = {"a": NumberColumn(np.ones(20)), "b": NumberColumn(np.ones(20))}
    settings = PredictionSettings.model_validate({"kind": "probability"})

    def question(artefact: Artefact) -> Question:
        return Question(Onnx(), artefact, columns, 20, dict.fromkeys("ab", FeatureType.NUMERIC), {}, settings, device)

    assert reruns._asked(question(placed(tmp_path, "1", logistic([1.0, 0.0]))), LIMIT).provider == CPU
    with pytest.raises(ShadowError):
        reruns._asked(question(placed(tmp_path, "2", b"no model")), LIMIT)
    assert (reruns._child._process is not None) is stays
