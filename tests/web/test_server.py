"""The server answers on loopback, and nowhere else without tokens."""

import json
import socket
import urllib.request

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
