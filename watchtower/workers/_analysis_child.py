"""The child's side of slow comparisons: rows as points, and an analysis of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from watchtower.core.domains import subjects_of, tables, vectors
from watchtower.core.naming import analysis_of
from watchtower.nouns.batch import Column, Floats
from watchtower.nouns.binning import PREDICTION, Binning
from watchtower.nouns.score import MeasureName


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """Rows as columns of *count* rows."""

    columns: Mapping[str, Column]
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """What is asked: *measure* of *current* against *reference*, of every subject that it scores; fewer than *min_rows* a side is no score."""

    measure: MeasureName
    binning: Binning
    reference: Side
    current: Side
    min_rows: int
    seed: int


@dataclass(frozen=True, slots=True)
class Compared:
    """One subject's value and p-value, or the reason why there are none; *n* rows of the window."""

    subject: str
    value: float
    p_value: float
    n: int
    reason: str | None


def compare(question: object) -> tuple[Compared, ...]:
    """Answers a :class:`Comparison`; ShadowError where a package is missing."""
    assert isinstance(question, Comparison)
    return tuple(_each(question))


def _each(question: Comparison) -> Iterator[Compared]:
    analysis = analysis_of(question.measure)
    nothing = float("nan")
    for subject in subjects_of(question.binning, on_vectors=analysis.on_vectors):
        points = _points(question, subject)
        n = question.current.count if isinstance(points, str) else len(points[1])
        reason = points if isinstance(points, str) else _few(len(points[0]), n, question.min_rows)
        if isinstance(points, str) or reason is not None:
            yield Compared(subject, nothing, nothing, n, reason)
            continue
        found = analysis.score(*points, question.seed)
        yield Compared(subject, found.value, found.p_value, n, None)


def _points(question: Comparison, subject: str) -> tuple[Floats, Floats] | str:
    reference, current = question.reference, question.current
    if subject == PREDICTION:
        return tables(question.binning, reference.columns, current.columns, (reference.count, current.count))
    return vectors(reference.columns.get(subject), current.columns.get(subject))


def _few(reference: int, current: int, least: int) -> str | None:
    if current < least:
        return f"{current:,} of {least:,} rows"
    return f"{reference:,} of {least:,} rows in the reference" if reference < least else None
