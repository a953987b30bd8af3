"""The worker's side of a trial: gathers rows, runs versions in a child process, keeps their answers, and has them judged."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np

from watchtower.core.answers import answers_as_numbers, labels_as_numbers
from watchtower.core.judging import effect_of, judge
from watchtower.core.keeping import Kept, KeptRun, packed
from watchtower.core.slicing import column_at
from watchtower.core.trialling import Drift, assemble, drift, sample, scale_of
from watchtower.model_stores import ModelStore
from watchtower.nouns.batch import FeatureType, Floats, PredictionBatch, Schema
from watchtower.nouns.errors import ConfigError, ShadowError
from watchtower.nouns.evidence import Diagnosis, Judgement, Trial, Verdict
from watchtower.nouns.plan import Plan
from watchtower.nouns.profile import Profile
from watchtower.nouns.settings import FileReference, Watched
from watchtower.nouns.window import moment
from watchtower.runners import Runner
from watchtower.runners._bench import Job, Rows
from watchtower.runners.onnx import Onnx
from watchtower.store import Store
from watchtower.store.references import StoredReference
from watchtower.workers.absent import in_common, without
from watchtower.workers.accepted import accepted_inputs
from watchtower.workers.artefacts import changed
from watchtower.workers.comparing import ReferenceInputs, reference_inputs
from watchtower.workers.gathering import Gathering, key_of
from watchtower.workers.rows import MIRROR, RowReader
from watchtower.workers.running import Running, fetched, with_answers

log = logging.getLogger(__name__)
ROOM_WITHIN = timedelta(hours=1)
"""How long a trial waits for a device before it ends, so that people are told."""
LabelsOf = Callable[[str, Sequence[str], datetime], Sequence[str | None]]


@dataclass(frozen=True, slots=True)
class Terms:
    """What one model's settings say about trials."""

    watched: Watched
    artifacts: ModelStore | None
    rows: int = 8192
    device: str = "auto"
    time_limit: timedelta = timedelta(minutes=5)
    runner: Runner = field(default_factory=Onnx)

    def types(self, stored: StoredReference | None) -> Mapping[str, FeatureType]:
        """The features in the order of the settings; else those of the binning."""
        if self.watched.features or stored is None:
            return {name: each.type for name, each in self.watched.features.items()}
        return {subject: kind for subject, kind in zip(stored.binning.subjects, stored.binning.types, strict=True) if stored.binning.is_feature(subject)}


@dataclass(slots=True)
class TrialRoom:
    """Looks at trials, one at a time, for one thread.

    Attributes:
        store: windows, references and what trials keep.
        rows: re-reads what was logged.
        terms: a model's settings.
        size: of a window.
        labels_of: (model, ids, moment) -> spelled labels that had arrived by then; None where no labels are configured.
        labels_wait: how long a row waits for its label: an inconclusive trial is not over before its rows have.
    """

    store: Store
    rows: RowReader
    terms: Callable[[str], Terms]
    size: timedelta
    labels_of: LabelsOf | None = None
    labels_wait: timedelta = timedelta(hours=24)
    _running: Running = field(default_factory=Running)

    def look(self, plan: Plan, through: datetime, ended: str = "") -> Judgement:
        """One look at the trial of *plan* with the windows that are evaluated up to *through*; only new rows are run.

        *ended* says why no further row will come. A version that cannot be re-run is BROKEN evidence, never an error; Unavailable
        only where the store is, or after :meth:`end`. The child stays warm until a judgement is final.
        """
        kept = self._gathering(plan).begun(plan, self.store.trials.load(key_of(plan)), through, self.terms(plan.model).rows)
        kept, judgement = self.weigh(plan, kept, through, ended)
        self.store.trials.save(key_of(plan), packed(kept))
        said = (plan.model, plan.id, kept.rows, judgement.verdict, judgement.final, judgement.reason)
        log.info("trial_looked model=%s plan=%s rows=%d verdict=%s final=%s reason=%s", *said)
        if judgement.final:
            self.rest()
        return judgement

    def weigh(self, plan: Plan, kept: Kept, through: datetime, ended: str = "") -> tuple[Kept, Judgement]:
        """*kept* with the windows up to *through* and their answers, and what it comes to; nothing is written. The child stays warm."""
        terms = self.terms(plan.model)
        stored = self.store.references.load(plan.model)
        schema = Schema(terms.types(stored), terms.watched.prediction.kind)
        grown, batch, expired = self._gathering(plan).extended(plan, kept, through, schema)
        if plan.candidates and (batch is not None or not grown.runs):
            ran = self._run(plan, grown, batch, stored, terms)
            if isinstance(ran, str):
                patient = through - max(plan.opened_at, moment(kept.through)) < ROOM_WITHIN
                return kept, _waiting(plan, through, ran, ended or ("" if patient else "there was no room for an hour"))
            grown = ran
        trial = self._trial(plan, grown, stored, terms, ended=ended, expired=expired)
        judgement = replace(judge(trial, terms.watched.evidence), judged_at=through)
        if grown.minimum_effect is None and grown.runs:
            grown = replace(grown, minimum_effect=effect_of(trial, terms.watched.evidence))
        said_of_both = changed(terms.artifacts, plan.live, judgement.candidate) if judgement.final else None
        return grown, replace(judgement, evidence={**judgement.evidence, **({"changed": said_of_both} if said_of_both else {})})

    def _gathering(self, plan: Plan) -> Gathering:
        watched = self.terms(plan.model).watched
        mirroring = self.store.versions_in_role(plan.model, MIRROR)
        return Gathering(self.store.windows, self.rows, self.size, with_ids=self.labels_of is not None, not_kept=not_kept(watched), mirroring=mirroring)

    def rest(self) -> None:
        """Ends the child and gives its memory back; the next look starts another."""
        self._running.rest()

    def end(self) -> None:
        """The daemon stops: a look that is under way, in another thread, comes to nothing; the next daemon looks again."""
        self._running.end()

    # ------------------------------------------------------------------------------------------------- runs

    def _run(self, plan: Plan, kept: Kept, batch: PredictionBatch | None, stored: StoredReference | None, terms: Terms) -> Kept | str:
        """*kept* with the answers of every version to the new rows and, at the first look, to the reference rows; or why nothing may run now."""
        reference = None if kept.runs else self._reference(plan, stored, terms)
        chosen_rows = None if reference is None else _sampled(reference, terms.rows)
        if not kept.runs:
            kept = _with_reference(kept, chosen_rows, stored, terms)
        runs = kept.runs or tuple(KeptRun(version) for version in (plan.live, *plan.candidates))
        artefacts, runs = fetched(runs, terms.artifacts, plan.model, terms.runner, self.store.artefacts)
        rows = Rows(batch.features, len(batch)) if batch is not None else Rows({}, 0)
        job = Job(
            runner=terms.runner,
            artefacts=tuple(artefacts.values()),
            rows=rows,
            reference=Rows(chosen_rows.columns, chosen_rows.count) if chosen_rows is not None else None,
            types=terms.types(stored),
            inputs=terms.watched.inputs,
            prediction=terms.watched.prediction,
            device=terms.device,
        )
        ran, absent, lacking = in_common({each.version: each for each in self._running.ran(job, terms.time_limit)})
        waits = next((each.waits for each in ran.values() if each.waits), "")
        if waits:
            return waits
        classes = {name: code for code, name in enumerate(kept.classes)}
        after = tuple(with_answers(run, ran.get(run.version), artefacts.get(run.version), classes, rows.count - len(absent)) for run in runs)
        return without(replace(kept, runs=after, classes=tuple(classes)), rows.count, absent, lacking)

    def _reference(self, plan: Plan, stored: StoredReference | None, terms: Terms) -> ReferenceInputs | None:
        types = terms.types(stored)
        if stored is None or not stored.accepted or isinstance(terms.watched.reference, FileReference):
            return reference_inputs(self.store, self.rows, plan.model, plan.live, watched=terms.watched, types=types, stored=stored)
        try:
            return accepted_inputs(self.store, self.rows, plan.model, terms.watched, types, stored)
        except (ConfigError, ShadowError) as lost:
            log.warning("trial_without_reference model=%s reason=%s", plan.model, lost)
            return None

    # ------------------------------------------------------------------------------------------------- trial

    def _trial(self, plan: Plan, kept: Kept, stored: StoredReference | None, terms: Terms, *, ended: str, expired: str) -> Trial:  # noqa: PLR0913  what was gathered, and why it ends
        evidence, kind = terms.watched.evidence, terms.watched.prediction.kind
        labels = self._labels(plan, kept, terms)
        used = f"all {kept.rows:,} rows are used" if kept.rows >= kept.limit and (labels is None or self._waited(kept)) else ""
        return assemble(
            plan,
            kept,
            drift_of(plan, kept, stored, evidence.alpha),
            kind=kind,
            window=self.size,
            labels=labels,
            ended=ended or used,
            expired=expired,
            device=terms.device,
            device_hour=terms.watched.cost.device_hour if terms.watched.cost is not None else None,
        )

    def _waited(self, kept: Kept) -> bool:
        """Whether no further label will come."""
        return not kept.rows or int(kept.times.max()) + self.labels_wait // timedelta(microseconds=1) <= kept.through

    def _labels(self, plan: Plan, kept: Kept, terms: Terms) -> Floats | None:
        if self.labels_of is None:
            return None
        settings = terms.watched.prediction
        classes = {name: code for code, name in enumerate(kept.classes)}
        ids = [each for each in kept.ids if each]
        found = dict(zip(ids, self.labels_of(plan.model, ids, moment(kept.through)), strict=True))
        return labels_as_numbers([found.get(each) for each in kept.ids], settings.kind, settings.positive, classes)


def not_kept(watched: Watched) -> str:
    """Why kept rows cannot be re-run, "" where they can: they lack features that the model takes, as far as `inputs:` says which."""
    lacking = sorted(watched.kept.left_out & watched.taken) if watched.kept is not None else []
    return f"kept rows lack {', '.join(lacking)}, which is not kept raw" if lacking else ""


def _waiting(plan: Plan, through: datetime, reason: str, ended: str) -> Judgement:
    """The device has no room: nothing was run and nothing is kept, so that the next look takes the same rows."""
    log.info("trial_waited model=%s plan=%s reason=%s", plan.model, plan.id, reason)
    text = f"{reason} ({ended})" if ended else reason
    evidence: dict[str, object] = {"rows": 0, "live": plan.live, "waits": reason}
    return Judgement(Verdict.INCONCLUSIVE, Diagnosis.UNKNOWN, text, plan.candidates[0], final=bool(ended), evidence=evidence, judged_at=through)


def drift_of(plan: Plan, kept: Kept, stored: StoredReference | None, alpha: float) -> Drift:
    """How far the incident's inputs drifted from the reference of live."""
    if stored is None or kept.binning != stored.binning.id:
        return Drift({}, {}, 0)
    subjects = len(stored.binning.subjects)
    current = Profile(kept.binning, kept.folded, float(kept.folded), kept.cells, np.zeros((subjects, 5)), np.zeros((subjects, 2), dtype=np.int64))
    return drift(stored.binning, stored.profiles.get((plan.live, "")) or stored.profiles.get(("", "")), current, alpha)


def _sampled(reference: ReferenceInputs, most: int) -> ReferenceInputs:
    labelled = None if reference.labels is None else np.array([label is not None for label in reference.labels], dtype=np.bool_)
    rows = sample(reference.count, most, labelled)
    return replace(
        reference,
        columns={name: column_at(column, rows) for name, column in reference.columns.items()},
        count=len(rows),
        labels=None if reference.labels is None else [reference.labels[i] for i in rows.tolist()],
        predictions=None if reference.predictions is None else column_at(reference.predictions, rows),
    )


def _with_reference(kept: Kept, reference: ReferenceInputs | None, stored: StoredReference | None, terms: Terms) -> Kept:
    settings = terms.watched.prediction
    binning = stored.binning if stored is not None else None
    if reference is None:
        return replace(kept, scale=scale_of(settings.kind, binning, None))
    classes = {name: code for code, name in enumerate(kept.classes)}
    predictions = None if reference.predictions is None else answers_as_numbers(reference.predictions, settings.kind, classes, reference.count)
    labels = None if reference.labels is None else labels_as_numbers(reference.labels, settings.kind, settings.positive, classes)
    scale = scale_of(settings.kind, binning, predictions)
    return replace(kept, scale=scale, classes=tuple(classes), labels=labels, predictions=predictions, own=reference.own, file_version=reference.file_version)
