"""What moved, beside an alert that fires: features, a segment, cells, rows beyond the reference."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moved:
    """One feature, by how much it moved.

    Attributes:
        subject: the feature ("" is the prediction).
        value: its Jensen-Shannon distance, in [0, 1], which is comparable between features of any type.
        p_value: of the homogeneity test, uncorrected; None where there is none.
        weight: how much the model leans on it (its importance; 1 where that is not known).
        share: its part of the sum of weight x value over all features, in [0, 1].
    """

    subject: str
    value: float
    p_value: float | None
    weight: float
    share: float


@dataclass(frozen=True, slots=True)
class SegmentMoved:
    """The segment in which a subject moved most; *value* as in :class:`Moved`, over *n* rows."""

    segment: str
    subject: str
    value: float
    n: int


@dataclass(frozen=True, slots=True)
class CellMoved:
    """One cell of a subject, in words (``[12.5, 40)``, ``below 0.1``, ``DE``, ``missing``): its share in the reference and now."""

    subject: str
    cell: str
    before: float
    now: float


@dataclass(frozen=True, slots=True)
class Outside:
    """Rows with any value beyond the reference's range or categories: *count* of *rows*, and the first ids of them."""

    rows: int
    count: int
    ids: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """Of the rows that were looked at."""
        return self.count / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True)
class Attribution:
    """What moved most in the windows that made an alert fire, largest first; *outside* None where the rows were not looked at, and *reason* why."""

    features: tuple[Moved, ...] = ()
    segment: SegmentMoved | None = None
    cells: tuple[CellMoved, ...] = ()
    outside: Outside | None = None
    reason: str = ""
