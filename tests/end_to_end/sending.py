"""A service that serves what `current` names and logs to Kafka; everything that it sent is kept, so that any number can be computed from the rows."""

import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from kafka import KafkaProducer
from numpy.typing import NDArray

from tests.end_to_end.running import Json
from watchtower.programs.demo.applicants import PURPOSES, draw
from watchtower.programs.demo.files import Folder
from watchtower.programs.demo.scene import MODEL

TICK = 0.1
"""Seconds between two sendings."""
SINGLES, IN_BATCH = 20, 30
"""Rows of a sending: alone, and in one message."""
MISSING, WRONG = 0.05, 0.03
"""Shares of rows without a purpose, and with a status that is not ok."""
Column = NDArray[np.generic]


@dataclass(frozen=True, eq=False)
class Sent:
    """Rows as columns of equal length: *time* in whole microseconds, *purpose* "" where missing, *latency* in seconds."""

    time: NDArray[np.int64]
    version: Column
    prediction: NDArray[np.float64]
    purpose: Column
    income: NDArray[np.float64]
    status: Column
    latency: NDArray[np.float64]
    utilization: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.time)

    def where(self, chosen: NDArray[np.bool_]) -> "Sent":
        """Some of the rows."""
        return Sent(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    def within(self, start: float, end: float) -> "Sent":
        """The rows of [start, end), seconds since 1970."""
        return self.where((self.time >= round(start * 1e6)) & (self.time < round(end * 1e6)))

    def of(self, version: str) -> "Sent":
        """The rows of one version."""
        return self.where(self.version == version)


@dataclass
class Service(threading.Thread):
    """Sends until it is ended; rows of every version that `current` named."""

    broker: str
    topic: str
    folder: Folder
    partitions: int
    rng: np.random.Generator
    ended: threading.Event = field(default_factory=threading.Event)
    problem: BaseException | None = None
    _parts: list[Sent] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self._producer = KafkaProducer(bootstrap_servers=self.broker, acks="all", linger_ms=5)
        self._sessions: dict[str, object] = {}
        self._turn = 0

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        """Sends at an even pace."""
        due = time.monotonic()
        try:
            while not self.ended.wait(max(0.0, due - time.monotonic())):
                due += TICK
                self._send()
            self._producer.flush(10)
        except Exception as problem:  # noqa: BLE001  told by stop()
            self.problem = problem

    def stop(self) -> None:
        """Ends the traffic; what was sent is at the broker."""
        self.ended.set()
        self.join(15)
        self._producer.close()
        assert self.problem is None, self.problem

    def sent(self) -> Sent:
        """Everything so far."""
        with self._lock:
            return Sent(*(np.concatenate([getattr(part, name) for part in self._parts]) for name in Sent.__dataclass_fields__))

    def _send(self) -> None:
        rows, version = SINGLES + IN_BATCH, (self.folder.models / "current").readlink().name
        applicants = draw(self.rng, rows)
        columns = applicants.columns()
        missing = self.rng.random(rows) < MISSING
        purpose = np.where(missing, "", np.array(PURPOSES)[applicants.purpose])
        answers = self._answers(version, {**columns, "purpose": purpose.tolist()})
        start = int(time.time() * 1e6)
        part = Sent(
            time=start - np.arange(rows)[::-1] * 1000,
            version=np.full(rows, version),
            prediction=answers,
            purpose=purpose,
            income=applicants.numeric[:, 0],
            status=np.where(self.rng.random(rows) < WRONG, "timeout", "ok"),
            latency=np.round(self.rng.lognormal(-5, 0.5, rows), 6),
            utilization=np.round(self.rng.uniform(0.3, 0.7, rows), 3),
        )
        with self._lock:
            self._parts.append(part)
        self._turn += 1
        for row in range(SINGLES):
            one = {name: values[row] for name, values in columns.items()} | {"purpose": None if missing[row] else purpose[row].item()}
            self._post({"id": f"{self._turn}-{row}", "time": part.time[row].item() / 1e6, "features": one, **_rest(part, row)}, row)
        batch = slice(SINGLES, rows)
        many = {name: values[SINGLES:] for name, values in columns.items()} | {"purpose": [each or None for each in purpose[batch].tolist()]}
        ids = [f"{self._turn}-{row}" for row in range(SINGLES, rows)]
        self._post({"rows": IN_BATCH, "id": ids, "time": (part.time[batch] / 1e6).tolist(), "features": many, **_rest(part, batch)}, self._turn)

    def _post(self, message: Json, number: int) -> None:
        self._producer.send(self.topic, json.dumps({"model": MODEL, **message}).encode(), partition=number % self.partitions)

    def _answers(self, version: str, columns: dict[str, list[float] | list[str]]) -> NDArray[np.float64]:
        """What the served model says, float64[rows]."""
        import onnxruntime  # only where something is served

        if version not in self._sessions:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            self._sessions[version] = onnxruntime.InferenceSession(
                str(self.folder.models / version / "model.onnx"), options, providers=["CPUExecutionProvider"]
            )
        fed = {name: np.array(values, dtype=object if name == "purpose" else np.float32)[:, None] for name, values in columns.items()}
        return np.asarray(self._sessions[version].run(None, fed)[0], dtype=np.float64)[:, 0]  # type: ignore[attr-defined]


def _rest(part: Sent, rows: int | slice) -> Json:
    """What is logged beside inputs and time."""
    return {
        "version": part.version[0].item(),
        "prediction": part.prediction[rows].tolist(),
        "status": part.status[rows].tolist(),
        "latency_ms": (part.latency[rows] * 1000).tolist(),
        "gpu": {"device": "0", "utilization": part.utilization[rows].tolist(), "memory_used_bytes": 1.5e9},
    }


def deploy(folder: Path, version: str) -> None:
    """Somebody makes *version* current, in one rename."""
    fresh = folder / ".deploying"
    fresh.symlink_to(version)
    fresh.replace(folder / "current")
