"""kill -9 at named points and at random moments: after a restart everything sent is counted once, and a switch happens once."""

import ctypes
import json
import os
import random
import select
import shutil
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Self

import pytest

from tests.end_to_end.rollback import damaged
from tests.end_to_end.running import LOOK, Daemon, Json, counts, free_port, listed, rejected, status, until, write_rules
from watchtower.edges.points import VARIABLE
from watchtower.programs.demo.scene import MODEL

pytestmark = pytest.mark.timeout(240)
SIZE, LATENESS = 2_000_000, 1_000_000
"""Window size and lateness in microseconds."""
TIMES = 10
KILLED = -9
SETTINGS = """\
source: {{kind: file, path: predictions.jsonl, format: {{kind: watchtower_json}}}}
store: {{url: sqlite:///watchtower.db, checkpoint: 200ms}}
window: {{size: 2s, lateness: 1s, idle: never}}
models:
  fraud: {{features: {{amount: numeric, country: categorical}}, prediction: {{kind: probability}}, reference: {{kind: first_windows, count: 2}}}}
server: {{listen: "127.0.0.1:{port}"}}
"""
RULE = "{name: FeatureDrift, model: fraud, when: {kind: above, measure: drift.psi, feature: '*', value: 0.2}, notify: []}"


class Stream:
    """A log that grows, and what `status` must say of it. Event times rise a little faster than the clock may; some rows are late, some lines are nothing."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._log = folder / "predictions.jsonl"
        self._log.touch()
        self._draw = random.Random(seed)
        self._now = (int(time.time()) - 3600) * 1_000_000
        self._newest: int | None = None
        self._counts: dict[tuple[str, str], list[int]] = {}
        self._rejected: Counter[str] = Counter()
        self._lock = threading.Lock()

    def write(self, messages: int) -> None:
        """Appends so many messages, half a second of event time a hundred."""
        with self._lock:
            written = b"".join(self._message() for _ in range(messages))
            with self._log.open("ab", buffering=0) as log:
                log.write(written)

    def truth(self) -> tuple[dict[tuple[str, str], tuple[int, int]], dict[str, int]]:
        """What was sent: (model, version) -> (predictions, late); reason -> messages."""
        with self._lock:
            return {key: (all_of_it, late) for key, (all_of_it, late) in self._counts.items()}, dict(self._rejected)

    def _message(self) -> bytes:
        self._now += 5_000
        kind = self._draw.random()
        if kind < 0.02:
            self._rejected["not_json"] += 1
            return b'{"model": "fraud", "featu\n'
        if kind < 0.04:
            self._rejected["missing_field"] += 1
            return b'{"features": {"amount": 1}}\n'
        version = "2" if self._draw.random() < 0.3 else "1"
        if kind < 0.2:
            times = [self._now - 1000 * self._draw.randrange(500) - (6_000_000 if self._draw.random() < 0.1 else 0) for _ in range(self._draw.randrange(1, 40))]
            return self._line(
                version,
                times,
                {"rows": len(times), "time": [_text(each) for each in times], "features": self._features(len(times)), "prediction": [0.5] * len(times)},
            )
        moment = self._now - (6_000_000 if self._draw.random() < 0.05 else 0)
        amount, country = self._draw.lognormvariate(3, 1), self._draw.choice(("DE", "FR", "中国"))
        return self._line(version, [moment], {"time": _text(moment), "features": {"amount": amount, "country": country}, "prediction": self._draw.random()})

    def _features(self, rows: int) -> Json:
        return {"amount": [self._draw.lognormvariate(3, 1) for _ in range(rows)], "country": [self._draw.choice(("DE", "FR")) for _ in range(rows)]}

    def _line(self, version: str, times: list[int], rest: Json) -> bytes:
        seen = self._counts.setdefault(("fraud", version), [0, 0])
        for moment in times:
            seen[0] += 1
            seen[1] += self._newest is not None and (moment // SIZE + 1) * SIZE <= self._newest - LATENESS
            self._newest = moment if self._newest is None else max(self._newest, moment)
        return (json.dumps({"model": "fraud", "version": version, **rest}) + "\n").encode()


def _text(micros: int) -> str | int:
    """One of the forms that the format knows."""
    return micros // 1000 if micros % 10_000 else datetime.fromtimestamp(micros // 1000 / 1000, UTC).isoformat(timespec="milliseconds")


def watched(tmp_path: Path) -> Daemon:
    """A folder with settings and a rule, and its daemon, not yet started."""
    port = free_port()
    (tmp_path / "watchtower.yaml").write_text(SETTINGS.format(port=port))
    write_rules(tmp_path, [RULE])
    return Daemon(tmp_path, port)


def settled(daemon: Daemon, stream: Stream) -> None:
    """The daemon, left alone, says exactly what was sent, by HTTP and on the command line, and still does after an orderly end."""
    wanted = stream.truth()

    def agreed() -> bool:
        found = daemon.json("/api/v1/status")
        return (counts(found), rejected(found)) == wanted

    try:
        daemon.wait_until(agreed, 30, "the counts are what was sent")
    finally:
        last = status(daemon.folder)
        assert (counts(last), rejected(last)) == wanted
    assert daemon.stop()[0] == 0
    last = status(daemon.folder)
    assert (counts(last), rejected(last)) == wanted
    assert [each["lag"] for each in listed(last, "lag")] == [0]


@pytest.mark.parametrize("point", ["fold.done", "checkpoint.before_commit", "checkpoint.after_commit", "evaluation.before_commit", "evaluation.after_commit"])
def test_killed_ten_times_at_a_named_point_nothing_is_lost_or_doubled(tmp_path: Path, point: str) -> None:
    daemon, stream = watched(tmp_path), Stream(tmp_path, seed=len(point))
    with daemon:
        for turn in range(TIMES):
            stream.write(600)
            daemon.start({VARIABLE: f"{point}#{1 + turn % 3}"})
            if daemon.process is not None and turn % 3:
                _feed_until_dead(daemon, stream)
            assert daemon.died() == KILLED, daemon.words()
        stream.write(300)
        daemon.start()
        settled(daemon, stream)


def _feed_until_dead(daemon: Daemon, stream: Stream) -> None:
    """A later checkpoint (or window) needs something new to be read."""
    pause = threading.Event()
    for _ in range(400):
        if daemon.process is None or daemon.process.poll() is not None:
            return
        stream.write(20)
        pause.wait(LOOK)


def test_killed_ten_times_at_random_under_load_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    daemon, stream, draw = watched(tmp_path), Stream(tmp_path, seed=7), random.Random(7)
    with daemon:
        with _load(stream):
            for _ in range(TIMES):
                before = sum(each for each, _ in _counted(daemon.folder).values())
                daemon.start()
                daemon.wait_until(partial(_counts_beyond, daemon, before), 30, "it counts again")
                threading.Event().wait(draw.random())
                daemon.kill()
            daemon.start().wait_ready()
        settled(daemon, stream)


def _counts_beyond(daemon: Daemon, before: int) -> bool:
    return sum(each for each, _ in counts(daemon.json("/api/v1/status")).values()) > before


def _counted(folder: Path) -> dict[tuple[str, str], tuple[int, int]]:
    return counts(status(folder)) if (folder / "watchtower.db").exists() else {}


@contextmanager
def _load(stream: Stream) -> Iterator[None]:
    """About 1,000 messages a second in another thread."""
    over = threading.Event()

    def send() -> None:
        while not over.wait(0.02):
            stream.write(20)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(5)


# ------------------------------------------------------------------------------------------------- switches


@pytest.fixture(scope="module")
def before_the_switch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose daemon was killed when it had decided to go back and had not yet looked at the target."""
    root, port = tmp_path_factory.mktemp("decided") / "run", free_port()
    folder = damaged(root, port)
    with Daemon(root, port) as daemon:
        daemon.start({VARIABLE: "switch.before_state"})
        assert daemon.died(90) == KILLED, daemon.words()
    assert (folder.models / "current").readlink() == Path("2")
    return root


class Far(threading.Thread):
    """Sees every change of `current` where it happens."""

    CREATED, MOVED_HERE = 0x100, 0x80

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self._folder, self._over = folder, threading.Event()
        self.seen: list[str] = []
        libc = ctypes.CDLL(None, use_errno=True)
        self._watch = libc.inotify_init1(os.O_NONBLOCK)
        libc.inotify_add_watch(self._watch, os.fsencode(folder), self.CREATED | self.MOVED_HERE)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join(5)
        os.close(self._watch)

    def run(self) -> None:
        while not self._over.is_set() or select.select([self._watch], [], [], 0)[0]:
            if not select.select([self._watch], [], [], 0.1)[0]:
                continue
            events, at = os.read(self._watch, 65536), 0
            while at < len(events):
                _, _, _, size = struct.unpack_from("iIII", events, at)
                name = events[at + 16 : at + 16 + size].rstrip(b"\0").decode()
                at += 16 + size
                if name == "current":
                    self.seen.append((self._folder / "current").readlink().name)


def _copied(before: Path, tmp_path: Path) -> Daemon:
    """The same moment again, on another port."""
    root, port = tmp_path / "run", free_port()
    shutil.copytree(before, root, symlinks=True)
    settings = root / "watchtower.yaml"
    lines = settings.read_text().splitlines()
    settings.write_text("\n".join([*lines[:-1], f'server: {{listen: "127.0.0.1:{port}"}}']) + "\n")
    return Daemon(root, port)


def _step(daemon: Daemon) -> str:
    incidents = listed(daemon.json("/api/v1/incidents"), "incidents")
    plan = incidents[0].get("plan") if incidents else None
    return str(plan.get("step")) if isinstance(plan, dict) else ""


@pytest.mark.parametrize("point", ["switch.before_call", "switch.after_call", "plan.before_commit.switched"])
def test_killed_ten_times_around_the_targets_answer_it_is_switched_exactly_once(before_the_switch: Path, tmp_path: Path, point: str) -> None:
    daemon = _copied(before_the_switch, tmp_path)
    with Far(daemon.folder / "models" / MODEL) as far, daemon:
        for _ in range(TIMES):
            daemon.start({VARIABLE: point})
            assert daemon.died(30) == KILLED, daemon.words()
        daemon.start()
        daemon.wait_until(lambda: _step(daemon) == "verifying", 30, "the plan waits for the traffic")
        assert daemon.stop()[0] == 0
    assert far.seen == ["1"]


def test_killed_after_the_switch_was_recorded_it_is_switched_exactly_once(before_the_switch: Path, tmp_path: Path) -> None:
    daemon = _copied(before_the_switch, tmp_path)
    with Far(daemon.folder / "models" / MODEL) as far, daemon:
        daemon.start({VARIABLE: "plan.after_commit.switched"})
        assert daemon.died(30) == KILLED, daemon.words()
        for _ in range(TIMES - 1):
            daemon.start()
            daemon.wait_until(lambda: _step(daemon) == "verifying", 30, "the plan waits for the traffic")
            daemon.kill()
    assert far.seen == ["1"]
    assert until(lambda: (daemon.folder / "models" / MODEL / "current").readlink().name == "1", 1, "version 1 is current")
