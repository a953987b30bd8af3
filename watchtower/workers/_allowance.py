"""How long windows may wait for their slow scores."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic


@dataclass(slots=True)
class Allowance:
    """Time for one window, and for all models' windows that end at the same moment: other models' windows wait behind them.

    Attributes:
        limit: the most that one window may take.
        together: the most that all windows to one end may take; None: each for itself.
        late: why a score of the present window is not there in time.
    """

    limit: timedelta
    together: timedelta | None = None
    late: str = ""
    _end: datetime | None = None
    _spent: float = 0.0
    _began: float = 0.0

    def __post_init__(self) -> None:
        """Nothing is under way."""
        self.late = self.late or f"analysis took over {self.limit.total_seconds():g} s"

    def begin(self, end: datetime) -> float:
        """Until when (monotonic seconds) a window to *end* may take."""
        if end != self._end:
            self._end, self._spent = end, 0.0
        self._began = monotonic()
        left, limit = self.limit.total_seconds(), self.limit.total_seconds()
        self.late = f"analysis took over {limit:g} s"
        if self.together is not None and (rest := self.together.total_seconds() - self._spent) < limit:
            left, self.late = max(0.0, rest), f"analysis of all models took over {self.together.total_seconds():g} s"
        return self._began + left

    def finish(self) -> None:
        """The window has what it gets."""
        self._spent += monotonic() - self._began
