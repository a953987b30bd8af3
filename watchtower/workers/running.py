"""Runs versions in a child process, and keeps what came of it: a model that crashes, hangs or eats memory takes nobody along."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from watchtower.core.answers import coded
from watchtower.core.keeping import KeptRun, extended
from watchtower.edges.children import Child
from watchtower.model_stores import Artefact, ModelStore
from watchtower.nouns.batch import Floats
from watchtower.nouns.errors import ShadowError, Unavailable
from watchtower.runners import Runner
from watchtower.runners._bench import Answers, Job, Ran
from watchtower.runners.onnx import CUDA, TENSORRT
from watchtower.store.artefacts import ArtefactRows
from watchtower.workers.artefacts import unchanged

log = logging.getLogger(__name__)
ON_DEVICE = frozenset({CUDA, TENSORRT})
"""Providers whose memory is on a device that others use too."""
_BENCH = "watchtower.runners._bench:Bench"


@dataclass(slots=True)
class Running:
    """A child that stays warm between jobs. For one thread, but for :meth:`end`."""

    _child: Child = field(default_factory=Child)
    _over: bool = False

    def rest(self) -> None:
        """Ends the child and gives its memory back; the next job starts another."""
        self._child.close()

    def end(self) -> None:
        """The daemon stops: a job that is under way, in another thread, comes to nothing."""
        self._over = True
        self._child.kill()

    def ran(self, job: Job, time_limit: timedelta) -> Sequence[Ran]:
        """Runs *job* in the child. Where that crashes or hangs each version is run alone, so that only the guilty one fails; times are then not paired.

        What ran out of memory, or made the device fail, beside others is run alone too. What held a device ends, so that its memory is free at once.
        """
        if not job.artefacts:
            return ()
        try:
            found = self._asked(job, time_limit)
        except ShadowError as error:
            log.warning("trial_child_failed versions=%s reason=%s", ",".join(each.version for each in job.artefacts), error)
            found = [self._alone(job, artefact, time_limit) for artefact in job.artefacts]
        else:
            found = self._again(job, found, time_limit)
        if any(each.provider in ON_DEVICE or each.waits for each in found):
            self.rest()
        return found

    def _again(self, job: Job, found: Sequence[Ran], time_limit: timedelta) -> Sequence[Ran]:
        """*found*, with what may have failed by another version's doing run again, alone."""
        if len(found) == 1 or not any(each.alone for each in found):
            return found
        log.warning("trial_versions_alone versions=%s", ",".join(each.version for each in found if each.alone))
        return [self._alone(job, artefact, time_limit) if each.alone else each for each, artefact in zip(found, job.artefacts, strict=True)]

    def _alone(self, job: Job, artefact: Artefact, time_limit: timedelta) -> Ran:
        """In a fresh child: what another version did to the last one does not count."""
        self.rest()
        try:
            return replace(self._asked(replace(job, artefacts=(artefact,)), time_limit)[0], batch_seconds=np.zeros(0), timed_rows=0)
        except ShadowError as error:
            return Ran(artefact.version, failure=str(error))

    def _asked(self, job: Job, time_limit: timedelta) -> Sequence[Ran]:
        away = Unavailable("the daemon stops: the trial goes on with the next one")
        if self._over:
            raise away
        try:
            answer = self._child.call(_BENCH, job, time_limit=time_limit)
        except Exception as error:  # its child was ended under it: that says nothing of the version
            if self._over:
                raise away from error
            raise
        assert isinstance(answer, tuple)
        return answer


def fetched(
    runs: Sequence[KeptRun], artifacts: ModelStore | None, model: str, runner: Runner, seen: ArtefactRows | None = None
) -> tuple[dict[str, Artefact], tuple[KeptRun, ...]]:
    """The artefacts of the versions that still run, and the runs with what failed; one that changed during the trial, or since it was first *seen*, fails."""
    found: dict[str, Artefact] = {}
    after = []
    for run in runs:
        failure = run.failure
        if not failure:
            try:
                found[run.version] = _artefact(run, artifacts, model, runner, seen)
            except ShadowError as error:
                failure = str(error)
        after.append(replace(run, failure=failure))
    return found, tuple(after)


def artefact_of(version: str, artifacts: ModelStore | None, model: str, runner: Runner) -> Artefact:
    """What *runner* opens of *version*; ShadowError where it cannot be had."""
    if not runner.NEEDS_ARTEFACT:
        digest = hashlib.sha256(f"{model}\n{runner.model_dump_json()}".encode()).hexdigest()  # what tells it from another model's version of that name
        return Artefact(version, Path(), digest, metadata={"model": model})
    if artifacts is None:
        msg = f"no artifacts: are configured for model {model}, so nothing can be re-run"
        raise ShadowError(msg)
    return artifacts.open().fetch(version)


def _artefact(run: KeptRun, artifacts: ModelStore | None, model: str, runner: Runner, seen: ArtefactRows | None) -> Artefact:
    artefact = artefact_of(run.version, artifacts, model, runner)
    if seen is not None and runner.NEEDS_ARTEFACT:
        unchanged(seen, model, artefact)
    if run.sha256 and artefact.sha256 != run.sha256:
        msg = f"the artefact of version {run.version} changed during the trial: {artefact.path}"
        raise ShadowError(msg)
    return artefact


def with_answers(run: KeptRun, ran: Ran | None, artefact: Artefact | None, classes: dict[str, int], rows: int) -> KeptRun:
    """*run* with what the child answered to *rows* rows, and to reference rows."""
    if run.failure or ran is None or artefact is None:
        return run
    if ran.failure:
        return replace(run, failure=ran.failure, provider=ran.provider, note=ran.note or run.note)
    answers = _coded(ran.answers, classes) if rows else np.zeros(0)
    known = replace(
        run,
        sha256=artefact.sha256,
        provider=ran.provider or run.provider,
        memory_bytes=max(run.memory_bytes, ran.memory_bytes),
        deterministic=run.deterministic and ran.deterministic,
        jitter=max(run.jitter, ran.jitter),
        note=ran.note or run.note,
        usage=ran.usage or run.usage,
        reference=run.reference if ran.reference is None else _coded(ran.reference, classes),
    )
    return extended(known, answers, ran.batch_seconds.tolist(), ran.timed_rows)


def _coded(answers: Answers, classes: dict[str, int]) -> Floats:
    return coded(answers, classes) if isinstance(answers, tuple) else answers
