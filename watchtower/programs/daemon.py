"""The daemon: workers in threads, pages, periodic jobs, an orderly end."""

import logging
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import monotonic

from apscheduler.schedulers.background import BackgroundScheduler

from watchtower import assembly
from watchtower.config.reader import Loaded, read_settings
from watchtower.core.meeting import Terms
from watchtower.core.rules import RuleBook
from watchtower.core.spanning import MOST
from watchtower.edges.clock import Clock
from watchtower.nouns.errors import ConfigError, Fenced, Unavailable
from watchtower.nouns.facts import Fact, Judged
from watchtower.nouns.memory import Evaluation
from watchtower.nouns.plan import Move, Plan
from watchtower.nouns.profile import Delta
from watchtower.nouns.window import Partition, Window
from watchtower.programs.drilling import drill_regularly
from watchtower.programs.metering import read_regularly
from watchtower.programs.reporting import IncidentReports
from watchtower.web.app import Further, create_app
from watchtower.web.labels_api import LabelDesk
from watchtower.web.server import Server
from watchtower.web.tokens import Tokens
from watchtower.web.view import StoreView
from watchtower.workers.artefacts import FirstSeen
from watchtower.workers.base import Aside, Loop, Patience
from watchtower.workers.proposals import Proposals
from watchtower.workers.troubles import Troubles

log = logging.getLogger(__name__)
FINE, FAILED, LOST = 0, 1, 3
STOP_WITHIN = 8.0
"""Seconds for all threads to end; the contract allows 10 in all."""
STORE_UNUSABLE = timedelta(minutes=5)
"""How long the store may refuse every heartbeat before it is lost for good."""
HEARTBEAT, RELOAD, TIDY, PROPOSE = 2, 2, 300, 3600
"""Seconds between two runs of the periodic jobs."""


class Daemon:
    """Runs until it is asked to stop, or has lost its source or store for good."""

    def __init__(self, path: Path, loaded: Loaded, clock: Clock) -> None:
        """*path* is the settings file; its rules are read again when they change.

        Raises:
            Unavailable: another daemon holds the store, or the store cannot be opened.
            ConfigError: the pages would be open to everybody.
        """
        self._path, self._loaded, self._clock = path, loaded, clock
        self._book: RuleBook = loaded.book
        self._stop, self._code = threading.Event(), FINE
        ears = assembly.Ears(self._committed, self._evaluated, self._moved, self._stop.is_set, lambda: self._book, self._took, self._seen)
        parts = self._parts = assembly.build_daemon(loaded, clock, ears)
        parts.actions.aside = Aside()
        self._loops = {
            name: Loop(name, worker, clock.now, lost=self._lost, idle=idle)
            for name, worker, idle in (
                ("intake", parts.intake, 0.02),
                ("evaluator", parts.evaluator, 0.25),
                ("actions", parts.actions, 0.25),
                ("outbox", parts.outbox, 0.5),
                ("calibrator", parts.calibrator, 5.0),
            )
        }
        view = StoreView(parts.store, parts.metrics, self._not_ready, IncidentReports(parts.store, parts.reporter))
        routes = assembly.build_routes(loaded.settings, parts.store, lambda: self._book, clock.now, heard=self._moved)
        self._server = _server(loaded, view, parts.store.labels, routes)
        self._jobs = BackgroundScheduler(timezone="UTC")
        self._rules_seen = _signature(loaded)
        self._troubles = Troubles(parts.store, tuple(loaded.settings.notifiers))
        self._patience = Patience(STORE_UNUSABLE)

    # ------------------------------------------------------------------------------------------------- life

    def run(self) -> int:
        """Blocks until the end; the exit code."""
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, self._asked)
        signal.signal(signal.SIGHUP, lambda _sign, _frame: self.reload())
        address = self._server.start()
        self._begin_jobs()
        for loop in self._loops.values():
            loop.start()
        log.info("daemon_started pid=%d address=%s settings=%s", os.getpid(), address, self._path)
        self._stop.wait()
        self._end()
        return self._code

    def _end(self) -> None:
        """Stops reading first, commits what was read, then lets go of everything."""
        began = monotonic()
        self._jobs.shutdown(wait=False)
        self._parts.room.end()
        self._parts.analyst.end()
        self._parts.calibrator.end()
        for loop in self._loops.values():
            loop.stop()
        if self._loops["intake"].join(STOP_WITHIN) and self._code == FINE:
            self._finish()
        for loop in self._loops.values():
            loop.join(max(0.1, STOP_WITHIN - (monotonic() - began)))
        for feed in self._parts.feeds:
            feed.session.close()
        for each in self._parts.meters:
            each.metering.close()
        self._server.stop()
        self._parts.store.close()
        log.info("daemon_stopped code=%d seconds=%.1f", self._code, monotonic() - began)

    def _finish(self) -> None:
        try:
            self._parts.intake.finish(self._clock.now())
        except Unavailable as away:
            log.warning("last_checkpoint_missed reason=%s (what was read will be read again)", away)

    def _asked(self, sign: int, _frame: object) -> None:
        """The first signal ends in order, a second one at once."""
        if self._stop.is_set():
            os._exit(FAILED)
        log.info("daemon_asked_to_stop signal=%s", signal.Signals(sign).name)
        self._stop.set()

    def _lost(self, error: Exception) -> None:
        """A worker ended for good; on the way out that changes nothing."""
        if self._stop.is_set():
            log.warning("worker_ended_late reason=%s", error)
            return
        for_good = isinstance(error, Unavailable)
        log.error("daemon_lost reason=%s", error, exc_info=None if for_good else error)
        self._code = LOST if for_good else FAILED
        self._stop.set()

    # ------------------------------------------------------------------------------------------------- what happened

    def _committed(self, delta: Delta) -> None:
        self._parts.metrics.committed(delta)
        self._loops["evaluator"].wake()

    def _took(self, what: str, seconds: float) -> None:
        if what == "checkpoint":
            self._parts.metrics.checkpoint_took(seconds)
        else:
            self._parts.metrics.scoring_took(seconds)

    def _seen(self, lag: Mapping[Partition, int], lost: Mapping[Partition, int]) -> None:
        self._parts.metrics.lagging(lag)
        for partition, messages in lost.items():
            self._parts.metrics.lost(partition, messages)

    def _evaluated(self, model: str, window: Window, evaluation: Evaluation) -> None:
        metrics = self._parts.metrics
        metrics.evaluated(evaluation.board, evaluation.memory, self._book.of(model))
        for decision in evaluation.decisions:
            metrics.decided(decision)
        for change in evaluation.changes:
            alert = change.alert
            log.info(
                "alert_%s rule=%s model=%s version=%s segment=%s subject=%s value=%s window=%s",
                alert.state,
                alert.id.rule,
                model,
                alert.version,
                alert.id.segment,
                alert.id.subject,
                alert.value,
                window.end,
            )
        if evaluation.changes or evaluation.facts:
            self._loops["outbox"].wake()
        plan = evaluation.memory.plan
        if plan is not None:
            self._loops["actions"].wake()
            if evaluation.facts and not plan.step.is_open:
                metrics.rolled_back(plan)

    def _moved(self, plan: Plan, fact: Fact, move: Move) -> None:
        metrics = self._parts.metrics
        for decision in move.decisions:
            metrics.decided(decision)
        if isinstance(fact, Judged):
            metrics.judged(plan.model, fact.verdict)
        if not move.plan.step.is_open:
            metrics.rolled_back(move.plan)
        self._loops["actions"].wake()
        self._loops["outbox"].wake()

    # ------------------------------------------------------------------------------------------------- periodic jobs

    def _begin_jobs(self) -> None:
        for name, job, seconds in (("heartbeat", self._heartbeat, HEARTBEAT), ("rules_reload", self._look_at_rules, RELOAD), ("retention", self._tidy, TIDY)):
            self._jobs.add_job(job, "interval", seconds=seconds, id=name, max_instances=1, coalesce=True)
        self._jobs.add_job(self._look_at_cells, "interval", seconds=PROPOSE, id="proposals", max_instances=1, coalesce=True)
        read_regularly(self._jobs, self._parts.meters, self._clock.now)
        drill_regularly(self._jobs, self._parts.drills, self._clock.now)
        drill_regularly(self._jobs, FirstSeen(self._parts.store, lambda model: self._loaded.settings.model(model).artifacts), self._clock.now, "artefacts", 300)
        self._jobs.start()
        self._heartbeat()

    def _heartbeat(self) -> None:
        now = self._clock.now()
        jobs = [{"name": job.id, "next": None if job.next_run_time is None else job.next_run_time.isoformat()} for job in self._jobs.get_jobs()]
        missed = None
        try:
            self._parts.store.heartbeat(now, jobs)
            with suppress(Fenced):  # another one leads
                self._parts.store.lease.lead()  # while a worker waits minutes for a target, so that nobody takes over in the middle of a call
            self._parts.metrics.outbox(self._parts.store.told.depth())
        except Unavailable as away:
            missed = away
            log.warning("heartbeat_missed reason=%s", away)
        lost = self._patience.after(missed, now)
        if lost is not None:
            self._lost(lost)
        self._parts.metrics.heartbeat(now.timestamp())

    def _tidy(self) -> None:
        settings = self._loaded.settings
        kept, wait = settings.store.retention, Terms().wait if settings.labels is None else settings.labels.wait
        reached = max(kept.readings, MOST * settings.window.size)
        try:
            self._parts.store.retention.expire(windows_for=kept.windows, scores_for=kept.scores, readings_for=reached, labels_for=wait, rows_for=kept.rows)
            self._parts.store.windows.compact()
        except Unavailable as away:
            log.warning("retention_missed reason=%s", away)

    def _look_at_cells(self) -> None:
        try:
            Proposals(self._parts.store, self._troubles).look(self._clock.now())
        except Unavailable as away:
            log.warning("proposals_missed reason=%s", away)

    def _look_at_rules(self) -> None:
        if _signature(self._loaded) != self._rules_seen:
            self.reload()

    def reload(self) -> None:
        """Reads the rules again, all or nothing; an invalid edit keeps the last good ones and says so."""
        self._rules_seen = _signature(self._loaded)
        try:
            loaded = read_settings(self._path)
        except ConfigError as wrong:
            log.error("rules_not_reloaded problems=%s", wrong)  # noqa: TRY400  the problems name file and line; a traceback says nothing to who edits rules
            self._parts.metrics.rules(self._book.digest, success=False)
            self._tell(f"the rules were changed and cannot be read, so the last good ones stay: {wrong}")
            return
        book = replace(loaded.book, size=self._book.size, notifiers=self._book.notifiers)  # what else changed counts at the next start
        self._loaded, self._book = loaded, book
        self._tell(None)
        self._rules_seen = _signature(loaded)
        self._parts.metrics.rules(self._book.digest, success=True)
        log.info("rules_reloaded rules=%d digest=%s", len(self._book.rules), self._book.digest)

    def _tell(self, trouble: str | None) -> None:
        """Tells the notifiers once that the rules cannot be read, and once that they can again."""
        now = self._clock.now()
        try:
            if trouble is None:
                self._troubles.over("the rules are read again", now)
            else:
                self._troubles.began(trouble, now)
        except Unavailable as away:
            log.warning("trouble_untold reason=%s", away)

    def _not_ready(self) -> dict[str, str]:
        """What is not ready, by name, and why; empty: all is."""
        wrong = {name: loop.trouble for name, loop in self._loops.items() if name in {"intake", "evaluator"} and loop.trouble}
        if not all(feed.session.assigned() for feed in self._parts.feeds if not feed.labels):
            wrong.setdefault("source", "no partitions yet")
        return wrong


def _server(loaded: Loaded, view: StoreView, labels: LabelDesk, further: Sequence[Further]) -> Server:
    its = loaded.settings.server
    tokens = Tokens(Path(its.tokens_file)) if its.tokens_file is not None else None
    app = create_app(view, tokens=tokens, metrics_public=its.metrics_public, labels=labels, further=further)
    return Server(app, its.listen, has_tokens=tokens is not None)


def _signature(loaded: Loaded) -> dict[str, tuple[int, int]]:
    """When each file of the settings was changed last, and its size."""
    found = {}
    for path in loaded.files():
        try:
            stat = path.stat()
        except OSError:
            continue
        found[str(path)] = (stat.st_mtime_ns, stat.st_size)
    return found
