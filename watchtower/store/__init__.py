"""The only door to durable state: SQLAlchemy Core over an SQLite file (in memory for replay)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Self

from watchtower.nouns.incident import IncidentState
from watchtower.store.analyses import AnalysisRows
from watchtower.store.artefacts import ArtefactRows
from watchtower.store.audit import AuditRows
from watchtower.store.calibrations import CalibrationRows
from watchtower.store.codec import Json
from watchtower.store.database import Database
from watchtower.store.drills import DrillRows
from watchtower.store.evaluations import EvaluationRows
from watchtower.store.freezes import FreezeRows
from watchtower.store.history import HistoryRows
from watchtower.store.intake import IntakeRows
from watchtower.store.kept_rows import KeptRowsRoom
from watchtower.store.labels import LabelRows
from watchtower.store.lease import Lease
from watchtower.store.plans import PlanRows
from watchtower.store.readings import ReadingRows
from watchtower.store.references import ReferenceRows_, StoredReference
from watchtower.store.retention import RetentionRows
from watchtower.store.retrainings import RetrainingRows
from watchtower.store.scores import ScoreRows
from watchtower.store.servings import ServingRows
from watchtower.store.status import StatusRows
from watchtower.store.told import ToldRows
from watchtower.store.trials import TrialRows
from watchtower.store.windows import WindowRows


class Store:
    """All durable state, by room. Every method is one transaction and may be called from any thread.

    Any of them may raise Unavailable (back off and try again; for good where it says so); writers wait about 6 s for another process's lock.
    """

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        """Use :meth:`open`."""
        self._database = database
        self.lease = Lease(database, now)
        self.intake = IntakeRows(database)
        self.windows = WindowRows(database)
        self.scores = ScoreRows(database)
        self.calibrations = CalibrationRows(database)
        self.evaluations = EvaluationRows(database, self.lease, self.windows)
        self.kept_rows = KeptRowsRoom(database)
        self.labels = LabelRows(database)
        self.plans = PlanRows(database, self.lease)
        self.freezes = FreezeRows(database)
        self.audit = AuditRows(database)
        self.servings = ServingRows(database)
        self.drills = DrillRows(database)
        self.told = ToldRows(database)
        self.retrainings = RetrainingRows(database)
        self.references = ReferenceRows_(database)
        self.trials = TrialRows(database, now)
        self.artefacts = ArtefactRows(database, now)
        self.analyses = AnalysisRows(database, now)
        self.readings = ReadingRows(database)
        self.history = HistoryRows(database)
        self.retention = RetentionRows(database, now)
        self._status = StatusRows(database, self.lease)

    @classmethod
    def open(cls, url: str, *, read_only: bool = False, now: Callable[[], datetime]) -> Self:
        """Opens ``sqlite:///FILE`` (``sqlite://``: in memory), making it where it is not there.

        *read_only* looks and never waits for a writer: Unavailable(`no store yet at …`) where there is none. ConfigError where *url* is no such
        address; Unavailable, for good, where a newer Watchtower wrote the store.
        """
        return cls(Database.open(url, read_only=read_only), now)

    def hold_file_lock(self) -> None:
        """What the daemon does first: see :meth:`Lease.hold_file_lock`. Unavailable where another daemon runs on this file."""
        self.lease.hold_file_lock()

    def heartbeat(self, now: datetime, jobs: Sequence[Mapping[str, object]] = ()) -> None:
        """The daemon lives; *jobs* are what `status` lists, as plain values."""
        self._status.heartbeat(now, jobs)

    def status(self) -> dict[str, object]:
        """The JSON of `status --json`: exact at this moment, from one consistent look."""
        return self._status.status()

    def versions_in_role(self, model: str, role: str) -> frozenset[str]:
        """The versions of *model* of which predictions in *role* (not `served`) were ever read."""
        return self._status.versions_in_role(model, role)

    def incidents_json(self, state: IncidentState | None = None) -> dict[str, list[Json]]:
        """The JSON of `incidents --json`, newest first."""
        return self.plans.incidents_json(state)

    def close(self) -> None:
        """Lets go of connections and of the file lock."""
        self._database.close()
        self.lease.release()


__all__ = ["Store", "StoredReference"]
