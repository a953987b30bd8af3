"""What rules are told of drills: only of models that could be gone back with."""

from pathlib import Path

import pytest

from tests.workers._acting import at
from watchtower.assembly.drills import build_ready
from watchtower.config.settings import Settings
from watchtower.nouns.drill import NO_DRILL, Drilled
from watchtower.store import Store

TARGET = {"rollback": {"target": {"kind": "directory", "path": "models"}}}


@pytest.mark.parametrize(("its", "said"), [(TARGET, 0.0), ({}, NO_DRILL)], ids=["with a target", "whose target was taken out of the settings"])
def test_the_last_drill_counts_as_long_as_there_is_a_target(tmp_path: Path, its: dict[str, object], said: float | str) -> None:
    source = {"kind": "file", "path": "log.jsonl", "format": {"kind": "watchtower_json"}}
    settings = Settings.model_validate({"source": source, "models": {"fraud": its}}, context={"folder": str(tmp_path)})
    store = Store.open("sqlite://", now=lambda: at(0))
    try:
        store.drills.save(Drilled("fraud", at(0), "2", "1", ("the target: it is away",)))
        assert build_ready(settings, store)("fraud") == said
    finally:
        store.close()
