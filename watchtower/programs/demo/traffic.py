"""The demo's traffic: applicants who ask over HTTP, more of them by day than by night."""

import http.client
import json
import math
import threading
import time
from collections.abc import Iterator

import numpy as np

from watchtower.programs.demo.applicants import Moved, draw
from watchtower.programs.demo.scene import Scene

SENDERS = 4
_SWING = 0.45
_AT_ONCE = 256
_PATIENCE = 5.0


def rate_at(seconds: float, scene: Scene) -> float:
    """Requests a second: the day's mean, up to 45 % more at noon and less at midnight, which is when it begins."""
    return scene.rate * (1 - _SWING * math.cos(2 * math.pi * seconds / scene.day))


class Traffic:
    """Senders that ask `POST /predict` on *port* at random moments, until they are stopped. What is lost is counted, and asked again by nobody."""

    def __init__(self, scene: Scene, port: int) -> None:
        self._scene = scene
        self._port = port
        self._over = threading.Event()
        self._moved: Moved | None = None
        self._threads = [threading.Thread(target=self._send, args=(number,), name=f"sender-{number}", daemon=True) for number in range(SENDERS)]
        self._asked, self._lost = [0] * SENDERS, [0] * SENDERS

    def start(self) -> None:
        """Begins the day, at midnight."""
        for thread in self._threads:
            thread.start()

    def drift(self, moved: Moved) -> None:
        """From now on other applicants come."""
        self._moved = moved

    def stop(self) -> None:
        """Ends all senders."""
        self._over.set()
        for thread in self._threads:
            thread.join(_PATIENCE)

    @property
    def answered(self) -> int:
        """Requests that were answered so far."""
        return sum(self._asked)

    @property
    def lost(self) -> int:
        """Requests that were not."""
        return sum(self._lost)

    def _send(self, number: int) -> None:
        rng = np.random.default_rng([self._scene.seed, 2, number])
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE)
        began = due = time.monotonic()
        for body in self._applicants(rng):
            due += float(rng.exponential(SENDERS / rate_at(due - began, self._scene)))
            if self._over.wait(max(0.0, due - time.monotonic())):
                break
            self._ask(connection, body, number)
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, body: bytes, number: int) -> None:
        try:
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            self._lost[number] += 1
            return
        (self._asked if answer.status == http.HTTPStatus.OK else self._lost)[number] += 1

    def _applicants(self, rng: np.random.Generator) -> Iterator[bytes]:
        while True:
            moved = self._moved
            columns = draw(rng, _AT_ONCE, moved).columns()
            for values in zip(*columns.values(), strict=True):
                if self._moved is not moved:
                    break
                yield json.dumps(dict(zip(columns, values, strict=True))).encode()
