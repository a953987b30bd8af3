"""Runs versions in a child process, and keeps what came of it: a model that crashes, hangs or eats memory takes nobody along."""

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

log = logging.getLogger(__name__)
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
        """Runs *job* in the child. Where that crashes or hangs each version is run alone, so that only the guilty one fails; times are then not paired."""
        if not job.artefacts:
            return ()
        try:
            return self._asked(job, time_limit)
        except ShadowError as error:
            log.warning("trial_child_failed versions=%s reason=%s", ",".join(each.version for each in job.artefacts), error)
            return [self._alone(replace(job, artefacts=(artefact,)), time_limit) for artefact in job.artefacts]

    def _alone(self, job: Job, time_limit: timedelta) -> Ran:
        try:
            return replace(self._asked(job, time_limit)[0], batch_seconds=np.zeros(0))
        except ShadowError as error:
            return Ran(job.artefacts[0].version, failure=str(error))

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


def fetched(runs: Sequence[KeptRun], artifacts: ModelStore | None, model: str, runner: Runner) -> tuple[dict[str, Artefact], tuple[KeptRun, ...]]:
    """The artefacts of the versions that still run, and the runs with what failed; an artefact that changed during the trial fails."""
    found: dict[str, Artefact] = {}
    after = []
    for run in runs:
        failure = run.failure
        if not failure:
            try:
                found[run.version] = _artefact(run, artifacts, model, runner)
            except ShadowError as error:
                failure = str(error)
        after.append(replace(run, failure=failure))
    return found, tuple(after)


def artefact_of(version: str, artifacts: ModelStore | None, model: str, runner: Runner) -> Artefact:
    """What *runner* opens of *version*; ShadowError where it cannot be had."""
    if not runner.NEEDS_ARTEFACT:
        return Artefact(version, Path(), "", metadata={"model": model})
    if artifacts is None:
        msg = f"no artifacts: are configured for model {model}, so nothing can be re-run"
        raise ShadowError(msg)
    return artifacts.open().fetch(version)


def _artefact(run: KeptRun, artifacts: ModelStore | None, model: str, runner: Runner) -> Artefact:
    artefact = artefact_of(run.version, artifacts, model, runner)
    if run.sha256 and artefact.sha256 != run.sha256:
        msg = f"the artefact of version {run.version} changed during the trial: {artefact.path}"
        raise ShadowError(msg)
    return artefact


def with_answers(run: KeptRun, ran: Ran | None, artefact: Artefact | None, classes: dict[str, int], rows: int) -> KeptRun:
    """*run* with what the child answered to *rows* rows, and to reference rows."""
    if run.failure or ran is None or artefact is None:
        return run
    if ran.failure:
        return replace(run, failure=ran.failure, provider=ran.provider)
    answers = _coded(ran.answers, classes) if rows else np.zeros(0)
    known = replace(
        run,
        sha256=artefact.sha256,
        provider=ran.provider or run.provider,
        memory_bytes=max(run.memory_bytes, ran.memory_bytes),
        deterministic=run.deterministic and ran.deterministic,
        reference=run.reference if ran.reference is None else _coded(ran.reference, classes),
    )
    timed = rows + (0 if ran.reference is None else len(ran.reference)) if len(ran.batch_seconds) else 0
    return extended(known, answers, ran.batch_seconds.tolist(), timed)


def _coded(answers: Answers, classes: dict[str, int]) -> Floats:
    return coded(answers, classes) if isinstance(answers, tuple) else answers
