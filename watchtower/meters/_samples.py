"""Numbers with labels, from Prometheus' text or from its answers, and what becomes of counters between two readings."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from watchtower.nouns.errors import Unavailable
from watchtower.nouns.readings import MeterReading

FIRST = "first reading of a counter"
_WORDS = 200


@dataclass(frozen=True, slots=True)
class Sample:
    """One series' value now."""

    metric: str
    labels: Mapping[str, str]
    value: float


class Of(Enum):
    """What a raw number is."""

    GAUGE = "the number itself"
    RATE = "a counter: its growth a second"
    GROWTH = "a counter: its growth since the last reading"
    CODE = "the code of the last error: 1 where it has changed to another one, else 0"


@dataclass(frozen=True, slots=True)
class Raw:
    """A number on its way to a reading; *key* tells counters of one subject apart, whose growths are added up."""

    measure: str
    subject: str
    value: float | str
    of: Of = Of.GAUGE
    key: str = ""


@dataclass(slots=True)
class Growth:
    """Remembers counters from one reading to the next; those that were not there the last time are forgotten."""

    _before: dict[tuple[str, str, str], float] = field(default_factory=dict)
    _at: datetime | None = None

    def readings(self, raws: Iterable[Raw], now: datetime) -> list[MeterReading]:
        """What *raws* say at *now*; several counters of one (measure, subject) are one reading."""
        here: dict[tuple[str, str, str], float] = {}
        found: list[MeterReading] = []
        grown: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        for raw in raws:
            if raw.of is Of.GAUGE or isinstance(raw.value, str):
                found.append(MeterReading(raw.measure, raw.subject, raw.value))
                continue
            key = (raw.measure, raw.subject, raw.key)
            here[key] = raw.value
            grown[key[:2]] += self._growth(key, raw.of, raw.value, now)
        found += [MeterReading(*name, sum(parts) if parts else FIRST) for name, parts in grown.items()]
        self._before, self._at = here, now
        return found

    def _growth(self, key: tuple[str, str, str], of: Of, value: float, now: datetime) -> Iterator[float]:
        before = self._before.get(key)
        if before is None or self._at is None or now <= self._at:
            return
        if of is Of.CODE:
            yield float(value not in {0, before})
            return
        grown = value - before if value >= before else value  # a counter that fell began anew at 0
        yield grown / (now - self._at).total_seconds() if of is Of.RATE else grown


def parsed(body: bytes, wanted: Sequence[str], where: str) -> list[Sample]:
    """The samples of the *wanted* metrics in Prometheus' text; Unavailable where it is no such text. Other lines are not looked at."""
    starts = tuple(wanted)
    try:
        lines = "\n".join(line for line in body.decode("utf-8").split("\n") if line.startswith(starts))
        families = list(text_string_to_metric_families(lines + "\n"))
    except (UnicodeDecodeError, ValueError) as wrong:
        msg = f"the answer of {where} is not Prometheus' text: {str(wrong)[:_WORDS]}"
        raise Unavailable(msg) from None
    names = frozenset(wanted)
    return [Sample(each.name, each.labels, float(each.value)) for family in families for each in family.samples if each.name in names]


class _Element(msgspec.Struct):
    metric: dict[str, str]
    value: tuple[float, str]


class _Found(msgspec.Struct):
    resultType: str  # noqa: N815  Prometheus' own name
    result: msgspec.Raw


class _Answer(msgspec.Struct):
    status: str
    data: _Found | None = None
    error: str = ""


_ANSWER = msgspec.json.Decoder(_Answer)
_VECTOR = msgspec.json.Decoder(list[_Element])
_SCALAR = msgspec.json.Decoder(tuple[float, str])


def answered(body: bytes) -> list[Sample] | str:
    """The samples of an instant query's answer (values may be NaN or infinite), or why there are none."""
    try:
        answer = _ANSWER.decode(body)
        if answer.data is None or answer.status != "success":
            return f"Prometheus refused the query: {answer.error[:_WORDS]}"
        match answer.data.resultType:
            case "vector":
                return [Sample(each.metric.get("__name__", ""), each.metric, float(each.value[1])) for each in _VECTOR.decode(answer.data.result)]
            case "scalar":
                return [Sample("", {}, float(_SCALAR.decode(answer.data.result)[1]))]
            case other:
                return f"the query gives a {other}: ask for an instant vector"
    except (msgspec.DecodeError, ValueError):
        return "the answer is not that of a Prometheus server"
