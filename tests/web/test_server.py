"""The server answers on loopback, and nowhere else without tokens."""

import json
import socket
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Semaphore
from time import monotonic

import pytest

from tests.web.far_end import Empty
from watchtower.nouns.errors import ConfigError
from watchtower.web.app import create_app
from watchtower.web.server import Server


def test_port_0_takes_a_free_one_and_stop_ends_it() -> None:
    server = Server(create_app(Empty()), "127.0.0.1:0")
    address = server.start()
    with urllib.request.urlopen(f"{address}/api/v1/status", timeout=5) as answer:
        assert json.load(answer)["models"] == []
    server.stop()
    port = int(address.rpartition(":")[2])
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_ipv6_loopback_is_loopback() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 on this machine")
    server = Server(create_app(Empty()), "[::1]:0")
    address = server.start()
    assert urllib.request.urlopen(f"{address}/healthz", timeout=5).status == 200
    server.stop()


@pytest.mark.parametrize("listen", ["0.0.0.0:9464", "192.0.2.1:9464", "[::]:9464", "example.org:9464", ":9464"])
def test_beyond_loopback_without_tokens_is_refused(listen: str) -> None:
    with pytest.raises(ConfigError, match=r"there are no tokens; set server\.tokens_file"):
        Server(create_app(Empty()), listen)
    assert isinstance(Server(create_app(Empty()), listen, has_tokens=True), Server)


@pytest.mark.parametrize("listen", ["9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000"])
def test_an_address_that_is_none_is_refused(listen: str) -> None:
    with pytest.raises(ConfigError, match=r"is no host:port; write 127\.0\.0\.1:9464"):
        Server(create_app(Empty()), listen)


def test_a_taken_port_is_said_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = Server(create_app(Empty()), f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(ConfigError, match=r"cannot listen at .* is another daemon running"):
            server.start()


class Slow(Empty):
    """Its reports take until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go = Semaphore(0), Event()

    def report(self, incident_id: str) -> str | None:
        self.asked.release()
        assert self.go.wait(30)
        return f"report of {incident_id}"


def test_reports_that_hang_hold_up_no_other_answer() -> None:
    view = Slow()
    server = Server(create_app(view), "127.0.0.1:0")
    address = server.start()
    with ThreadPoolExecutor(6) as people:
        reports = [people.submit(urllib.request.urlopen, f"{address}/incidents/i-{i}/report", timeout=30) for i in range(6)]
        assert view.asked.acquire(timeout=10)
        for path in ("readyz", "api/v1/status", "metrics"):
            assert urllib.request.urlopen(f"{address}/{path}", timeout=10).status == 200
        view.go.set()
        assert sorted(each.result().read().decode() for each in reports) == [f"report of i-{i}" for i in range(6)]
    server.stop()


HANGS = """
import sys, time, urllib.request
from threading import Thread
from tests.web.test_server import Slow
from watchtower.web.app import create_app
from watchtower.web.server import Server
view = Slow()
server = Server(create_app(view), "127.0.0.1:0")
address = server.start()
Thread(target=lambda: urllib.request.urlopen(f"{address}/incidents/i-1/report"), daemon=True).start()
view.asked.acquire()
server.stop()
"""


def test_a_report_that_hangs_does_not_hold_up_the_end() -> None:
    began = monotonic()
    subprocess.run([sys.executable, "-c", HANGS], check=False, timeout=60, capture_output=True)
    assert monotonic() - began < 20  # the report itself would take 30 s
