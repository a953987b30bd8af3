"""Outcomes of several conditions about the same subject."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from watchtower.conditions import Condition
from watchtower.conditions._reading import Reading
from watchtower.nouns.alert import Finding, Outcome


@dataclass(frozen=True, slots=True)
class Joined:
    """What each condition says of one (version, segment, subject); None where it says nothing of it."""

    version: str
    segment: str
    subject: str
    said: tuple[Outcome | None, ...]

    def first(self, finding: Finding) -> Outcome | None:
        """The first one that says so, as one about this subject, with the measures of all that do."""
        them = [each for each in self.said if each is not None and each.finding is finding]
        measures = tuple(dict.fromkeys(measure for each in them for measure in each.measures))
        return replace(them[0], subject=self.subject, measures=measures) if them else None


def named(condition: Condition, reading: Reading) -> list[Outcome]:
    """What *condition* says; what it found bears the measures that found it."""
    measures = tuple(dict.fromkeys(str(need.measure) for need in condition.needs(reading.over, reading.size)))
    return [replace(each, measures=each.measures or measures) if each.finding is Finding.FOUND else each for each in condition.check(reading)]


def joined(outcomes: Sequence[Sequence[Outcome]]) -> Iterator[Joined]:
    """Joins on (version, segment, subject); an outcome about the empty subject stands for every subject that has none of its own.

    The empty subject itself is told of only where every condition that says something there says something of it.
    """
    by_place: dict[tuple[str, str], list[dict[str, Outcome]]] = {}
    for index, each in enumerate(outcomes):
        for outcome in each:
            tables = by_place.setdefault((outcome.version, outcome.segment), [{} for _ in outcomes])
            tables[index][outcome.subject] = outcome
    for (version, segment), tables in by_place.items():
        subjects = list(dict.fromkeys(subject for table in tables for subject in table if subject))
        if all("" in table for table in tables if table):
            subjects.insert(0, "")
        for subject in subjects:
            yield Joined(version, segment, subject, tuple(table.get(subject, table.get("")) for table in tables))
