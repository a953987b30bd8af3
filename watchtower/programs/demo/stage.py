"""Plays a scene: the service, the traffic and the daemon, each real, and the story of what the daemon makes of it."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console

from watchtower.edges.clock import Clock
from watchtower.programs.demo.applicants import some_drift
from watchtower.programs.demo.children import Children, free_ports, get
from watchtower.programs.demo.files import Folder, prepare, write_models, write_settings
from watchtower.programs.demo.follow import Event, Follower, News, ask, notes
from watchtower.programs.demo.scene import Scenario, Scene
from watchtower.programs.demo.story import Story, missing
from watchtower.programs.demo.traffic import Traffic
from watchtower.rollback_targets.directory import Directory

_LOOK = 0.25
_UP_WITHIN = 30.0
_DAEMON = "from watchtower.cli.main import main; main()"


def perform(scene: Scene, root: Path, console: Console, *, keep: bool) -> int:
    """Plays *scene* in the folder *root*; 0 when the story came to its end, 1 with a sentence where it did not.

    With *keep* everything goes on afterwards until Ctrl-C.
    """
    clock = Clock()
    folder = prepare(root.resolve())
    hurt = write_models(folder, scene, clock.now())
    service, daemon = free_ports(2)
    write_settings(folder, scene, daemon)
    story = Story(console, folder.story, clock.now)
    story.opening(scene, hurt, daemon, service)
    with _ended_politely(), Children() as children:
        _start(children, folder, service)
        stage = Stage(scene, folder, story, children, daemon, Traffic(scene, service))
        trouble = stage.up(service) or stage.play()
        if trouble is not None:
            story.trouble(trouble)
            return 1
        story.ending(scene, stage.predictions, keep=keep)
        if keep:
            stage.keep_on()
        stage.traffic.stop()
    return 0


@dataclass(slots=True)
class Stage:
    """Everything runs; now things happen, and the daemon is asked what it makes of them."""

    scene: Scene
    folder: Folder
    story: Story
    children: Children
    daemon: int
    traffic: Traffic
    predictions: int = 0
    _follower: Follower = field(default_factory=Follower)
    _seen: dict[str, Event] = field(default_factory=dict)
    _noted: set[str] = field(default_factory=set)
    _deployed: bool = False
    _live_since: float | None = None
    _drifted: bool = False

    def up(self, service: int) -> str | None:
        """Waits until the service and the daemon answer, then lets the traffic begin; what went wrong else."""
        until = time.monotonic() + _UP_WITHIN
        while get(service, "/healthz") is None or get(self.daemon, "/healthz") is None:
            if (ended := self.children.ended()) or time.monotonic() > until:
                return ended or f"The service and the daemon did not answer within {_UP_WITHIN:g} s; their logs are in {self.folder.root}."
            _pause()
        self.traffic.start()
        self.story.note(f"the day begins: about {self.scene.rate:g} requests a second, version {self.scene.good} serves")
        return None

    def play(self) -> str | None:
        """Until the story is at its end (None), or cannot come to it (why)."""
        began = time.monotonic()
        while (spent := time.monotonic() - began) < self.scene.within:
            if ended := self.children.ended():
                return ended
            news = ask(self.daemon)
            self._tell(news)
            if (outcome := self._outcome()) is not None:
                return outcome or None
            self._act(spent)
            _pause()
        return f"{missing(self._seen, self.scene)} The daemon's log is {self.folder.root / 'daemon.log'}."

    def keep_on(self) -> None:
        """Goes on telling until Ctrl-C, or until a child ends."""
        try:
            while self.children.ended() is None:
                self._tell(ask(self.daemon))
                _pause()
        except KeyboardInterrupt:
            return

    def _tell(self, news: News) -> None:
        self.predictions = max(self.predictions, sum(news.predictions.values()))
        for event in self._follower.events(news):
            if event.name == "verdict":
                self._note(news)
            self._seen[event.name] = event
            self.story.event(event)
        self._note(news)

    def _note(self, news: News) -> None:
        for note in dict.fromkeys(note for incident in news.incidents for note in notes(incident)):
            if note not in self._noted:
                self._noted.add(note)
                self.story.note(note)

    def _outcome(self) -> str | None:
        """None: not yet; "": as it should be; else what went wrong."""
        if self.scene.scenario is Scenario.ROLLBACK:
            return "" if {"switched", "recovered", "incident_closed"} <= self._seen.keys() else None
        verdict = self._seen.get("verdict")
        if verdict is None:
            return None
        fine = verdict.facts["verdict"] == "reject" and verdict.facts["diagnosis"] == "data_drift" and "switched" not in self._seen
        return "" if fine else "Here the inputs drift under two equally good versions: this is not the verdict that was due."

    def _act(self, spent: float) -> None:
        """The new version goes live after the warm-up; in the other story other applicants come a while later."""
        live = self._follower.live
        if not self._deployed and live == self.scene.good and spent >= self.scene.warm_up:
            self._deployed = True
            self.story.note(f"somebody deploys version {self.scene.new}")
            Directory(path=str(self.folder.models)).open().switch_to(self.scene.new, expected=self.scene.good)
        if self._live_since is None and live == self.scene.new:
            self._live_since = spent
        due = self._live_since is not None and spent - self._live_since >= self.scene.before_drift
        if due and not self._drifted and self.scene.scenario is Scenario.DATA_DRIFT:
            self._drifted = True
            moved = some_drift(np.random.default_rng([self.scene.seed, 3]))
            self.story.note(f"other applicants come: {moved}")
            self.traffic.drift(moved)


def _start(children: Children, folder: Folder, service: int) -> None:
    children.start("service", ["-m", "watchtower.programs.demo.service", str(folder.models), str(folder.log), str(service)], folder.root / "service.log")
    children.start("daemon", ["-c", _DAEMON, "run", "-c", str(folder.settings)], folder.root / "daemon.log")


def _pause() -> None:
    threading.Event().wait(_LOOK)


@contextmanager
def _ended_politely() -> Iterator[None]:
    """SIGTERM leaves as an exception does, so that the children are ended too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(number: int, _: object) -> None:
    raise SystemExit(128 + number)
