"""Trials in a thread of their own: a version that hangs until its time is over holds up no switch, no deadline and no command by hand."""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from watchtower.nouns.evidence import Judgement
from watchtower.nouns.plan import Plan

Asked = tuple[str, int, datetime, str]
"""Plan, revision, the end of the last evaluated window, why no further row will come."""
_KEPT = 64
"""Answers that nobody fetched."""


@dataclass(slots=True)
class _Turn:
    """One look; once it is *over*, *found* or *failed* is there."""

    plan: Plan
    asked: Asked
    over: threading.Event = field(default_factory=threading.Event)
    found: Judgement | None = None
    failed: Exception | None = None


@dataclass(slots=True)
class Looking:
    """Looks one at a time, plans in the order in which they asked; who asks gets None until the answer is there. Asked by one thread.

    Attributes:
        look: the look, which may take as long as its time limits allow.
        stop: ends a look that is under way.
    """

    look: Callable[[Plan, datetime, str], Judgement]
    stop: Callable[[], None]
    _turn: _Turn | None = None
    _queue: list[str] = field(default_factory=list)
    _passed: set[str] = field(default_factory=set)
    _answers: dict[str, _Turn] = field(default_factory=dict)
    _wanted: "queue.SimpleQueue[_Turn]" = field(default_factory=queue.SimpleQueue)
    _thread: threading.Thread | None = None
    _ended: bool = False

    def __call__(self, plan: Plan, through: datetime, ended: str) -> Judgement | None:
        """The judgement of a look that was asked for before, if it is still what is asked (or final); what the look raised is raised here."""
        asked = (plan.id, plan.revision, through, ended)
        self._settle()
        turn = self._answers.pop(plan.id, None)
        if turn is not None and turn.failed is not None:
            raise turn.failed
        found = turn.found if turn is not None else None
        if found is not None and turn is not None and (turn.asked == asked or (found.final and turn.asked[1] == plan.revision)):
            return found
        if self._may_begin(plan.id):
            self._begin(plan, asked)
        return None

    def end(self, seconds: float = 2.0) -> None:
        """The daemon stops: no further look begins, and one that is under way comes to nothing; waits at most *seconds* for it."""
        self._ended = True
        self.stop()
        turn = self._turn
        if turn is not None:
            turn.over.wait(seconds)

    def _settle(self) -> None:
        """A look that is over makes room for the next one; its answer waits for whoever asked, of plans that are asked for no more until the next ones."""
        if self._turn is not None and self._turn.over.is_set():
            self._answers = {**dict(list(self._answers.items())[-_KEPT:]), self._turn.asked[0]: self._turn}
            self._turn = None

    def _may_begin(self, plan: str) -> bool:
        """Whether it is this plan's turn; the first in the queue who lets others ask twice asks no more."""
        if self._ended or (self._turn is not None and self._turn.asked[0] == plan):
            return False
        if plan not in self._queue:
            self._queue.append(plan)
        if self._turn is not None:
            return False
        if self._queue[0] != plan and plan in self._passed:
            self._queue.pop(0)
            self._passed.clear()
        if self._queue[0] != plan:
            self._passed.add(plan)
            return False
        return True

    def _begin(self, plan: Plan, asked: Asked) -> None:
        self._queue.remove(plan.id)
        self._passed.clear()
        self._turn = _Turn(plan, asked)
        self._wanted.put(self._turn)
        if self._thread is None:  # one for good: a child process ends with the thread that started it
            self._thread = threading.Thread(target=self._run, name="trials", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            turn = self._wanted.get()
            try:
                turn.found = self.look(turn.plan, turn.asked[2], turn.asked[3])
            except Exception as failed:  # noqa: BLE001  raised again where the answer is fetched
                turn.failed = failed
            turn.over.set()
