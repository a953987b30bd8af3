"""Which answers are tried again."""

import pytest

from watchtower.notifiers import _codes as codes


@pytest.mark.parametrize(
    ("status", "retried"),
    [(301, False), (400, False), (401, False), (403, False), (404, False), (408, True), (410, False), (429, True), (500, True), (503, True), (599, True)],
)
def test_the_table(status: int, retried: bool) -> None:  # noqa: FBT001
    assert codes.is_retried(status) is retried
    assert codes.refusal("x", status, {}).retryable is retried


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "30"}, 30.0),
        ({"retry-after": "999999"}, 3600.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Fri, 20 Nov 2026 10:01:00 GMT", "date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 60.0),
        ({"retry-after": "Fri, 20 Nov 2026 10:01:00 GMT"}, None),
    ],
)
def test_the_wait_that_is_asked_for(headers: dict[str, str], seconds: float | None) -> None:
    assert codes.wait_asked(headers) == seconds
