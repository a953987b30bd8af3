"""What a version says when it is run again on the reference rows: its calibration, and which features matter to it."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np

from watchtower.core.answers import labels_as_numbers
from watchtower.core.calibrating import calibrate
from watchtower.core.slicing import column_at
from watchtower.core.trialling import sample, scale_of
from watchtower.edges.children import Child
from watchtower.nouns.analysis import Calibration
from watchtower.nouns.batch import Floats, PredictionKind, Schema
from watchtower.nouns.errors import ShadowError
from watchtower.nouns.settings import Watched
from watchtower.runners._importance import Question, Reply
from watchtower.store import Store, StoredReference
from watchtower.workers._analysis_child import Side
from watchtower.workers.accepted import accepted_inputs
from watchtower.workers.comparing import ReferenceInputs, reference_inputs
from watchtower.workers.references import schema_of
from watchtower.workers.rows import RowReader
from watchtower.workers.running import ON_DEVICE, artefact_of
from watchtower.workers.trials import Terms

log = logging.getLogger(__name__)
_CHILD = "watchtower.runners._importance:Permuter"
CALIBRATED_ON = 10_000
"""The most reference rows that a version is calibrated on, labelled ones first."""
SHUFFLED_ON = 1_000
"""The most reference rows on which features are shuffled."""
_SHUFFLES = 3


@dataclass(frozen=True, slots=True)
class Importance:
    """By feature: how far a version's own answers move when it is shuffled, and, where rows are labelled, by how much the loss rises."""

    change: Mapping[str, float]
    harm: Mapping[str, float] | None

    @property
    def weights(self) -> Mapping[str, float]:
        """What `drift.weighted` weighs by: the rise of the loss where it is known, else the change."""
        return self.harm if self.harm is not None and any(value > 0 for value in self.harm.values()) else self.change


@dataclass(slots=True)
class Reruns:
    """Runs versions again, in one warm child; every call but :meth:`kill` and :meth:`schema` from one thread. ShadowError says why something cannot be had."""

    store: Store
    rows: RowReader
    terms: Callable[[str], Terms]
    _child: Child = field(default_factory=Child)
    _over: bool = False

    def schema(self, model: str, stored: StoredReference) -> Schema:
        """How the model's rows are decoded."""
        return schema_of(stored, self.terms(model).watched)

    def sample(self, model: str, live: str, stored: StoredReference, most: int) -> Side:
        """At most *most* rows of live's reference, those with the smallest position hashes."""
        reference = self._inputs(model, live, stored)
        return _side(_taken(reference, most, labelled_first=False))

    def calibration(self, model: str, version: str, stored: StoredReference) -> Calibration | str:
        """From the store, else made now and kept there."""
        key = (model, version, stored.binning.id, "calibration")
        blob = self.store.analyses.load(*key)
        if blob is not None:
            return _read_calibration(blob)
        reference = _taken(self._inputs(model, version, stored, labelled=True), CALIBRATED_ON, labelled_first=True)
        if reference.labels is None:
            return "version not calibrated: the reference has no labels"
        question, labels = self._question(model, version, stored, reference)
        made = calibrate(stored.binning, self._asked(question, self.terms(model).time_limit).answers, labels if labels is not None else np.zeros(0))
        if isinstance(made, Calibration):
            self.store.analyses.save(key, _written_calibration(made))
            log.info("version_calibrated model=%s version=%s rows=%d", model, version, made.labelled)
        return made

    def importance(self, model: str, version: str, stored: StoredReference) -> Importance:
        """From the store, else made now and kept there."""
        key = (model, version, stored.binning.id, "importance")
        blob = self.store.analyses.load(*key)
        if blob is not None:
            return Importance(**json.loads(blob))
        reference = _taken(self._inputs(model, version, stored), SHUFFLED_ON, labelled_first=True)
        question, labels = self._question(model, version, stored, reference)
        reply = self._asked(replace(question, labels=labels, shuffles=_SHUFFLES), self.terms(model).time_limit)
        self.store.analyses.save(key, json.dumps({"change": reply.change, "harm": reply.harm}).encode())
        log.info("importance_found model=%s version=%s rows=%d", model, version, reference.count)
        return Importance(reply.change, reply.harm)

    def change(self, model: str, version: str, stored: StoredReference, side: Side, seed: int, limit: timedelta) -> Mapping[str, float]:  # noqa: PLR0913, PLR0917  whose, on what, how long
        """How far the version's answers on the rows of *side* move when each feature is shuffled."""
        question, _ = self._question(model, version, stored, ReferenceInputs(side.columns, side.count, None, None, own=False, file_version=""))
        return self._asked(replace(question, shuffles=1, seed=seed), limit).change

    def kill(self) -> None:
        """From any thread: what is under way comes to nothing."""
        self._over = True
        self._child.kill()

    def close(self) -> None:
        """Ends the child."""
        self._child.close()

    def _inputs(self, model: str, version: str, stored: StoredReference, *, labelled: bool = False) -> ReferenceInputs:
        """The reference's rows; *labelled*: those that may have labels, which is the file of the settings, whatever was accepted since."""
        terms = self.terms(model)
        if stored.accepted and not labelled:
            return accepted_inputs(self.store, self.rows, model, terms.watched, terms.types(stored), stored)
        found = reference_inputs(self.store, self.rows, model, version, watched=terms.watched, types=terms.types(stored), stored=stored)
        if found is None or not found.count:
            msg = "the reference's rows cannot be had"
            raise ShadowError(msg)
        return found

    def _question(self, model: str, version: str, stored: StoredReference, reference: ReferenceInputs) -> tuple[Question, Floats | None]:
        """What is asked of the child, and the labels in the loss's coding, None where there are none."""
        terms = self.terms(model)
        artefact = artefact_of(version, terms.artifacts, model, terms.runner)
        prediction = terms.watched.prediction
        classes: dict[str, int] = {}
        labels = None if reference.labels is None else labels_as_numbers(reference.labels, prediction.kind, prediction.positive, classes)
        question = Question(
            runner=terms.runner,
            artefact=artefact,
            columns=reference.columns,
            rows=reference.count,
            types=terms.types(stored),
            inputs=terms.watched.inputs,
            prediction=prediction,
            device=terms.device,
            classes=tuple(classes),
            scale=scale_of(prediction.kind, stored.binning, None) if prediction.kind is PredictionKind.NUMBER else 1.0,
        )
        return question, labels if labels is not None and np.isfinite(labels).any() else None

    def _asked(self, question: Question, limit: timedelta) -> Reply:
        if self._over:
            msg = "the daemon stops"
            raise ShadowError(msg)
        try:
            reply = self._child.call(_CHILD, question, time_limit=limit)
        except ShadowError:
            if question.device != "cpu":
                self._child.close()  # it may have failed with models on the device
            raise
        assert isinstance(reply, Reply)
        if reply.provider in ON_DEVICE:
            self._child.close()  # what served models leave of the device is not held between two questions
        return reply


def known_weights(store: Store, watched: Callable[[str], Watched]) -> Callable[[str, str], Mapping[str, float]]:
    """Of (model, version): the configured importances, else those that were found before; empty where neither is there. Nothing is run for it."""

    def weights(model: str, version: str) -> Mapping[str, float]:
        configured, stored = watched(model).importance, store.references.load(model)
        if configured or stored is None:
            return configured
        blob = store.analyses.load(model, version, stored.binning.id, "importance")
        return Importance(**json.loads(blob)).weights if blob is not None else {}

    return weights


def _side(reference: ReferenceInputs) -> Side:
    return Side(reference.columns, reference.count)


def _taken(reference: ReferenceInputs, most: int, *, labelled_first: bool) -> ReferenceInputs:
    labelled = np.array([label is not None for label in reference.labels], dtype=np.bool_) if labelled_first and reference.labels is not None else None
    rows = sample(reference.count, most, labelled)
    return replace(
        reference,
        columns={name: column_at(column, rows) for name, column in reference.columns.items()},
        count=len(rows),
        labels=None if reference.labels is None else [reference.labels[i] for i in rows.tolist()],
        predictions=None,
    )


def _written_calibration(made: Calibration) -> bytes:
    arrays = {"high_share": made.high_share, "high": made.high, "low": made.low, "rows": made.rows}
    return json.dumps({"binning": made.binning, "labelled": made.labelled, **{name: array.tolist() for name, array in arrays.items()}}).encode()


def _read_calibration(blob: bytes) -> Calibration:
    it = json.loads(blob)
    floats = {name: np.array(it[name], dtype=np.float64) for name in ("high_share", "high", "low")}
    return Calibration(it["binning"], **floats, rows=np.array(it["rows"], dtype=np.int64), labelled=it["labelled"])
