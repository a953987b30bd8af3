"""Numbers that somebody already exports: an endpoint's text, or PromQL asked of a Prometheus server."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from math import isfinite
from pathlib import Path
from time import monotonic
from typing import Annotated, Literal, Self
from urllib.parse import urlencode

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator, model_validator

from watchtower.edges import http
from watchtower.edges.secrets import Secret
from watchtower.meters import Meter, MeterSession
from watchtower.meters._presets import PRESETS
from watchtower.meters._samples import Growth, Of, Raw, Sample, answered, parsed
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.readings import MeterReading
from watchtower.nouns.written import Duration, Frozen, PathText

LARGEST = 16_000_000
"""Bytes of an endpoint's text; an exporter with more is asked through a Prometheus server."""
_TEXT = "text/plain;version=0.0.4"
_USUAL = ("pod", "instance", "node", "device")
_FINE = 200
_REFUSED = frozenset({400, 422})
_NAME = re.compile(r"(?:resource|gpu)\.[a-z][a-z0-9_]*")


def _measure(name: str) -> str:
    """``queue_depth`` is short for ``resource.queue_depth``."""
    full = name if "." in name else f"resource.{name}"
    if not _NAME.fullmatch(full):
        msg = f"{name!r}: write a name such as queue_depth (which is resource.queue_depth), resource.cpu_utilization or gpu.power"
        raise ValueError(msg)
    return full


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Measured = Annotated[str, AfterValidator(_measure)]
Labels = Annotated[tuple[str, ...], BeforeValidator(_listed, json_schema_input_type=str | tuple[str, ...])]


class Query(Frozen):
    """One PromQL query that becomes a measure: the query alone, or with what names its subjects."""

    query: str = Field(min_length=1)
    """An instant query: each series of its answer is one subject."""
    subject: Labels | None = None
    """The labels, joined with `/`, that name a subject; left out: the first that is there of pod, instance, node, device."""


class Metric(Frozen):
    """One metric of an endpoint that becomes a measure: its name alone, or more."""

    metric: str = Field(min_length=1)
    """As the endpoint writes it, such as `http_requests_total`."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Only series with these labels."""
    subject: Labels = ()
    """The labels, joined with `/`, that name a subject; left out: all series are one number."""
    combine: Literal["sum", "mean", "max"] = "sum"
    """What becomes of several series of one subject."""
    rate: bool = False
    """A counter: its growth a second."""
    scale: float = 1.0
    """What each value is multiplied with, to come into the measure's unit."""


def _as_query(value: object) -> object:
    return {"query": value} if isinstance(value, str) else value


def _as_metric(value: object) -> object:
    return {"metric": value} if isinstance(value, str) else value


class Prometheus(Meter):
    """Scrapes `url` (with a preset, or `metrics`), or asks `server` (with a preset, or `queries`).

    A name without a family is in `resource`: `queue_depth` is the measure `resource.queue_depth`. What comes back is bounded: 16 MB, and all that
    one reading asks must be answered within `time_limit`.
    """

    url: SecretStr | None = None
    """An endpoint that serves Prometheus' text, such as http://localhost:9400/metrics."""
    server: SecretStr | None = None
    """A Prometheus server, such as http://prometheus:9090."""
    preset: Literal["dcgm", "triton"] | None = None
    """What is read, by the exporter's kind."""
    queries: dict[Measured, Annotated[Query, BeforeValidator(_as_query, json_schema_input_type=str | Query)]] = Field(default_factory=dict)
    """Measure -> PromQL (needs `server`)."""
    metrics: dict[Measured, Annotated[Metric, BeforeValidator(_as_metric, json_schema_input_type=str | Metric)]] = Field(default_factory=dict)
    """Measure -> metric (needs `url`)."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Further headers."""
    token_file: PathText | None = None
    """A file with a bearer token; read again when it changes."""
    time_limit: Duration = Field(default=timedelta(seconds=5), gt=timedelta(0), le=timedelta(seconds=8))
    """How long a reading may take, all its queries together."""

    @field_validator("url", "server")
    @classmethod
    def _http(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("http://", "https://")):
            msg = "an address begins with http:// or https://"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.url is None) == (self.server is None):
            msg = "give url (an endpoint to scrape) or server (a Prometheus to ask), one of them"
            raise ValueError(msg)
        if self.queries and self.server is None:
            msg = "queries are PromQL: they need server; what an endpoint shows is picked by metrics"
            raise ValueError(msg)
        if self.metrics and self.url is None:
            msg = "metrics are picked from an endpoint's text: they need url; a server is asked by queries"
            raise ValueError(msg)
        if not (self.preset or self.queries or self.metrics):
            msg = "say what to read: preset, queries or metrics"
            raise ValueError(msg)
        return self

    @property
    def address(self) -> str:
        """Scheme, host and port of what is read."""
        return http.origin((self.url or self.server or SecretStr("")).get_secret_value())

    def title(self) -> str:
        """Its name, or what is read."""
        return self.name or f"prometheus {self.preset or 'metrics'} {self.address}"

    def resources(self) -> frozenset[str]:
        """The measures that it reads, `resource.*` ones."""
        named = {*self.queries, *self.metrics, *(PRESETS[self.preset].resources if self.preset else ())}
        return frozenset(each for each in named if each.startswith("resource."))

    def open(self) -> MeterSession:
        """Prepares to ask; connects at each reading."""
        return PrometheusSession(self)


class PrometheusSession:
    """Asks anew at each reading; remembers counters from one to the next."""

    def __init__(self, settings: Prometheus) -> None:
        self._settings = settings
        self._growth = Growth()
        self._token = Secret(None, Path(settings.token_file)) if settings.token_file else None

    def read(self, now: datetime) -> Sequence[MeterReading]:
        """One scrape, or one query after the other; Unavailable where the far end does not answer or answers something else."""
        until = monotonic() + self._settings.time_limit.total_seconds()
        raws = list(self._scraped(until) if self._settings.url is not None else self._asked(until))
        return self._growth.readings((_finite(raw) for raw in raws), now)

    def close(self) -> None:
        """Holds nothing open."""

    def _scraped(self, until: float) -> Iterator[Raw]:
        its = self._settings
        preset = PRESETS[its.preset] if its.preset else None
        wanted = [*(preset.metrics if preset else ()), *(each.metric for each in its.metrics.values())]
        url = its.url.get_secret_value() if its.url else ""
        samples = parsed(_fine(self._get(url, until), its.address).body, wanted, its.address)
        if preset:
            yield from preset.read([each for each in samples if isfinite(each.value)], False)  # noqa: FBT003  one endpoint, one host
        for measure, metric in its.metrics.items():
            yield from _picked(measure, metric, samples)

    def _asked(self, until: float) -> Iterator[Raw]:
        its = self._settings
        if its.preset:
            preset = PRESETS[its.preset]
            found = self._query(f'{{__name__=~"{"|".join(preset.metrics)}"}}', until)
            if isinstance(found, str):
                raise Unavailable(found)
            yield from preset.read([each for each in found if isfinite(each.value)], True)  # noqa: FBT003  a server may have many hosts
        for measure, query in its.queries.items():
            yield from _vector(measure, query, self._query(query.query, until))

    def _query(self, expr: str, until: float) -> list[Sample] | str:
        server = self._settings.server.get_secret_value().rstrip("/") if self._settings.server else ""
        answer = self._get(f"{server}/api/v1/query?{urlencode({'query': expr})}", until)
        return answered(answer.body if answer.status in _REFUSED else _fine(answer, self._settings.address).body)

    def _get(self, url: str, until: float) -> http.Answer:
        left = until - monotonic()
        if left <= 0:
            msg = f"{self._settings.address} did not answer all queries within {self._settings.time_limit.total_seconds():g} s"
            raise Unavailable(msg)
        headers = {"Accept": _TEXT, "User-Agent": "watchtower"} | {name: value.get_secret_value() for name, value in self._settings.headers.items()}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.get()}"
        return http.get(url, headers, seconds=left, largest=LARGEST)


def _fine(answer: http.Answer, where: str) -> http.Answer:
    if answer.status != _FINE:
        msg = f"{where} answered {answer.status}"
        raise Unavailable(msg)
    return answer


def _finite(raw: Raw) -> Raw:
    if isinstance(raw.value, float) and not isfinite(raw.value):
        return Raw(raw.measure, raw.subject, f"the value is {raw.value}")
    return raw


def _vector(measure: str, query: Query, found: list[Sample] | str) -> Iterator[Raw]:
    """One reading a subject; two series for one are no number: the query must say which."""
    if isinstance(found, str) or not found:
        yield Raw(measure, "", found if isinstance(found, str) else "the query found nothing")
        return
    by_subject: defaultdict[str, list[float]] = defaultdict(list)
    for sample in found:
        by_subject[_subject(sample.labels, query.subject)].append(sample.value)
    for subject, values in by_subject.items():
        yield Raw(measure, subject, values[0] if len(values) == 1 else f"{len(values)} series for one subject: say subject: or aggregate")


def _subject(labels: Mapping[str, str], names: Sequence[str] | None) -> str:
    chosen = names if names is not None else [name for name in _USUAL if name in labels][:1]
    return "/".join(labels[name] for name in chosen if labels.get(name))


def _picked(measure: str, metric: Metric, samples: Sequence[Sample]) -> Iterator[Raw]:
    mine = [each for each in samples if each.metric == metric.metric and all(each.labels.get(name) == value for name, value in metric.labels.items())]
    if not mine:
        yield Raw(measure, "", f"the endpoint shows no {metric.metric}" + (" with these labels" if metric.labels else ""))
    by_subject: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in mine:
        by_subject[_subject(sample.labels, metric.subject)].append(sample)
    for subject, some in by_subject.items():
        if metric.rate:
            yield from (Raw(measure, subject, each.value * metric.scale, Of.RATE, repr(sorted(each.labels.items()))) for each in some)
        else:
            yield Raw(measure, subject, _combined([each.value for each in some], metric.combine) * metric.scale)


def _combined(values: Sequence[float], how: Literal["sum", "mean", "max"]) -> float:
    return max(values) if how == "max" else sum(values) / (len(values) if how == "mean" else 1)
