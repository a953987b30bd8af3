"""Endpoints and servers that speak Prometheus."""

from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest
from prometheus_client import CollectorRegistry, Gauge, start_http_server
from pydantic import ValidationError

from tests.meters.exports import dcgm, triton
from tests.servers.exporter import DRIP, MUTE, Exporter
from tests.servers.prometheus import prometheus
from watchtower.meters import MeterSession
from watchtower.meters._presets import NO_SLICES, is_blank
from watchtower.meters.prometheus import LARGEST, Prometheus
from watchtower.nouns.errors import Unavailable

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
MIB = 1024.0**2
FIRST = "first reading of a counter"
Told = dict[str, float | str]


def told(session: MeterSession, seconds: float = 0) -> Told:
    return {f"{each.measure}[{each.subject}]": each.value for each in session.read(TEN + timedelta(seconds=seconds))}


def meter(**fields: object) -> MeterSession:
    return Prometheus.model_validate(fields).open()


def test_dcgm_is_read_in_our_units_slices_by_their_profiling_field_and_sentinels_not_at_all() -> None:
    with Exporter({"/metrics": dcgm()}) as exporter:
        assert told(meter(url=exporter.url, preset="dcgm")) == {
            "gpu.utilization[0]": 0.87,
            "gpu.utilization[1:mig-3]": 0.75,
            "gpu.utilization[1:mig-5]": NO_SLICES,
            "gpu.memory_used[0]": 3072 * MIB,
            "gpu.memory_used[1:mig-3]": 1024 * MIB,
            "gpu.memory_used[1:mig-5]": 512 * MIB,
            "gpu.memory_share[0]": 0.2,
            "gpu.power[0]": 30.099,
            "gpu.power[1]": 120.5,
            "gpu.temperature[0]": 54.0,
            "gpu.xid_errors[0]": FIRST,
            "gpu.ecc_errors[0]": FIRST,
            "gpu.throttled_share[0]": 0.0,
        }


@pytest.mark.parametrize("sentinel", [0x7FFFFFF0, 0x7FFFFFF3, 0x7FFFFFFFFFFFFFF0, 0x7FFFFFFFFFFFFFF3, 2.0**47, 2.0**47 + 3])
def test_every_sentinel_of_dcgm_is_blank(sentinel: float) -> None:
    assert is_blank(float(sentinel))


@pytest.mark.parametrize("number", [0.0, 1.0, 143_771.0, 700.0, 2.0**31 - 17])
def test_numbers_are_not(number: float) -> None:
    assert not is_blank(number)


def test_errors_of_dcgm_are_counted_from_one_reading_to_the_next() -> None:
    with Exporter({"/metrics": dcgm(xid=31, ecc=4)}) as exporter:
        session, counts = meter(url=exporter.url, preset="dcgm"), []
        for n, (xid, ecc) in enumerate([(31, 4), (31, 4), (79, 9), (0, 1)]):
            exporter.texts["/metrics"] = dcgm(xid=xid, ecc=ecc)
            found = told(session, 10 * n)
            counts.append((found["gpu.xid_errors[0]"], found["gpu.ecc_errors[0]"]))
    assert counts == [(FIRST, FIRST), (0.0, 0.0), (1.0, 5.0), (0.0, 1.0)], "an old code is no news; a counter that fell began anew"


def test_triton_tells_its_gpus_and_its_models_rates() -> None:
    with Exporter({"/metrics": triton()}) as exporter:
        session = meter(url=exporter.url, preset="triton")
        first = told(session)
        exporter.texts["/metrics"] = triton(requests=350, busy_us=12_000_000)
        found = told(session, 10)
    assert first["resource.inference_requests[resnet50/1]"] == FIRST
    assert found == {
        "gpu.utilization[GPU-aaa]": 0.91,
        "gpu.memory_used[GPU-aaa]": 34359738368.0,
        "gpu.memory_share[GPU-aaa]": 0.8,
        "gpu.power[GPU-aaa]": 55.137,
        "resource.inference_requests[resnet50/1]": 50.0,
        "resource.inference_requests[resnet50/2]": 0.0,
        "resource.inferences[resnet50/1]": 200.0,
        "resource.inference_busy[resnet50/1]": pytest.approx(0.7),
    }


SERVICE = """\
# TYPE queue_depth gauge
queue_depth{queue="main",shard="a"} 3
queue_depth{queue="main",shard="b"} 5
queue_depth{queue="dead",shard="a"} 100
# TYPE requests_total counter
requests_total{path="/"} 20
requests_total{path="/x"} 10
heap_megabytes 5
broken_ratio NaN
"""


def test_any_metric_becomes_a_measure() -> None:
    wanted = {
        "main_queue": {"metric": "queue_depth", "labels": {"queue": "main"}},
        "longest": {"metric": "queue_depth", "combine": "max", "subject": "queue"},
        "mean": {"metric": "queue_depth", "combine": "mean", "labels": {"queue": "main"}},
        "by_shard": {"metric": "queue_depth", "subject": ["queue", "shard"]},
        "requests": {"metric": "requests_total", "rate": True},
        "memory_used": {"metric": "heap_megabytes", "scale": 1e6},
        "broken": "broken_ratio",
        "missing": "no_such_metric",
    }
    with Exporter({"/metrics": SERVICE}) as exporter:
        session = meter(url=exporter.url, metrics=wanted)
        told(session)
        exporter.texts["/metrics"] = SERVICE.replace('{path="/"} 20', '{path="/"} 50').replace('{path="/x"} 10', '{path="/x"} 4')
        assert told(session, 2) == {
            "resource.main_queue[]": 8.0,
            "resource.longest[main]": 5.0,
            "resource.longest[dead]": 100.0,
            "resource.mean[]": 4.0,
            "resource.by_shard[main/a]": 3.0,
            "resource.by_shard[main/b]": 5.0,
            "resource.by_shard[dead/a]": 100.0,
            "resource.requests[]": 17.0,
            "resource.memory_used[]": 5e6,
            "resource.broken[]": "the value is nan",
            "resource.missing[]": "the endpoint shows no no_such_metric",
        }


def test_an_endpoint_that_refuses_is_away_and_a_token_is_sent() -> None:
    with Exporter({"/metrics": dcgm()}, status=503) as exporter, pytest.raises(Unavailable, match=r"answered 503"):
        meter(url=exporter.url, preset="dcgm", headers={"X-Scope": "ops"}).read(TEN)
    assert exporter.asked[0][1]["x-scope"] == "ops"


@pytest.mark.parametrize("how", [MUTE, DRIP])
def test_an_endpoint_that_never_gets_done_is_given_up_in_time(how: str) -> None:
    with Exporter({"/metrics": dcgm()}, how=how) as exporter:
        session, began = meter(url=exporter.url, preset="dcgm", time_limit="300ms"), monotonic()
        with pytest.raises(Unavailable, match="did not answer: timed out"):
            session.read(TEN)
        assert monotonic() - began < 3


@pytest.mark.parametrize(
    ("text", "words"), [("DCGM_FI_DEV_GPU_UTIL{gpu= 12\n", "is not Prometheus' text"), ("x" * (LARGEST + 1), "answered more than 16,000,000 bytes")]
)
def test_what_is_no_exposition_is_refused_whole(text: str, words: str) -> None:
    with Exporter({"/metrics": text}) as exporter, pytest.raises(Unavailable, match=words):
        meter(url=exporter.url, preset="dcgm").read(TEN)


@pytest.mark.parametrize("body", ["", "<html>", "[]", '{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[0]}]}}'])
def test_a_server_that_is_no_prometheus_gives_a_reason(body: str) -> None:
    with Exporter({"/api/v1/query?query=up": body}) as server:
        session = meter(server=f"http://{server.address}", queries={"up": "up"})
        assert told(session) == {"resource.up[]": "the answer is not that of a Prometheus server"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "give url"),
        ({"url": "http://x", "server": "http://y", "preset": "dcgm"}, "one of them"),
        ({"url": "ftp://x", "preset": "dcgm"}, "begins with http"),
        ({"url": "http://x"}, "say what to read"),
        ({"url": "http://x", "queries": {"a": "up"}}, "they need server"),
        ({"server": "http://x", "metrics": {"a": "up"}}, "they need url"),
        ({"server": "http://x", "queries": {"drift.psi": "up"}}, "write a name such as queue_depth"),
        ({"server": "http://x", "queries": {"a b": "up"}}, "write a name such as queue_depth"),
        ({"server": "http://x", "preset": "dgcm"}, "dcgm"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Prometheus.model_validate(fields)


def test_a_real_prometheus_is_asked_by_promql_and_by_preset() -> None:
    registry = CollectorRegistry()
    used = Gauge("cpu_used_cores", "Used.", ("pod",), registry=registry)
    requested = Gauge("cpu_requested_cores", "Requested.", ("pod",), registry=registry)
    used.labels("scorer-1").set(0.1)
    requested.labels("scorer-1").set(0.2)
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    targets = {"service": f"127.0.0.1:{server.server_address[1]}"}
    try:
        with Exporter({"/metrics": dcgm()}) as gpus, prometheus(targets | {"dcgm": gpus.address}) as running:
            running.wait_for('up{job=~"service|dcgm"} == 1', lambda found: len(found) == 2)
            queries = {
                "cpu_utilization": "sum by (pod) (cpu_used_cores) / sum by (pod) (cpu_requested_cores)",
                "pods": {"query": "count(cpu_used_cores)", "subject": []},
                "by_job": {"query": 'up{job=~"service|dcgm"}', "subject": "job"},
                "ambiguous": {"query": 'up{job=~"service|dcgm"}', "subject": []},
                "one": "scalar(vector(1))",
                "zero_by_zero": "vector(0) / 0",
                "nothing": "no_such_metric",
                "wrong": "sum by (",
                "matrix": "cpu_used_cores[1m]",
            }
            found = told(meter(server=running.address, queries=queries))
            preset = told(meter(server=running.address, preset="dcgm"))
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
    wrong = found.pop("resource.wrong[]")
    assert isinstance(wrong, str)
    assert wrong.startswith("Prometheus refused the query: ")
    assert found == {
        "resource.cpu_utilization[scorer-1]": 0.5,
        "resource.pods[]": 1.0,
        "resource.by_job[service]": 1.0,
        "resource.by_job[dcgm]": 1.0,
        "resource.ambiguous[]": "2 series for one subject: say subject: or aggregate",
        "resource.one[]": 1.0,
        "resource.zero_by_zero[]": "the value is nan",
        "resource.nothing[]": "the query found nothing",
        "resource.matrix[]": "the query gives a matrix: ask for an instant vector",
    }
    assert (preset["gpu.utilization[node-a/0]"], preset["gpu.utilization[node-a/1:mig-3]"], "gpu.utilization[node-a/2]" in preset) == (0.87, 0.75, False)
