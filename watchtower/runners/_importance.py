"""The child's side of what needs a version's answers again: on the rows as they are, and with one feature after the other shuffled."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from watchtower.core.answers import coded, read_answers
from watchtower.core.importance import change, harm
from watchtower.core.inputs import feed
from watchtower.core.pictures import Pictures
from watchtower.core.slicing import column_at
from watchtower.model_stores import Artefact
from watchtower.nouns.batch import Column, FeatureType, Floats
from watchtower.nouns.errors import ShadowError
from watchtower.nouns.inputs import InputSettings
from watchtower.nouns.settings import PredictionSettings
from watchtower.runners import Runner, RunnerSession

_KEPT = 4


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A version to run on *rows* rows of *columns*.

    *labels* float64[rows] in the loss's own coding (class codes by *classes*), NaN where unlabelled; *scale* a number's sd; *shuffles* how often each feature
    is shuffled, 0: never.
    """

    runner: Runner
    artefact: Artefact
    columns: Mapping[str, Column]
    rows: int
    types: Mapping[str, FeatureType]
    inputs: Mapping[str, InputSettings]
    prediction: PredictionSettings
    device: str
    labels: Floats | None = None
    classes: tuple[str, ...] = ()
    scale: float = 1.0
    shuffles: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """The answers, by feature how far they moved and, with labels, by how much the loss rose when it was shuffled; and what ran it."""

    answers: Floats
    change: Mapping[str, float]
    harm: Mapping[str, float] | None
    provider: str = ""


class Permuter:
    """Answers questions and keeps the newest few models warm."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, str, str], RunnerSession] = {}

    def __call__(self, question: object) -> Reply:
        """ShadowError where the version does not load or does not run on these rows."""
        assert isinstance(question, Question)
        session = self._session(question)
        classes = {name: code for code, name in enumerate(question.classes)}
        before, provider = _ran(session, question, question.columns, classes)
        kind, labels = question.prediction.kind, question.labels
        random = np.random.default_rng(question.seed)
        moved: dict[str, float] = {}
        rose: dict[str, float] = {}
        for name in question.types if question.shuffles else ():
            if name not in question.columns:
                continue
            after = [_ran(session, question, _shuffled(question, name, random), classes)[0] for _ in range(question.shuffles)]
            moved[name] = float(np.mean([change(kind, before, each, question.scale) for each in after]))
            if labels is not None:
                rose[name] = float(np.mean([harm(kind, before, each, labels, question.scale) for each in after]))
        return Reply(before, moved, rose if labels is not None else None, provider)

    def _session(self, question: Question) -> RunnerSession:
        artefact, device = question.artefact, question.device
        room = question.runner.room([] if (artefact.version, artefact.sha256, device) in self._sessions else [artefact], device)
        if room.waits:
            raise ShadowError(room.waits)
        key = (artefact.version, artefact.sha256, room.device)
        self._sessions[key] = session = self._sessions.pop(key, None) or question.runner.open(artefact, room.device)
        for old in list(self._sessions)[:-_KEPT]:
            self._sessions.pop(old).close()
        return session


def _shuffled(question: Question, name: str, random: np.random.Generator) -> dict[str, Column]:
    return {**question.columns, name: column_at(question.columns[name], random.permutation(question.rows))}


def _ran(session: RunnerSession, question: Question, columns: Mapping[str, Column], classes: dict[str, int]) -> tuple[Floats, str]:
    """The answers, and what ran them."""
    filled = feed(session.inputs(), columns, question.types, question.inputs, question.rows)
    outputs = session.run({name: values for name, values in filled.items() if not isinstance(values, Pictures)})
    answers = read_answers(outputs.arrays, outputs.columns, question.prediction)
    return coded(answers, classes) if isinstance(answers, tuple) else answers, outputs.provider
