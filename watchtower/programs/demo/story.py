"""Tells the story: a line an event on the terminal, and a line an event in story.jsonl."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import cast

from rich.console import Console
from rich.text import Text

from watchtower.programs.demo.follow import NAMES, Event, Said
from watchtower.programs.demo.models import Damage
from watchtower.programs.demo.scene import Scenario, Scene

_STYLES = {
    "version_live": "cyan",
    "alert_firing": "bold red",
    "verdict": "bold yellow",
    "switched": "bold green",
    "recovered": "green",
    "incident_closed": "bold green",
}


class Story:
    """Writes to *console* and to *file*; *now* is the wall clock."""

    def __init__(self, console: Console, file: Path, now: Callable[[], datetime]) -> None:
        self._console = console
        self._file = file
        self._now = now
        self._began = now()

    def opening(self, scene: Scene, hurt: Damage | None, daemon: int, service: int) -> None:
        """Who plays, and where to look."""
        self._plain(f"Watchtower's demo, seed {scene.seed}: a service scores loan applicants, a daemon watches what it logs.", "bold")
        self._plain("Everything is real: the models (ONNX), the requests (HTTP), the daemon (watchtower run). It all lies in " + str(self._file.parent) + ".")
        self._plain(f"pages    http://127.0.0.1:{daemon}/", "cyan")
        self._plain(f"metrics  http://127.0.0.1:{daemon}/metrics", "cyan")
        self._plain(f"service  http://127.0.0.1:{service}/predict", "cyan")
        if hurt is not None:
            self._plain(f"What the daemon does not know: in version {scene.new} {hurt.what}.")
            self._plain(f"Its true error is {hurt.error:.3f}; before the damage it was {hurt.healthy_error:.3f}.")
        else:
            self._plain(f"What the daemon does not know: versions {scene.good} and {scene.new} are equally good, and soon other applicants will come.")
        self._plain("")

    def event(self, event: Event) -> None:
        """Tells *event*, and keeps it."""
        now = self._now()
        seconds = round((now - self._began).total_seconds(), 1)
        line = {"event": event.name, "time": now.isoformat().replace("+00:00", "Z"), "seconds": seconds, **event.facts}
        with self._file.open("a") as out:
            out.write(json.dumps(line) + "\n")
        self._line(in_words(event), _STYLES[event.name])

    def note(self, text: str) -> None:
        """Tells what is no event."""
        self._line(text, "dim")

    def ending(self, scene: Scene, predictions: int, *, keep: bool) -> None:
        """How it came out."""
        self._plain("")
        if scene.scenario is Scenario.ROLLBACK:
            end = f"version {scene.new} found bad, version {scene.good} serves again, the incident is closed."
        else:
            end = f"other inputs came, and no other version would do better: nothing was switched, version {scene.new} stays live."
        self._plain(f"The end. {predictions:,} predictions watched, {end}", "bold green")
        self._plain(f"The events are in {self._file}." + ("" if keep else " `make demo KEEP=1` keeps everything running at the end."))
        if keep:
            self._plain("Everything keeps running. Ctrl-C ends it.", "bold")

    def trouble(self, text: str) -> None:
        """Tells why the story did not come to its end."""
        self._plain(text, "bold red")

    def _line(self, text: str, style: str) -> None:
        seconds = (self._now() - self._began).total_seconds()
        self._console.print(Text.assemble((f"{seconds:6.1f} s  ", "dim"), (text, style)), soft_wrap=True)

    def _plain(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style), soft_wrap=True)


def in_words(event: Event) -> str:
    """An event in words."""
    facts = event.facts
    match event.name:
        case "version_live":
            return f"version {facts['version']} is live" + (f" (before: {facts['before']})" if facts["before"] else "")
        case "alert_firing":
            return f"alert fires: {facts['alert']} on version {facts['version']}, value {cast('float', facts['value'] or 0.0):.3f}"
        case "verdict":
            reason, diagnosis = str(facts["reason"]), str(facts["diagnosis"]).replace("_", " ")
            return f"verdict {str(facts['verdict']).upper()}, {reason if reason.startswith(diagnosis) else f'{diagnosis}: {reason}'}"
        case "switched":
            return f"rolled back: switched from version {facts['from']} to version {facts['to']}"
        case "recovered":
            return f"recovered: the traffic shows version {facts['version']}, and every alert has resolved"
        case _:
            return "incident closed"


def missing(seen: Said, scene: Scene) -> str:
    """What the story still waits for, when its time is over; *seen* holds the names of the events that came."""
    wanted = NAMES if scene.scenario is Scenario.ROLLBACK else NAMES[:3]
    lacking = [name.replace("_", " ") for name in wanted if name not in seen]
    return f"After {scene.within:g} s this is still missing: {', '.join(lacking) or 'the end'}."
