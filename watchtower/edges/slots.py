"""Which gauge series are exported when there are more than fit."""

from collections.abc import Mapping
from dataclasses import dataclass

from watchtower.edges.exposition import Family, Labels

Series = tuple[Family, Labels]

KEPT_SECONDS = 3600.0
"""A slot is kept for at least so long, so that a graph does not flicker."""
HYSTERESIS = 1.25
"""A newcomer takes an old slot only where its value is this many times larger."""


@dataclass(slots=True)
class _Slot:
    since: float
    seen: float
    value: float


class Slots:
    """Slots by model. Admission is in the order given (the reference's); once full, a newcomer may take the slot of the smallest value of its kind.

    Seconds are of any monotonic clock.
    """

    def __init__(self) -> None:
        """All are free."""
        self._held: dict[str, dict[Series, _Slot]] = {}

    def admit(self, model: str, wanted: Mapping[Series, float], *, limit: int, now: float) -> dict[Series, float]:
        """Those of *wanted* that are exported: at most *limit* over all models."""
        held = self._held.setdefault(model, {})
        self._refresh(held, wanted, now)
        free = limit - sum(len(slots) for slots in self._held.values())
        for series, value in wanted.items():
            if series in held:
                continue
            if free <= 0 and not self._displace(held, series, value, now):
                continue
            free -= 1 if free > 0 else 0
            held[series] = _Slot(now, now, value)
        for series in list(held)[len(held) + min(free, 0) :]:
            del held[series]
        return {series: value for series, value in wanted.items() if series in held}

    def forget(self) -> None:
        """Drops every slot."""
        self._held.clear()

    @staticmethod
    def _refresh(held: dict[Series, _Slot], wanted: Mapping[Series, float], now: float) -> None:
        """Notes today's values; frees slots whose series has been away for long."""
        for series, slot in list(held.items()):
            if series in wanted:
                slot.seen, slot.value = now, wanted[series]
            elif now - slot.seen >= KEPT_SECONDS:
                del held[series]

    @staticmethod
    def _displace(held: dict[Series, _Slot], series: Series, value: float, now: float) -> bool:
        """Whether an old slot of the same kind, with a clearly smaller value, made room."""
        old = [each for each, slot in held.items() if now - slot.since >= KEPT_SECONDS and _kind(each) == _kind(series)]
        smallest = min(old, key=lambda each: held[each].value, default=None)
        if smallest is None or value <= held[smallest].value * HYSTERESIS:
            return False
        del held[smallest]
        return True


def _kind(series: Series) -> tuple[str, str]:
    """What values may be compared with: the family, and the statistic or measure."""
    family, labels = series
    named = dict(zip(family.labels, labels, strict=True))
    return family.name, named.get("statistic") or named.get("measure") or ""
