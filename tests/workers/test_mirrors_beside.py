"""Mirrored predictions of a producer that writes one batch a window: the mirror's message stands outside the spans of the served rows."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from tests.workers.test_trials import BAD, GOOD, MINUTE, ROWS, TEN, Stage, look, probability
from watchtower.core.binning import make_reference_profile
from watchtower.core.keeping import Kept, unpacked
from watchtower.edges.clock import ManualClock
from watchtower.nouns.batch import NumberColumn
from watchtower.nouns.binning import PREDICTION
from watchtower.nouns.memory import Evaluation, Served
from watchtower.nouns.plan import Plan
from watchtower.nouns.profile import Delta, Totals
from watchtower.nouns.score import Board
from watchtower.nouns.window import Span, Window
from watchtower.store import Store
from watchtower.workers import rows as reading
from watchtower.workers.gathering import key_of

pytest.importorskip("onnxruntime")


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store.open("sqlite://", now=ManualClock(TEN).now)
    yield opened
    opened.close()


@dataclass
class Batches(Stage):
    """One message a window for what was served, and one for what was mirrored, behind it or (*first*) before it."""

    first: bool = False

    def serve(self) -> Window:  # type: ignore[override]
        start = TEN + self.minutes * MINUTE
        self.minutes += 1
        x = self.rng.normal(0, 1, (ROWS, 2))
        p = probability(self.live, x)
        served = {
            "model": "fraud",
            "version": "2",
            "rows": ROWS,
            "id": [f"{self.minutes}-{i}" for i in range(ROWS)],
            "time": start.isoformat(),
            "features": {"amount": x[:, 0].tolist(), "age": x[:, 1].tolist()},
            "prediction": p.tolist(),
        }
        mirror = served | {"version": self.mirrored, "role": "mirror", "prediction": probability(GOOD, x).tolist()}
        at = 0
        with (self.folder / "log.jsonl").open("ab") as log:
            for message in (mirror, served) if self.first else (served, mirror):
                at = log.tell() if message is served else at
                log.write(json.dumps(message).encode() + b"\n")
        columns = {"amount": NumberColumn(x[:, 0]), "age": NumberColumn(x[:, 1]), PREDICTION: NumberColumn(p)}
        profile = replace(make_reference_profile(self.binning, columns, ROWS), spans=(Span(self.source.partition, at, at),))
        window = Window(start, start + MINUTE)
        memory = replace(self.store.evaluations.memory("fraud"), served=Served(live="2"), evaluated_through=window.end)
        self.store.evaluations.commit("fraud", window, {("2", ""): profile}, Evaluation(Board("fraud", window, "2", {}), (), memory, ()), now=window.end)
        totals = {("fraud", self.mirrored): Totals(other_roles={"mirror": ROWS})}
        self.store.intake.checkpoint(Delta({}, {}, totals, (), {}, None), keep_original=False)
        return window

    def kept(self, plan: Plan) -> Kept:
        """What the trial keeps after a look, by a fresh room, at all windows."""
        look(self.room(), plan, TEN + self.minutes * MINUTE)
        blob = self.store.trials.load(key_of(plan))
        assert blob is not None
        found = unpacked(blob)
        assert found is not None
        return found


def paired(kept: Kept) -> int:
    return int(np.isin(kept.keys, kept.mirror_keys).sum())


@pytest.mark.parametrize("first", [False, True])
def test_batches_of_mirrors_between_the_windows_are_found(tmp_path: Path, store: Store, first: bool) -> None:  # noqa: FBT001  both orders
    stage = Batches(tmp_path, store, BAD, labelled=False, mirrored="0", first=first)
    stage.serve()
    stage.serve()
    plan = stage.plan("0")
    stage.serve()
    kept = stage.kept(plan)
    rows = 3 * ROWS
    assert (kept.rows, paired(kept)) == (rows, rows - ROWS), "of the first window there is none before it, and of the last none behind it, yet"
    stage.serve()
    kept = stage.kept(plan)
    assert (kept.rows, paired(kept)) == (rows + ROWS, rows), "also by the next look, over a restart"


def test_what_is_read_between_windows_is_bounded(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Batches(tmp_path, store, BAD, labelled=False, mirrored="0")
    stage.serve()
    plan = stage.plan("0")
    stage.serve()
    monkeypatch.setattr(reading, "MOST_BESIDE", -1)
    assert paired(stage.kept(plan)) == 0
