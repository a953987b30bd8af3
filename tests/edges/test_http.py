"""One HTTP call: what far ends that drip, end early or are misspelt leave behind."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO

import pytest

from watchtower.edges import http
from watchtower.nouns.errors import Unavailable

FINE = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def raw(answer: bytes, *, pause: float = 0.0) -> Iterator[str]:
    """A server that sends *answer* as it stands to whoever comes, byte by byte with *pause*, and hangs up."""
    listening = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            while True:
                peer, _ = listening.accept()
                with peer, suppress(OSError):
                    peer.recv(65_536)
                    for piece in [answer[at : at + 1] for at in range(len(answer))] if pause else [answer]:
                        peer.sendall(piece)
                        if ended.wait(pause):
                            return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/a?token=hidden"
    finally:
        ended.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)


@pytest.mark.parametrize("answer", [FINE + b"X-Long: " + b"a" * 300, FINE + b"Content-Length: 300\r\n\r\n" + b"a" * 300], ids=["headers", "body"])
@pytest.mark.parametrize("way", ["call", "get", "post", "save"])
def test_a_far_end_that_drips_is_left_within_the_time(answer: bytes, way: str) -> None:
    if way == "post" and answer.endswith(b"a" * 300) and b"X-Long" not in answer:
        answer = answer.replace(b"200 OK", b"500 No")  # a refusal's body is read as well
    with raw(answer, pause=0.05) as url:
        began = time.monotonic()
        with pytest.raises(Unavailable, match=r"^http://127\.0\.0\.1:\d+ did not answer: timed out$"):
            _asked(way, url, 0.5)
        assert time.monotonic() - began < 5


def _asked(way: str, url: str, seconds: float) -> http.Answer:
    if way == "call":
        return http.call("PUT", url, b"x", {}, seconds=seconds)
    if way == "get":
        return http.get(url, {}, seconds=seconds, largest=1_000)
    if way == "post":
        return http.post(url, b"x", {}, seconds=seconds)
    return http.save(url, {}, BytesIO(), seconds=seconds, largest=1_000)


@pytest.mark.parametrize("way", ["call", "get", "save"])
@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_that_ends_early_is_none(way: str, status: int) -> None:
    with (
        raw(f"HTTP/1.1 {status} X\r\nContent-Length: 30\r\n\r\n".encode() + b'{"version": "2"}') as url,
        pytest.raises(Unavailable, match="ended 14 bytes early"),
    ):
        _asked(way, url, 5)


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("http://a..b/", {}),
        ("http://127.0.0.1:99999/s3cret", {}),
        ("http://127.0.0.1/s3cret and more", {}),
        ("http://127.0.0.1/", {"Authorization": "Bearer s3cret\nof two lines"}),
        ("http://127.0.0.1/", {"Authorization": "Bearer s3cret€"}),
    ],
)
def test_what_http_does_not_take_is_told_without_what_it_held(url: str, headers: dict[str, str]) -> None:
    with pytest.raises(Unavailable) as told:
        http.call("GET", url, None, headers, seconds=1)
    assert "s3cret" not in str(told.value)


def test_a_disk_that_is_full_is_not_the_far_ends_fault() -> None:
    class Full(BytesIO):
        def write(self, _: object, /) -> int:
            raise OSError(28, "No space left on device")

    with raw(FINE + b"Content-Length: 3\r\n\r\nabc") as url, pytest.raises(Unavailable, match="sent cannot be written: No space left on device"):
        http.save(url, {}, Full(), seconds=5, largest=1_000)
