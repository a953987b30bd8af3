"""What cannot be had is skipped with its reason, or a failure where WATCHTOWER_REQUIRE names it."""

import os
from typing import NoReturn

import pytest


class MissingServerError(RuntimeError):
    """A server that must be there is not."""


def need(name: str, reason: str) -> NoReturn:
    """Ends the test: *name* cannot be had because of *reason*."""
    required = {each.strip() for each in os.environ.get("WATCHTOWER_REQUIRE", "").split(",")}
    message = f"{name} cannot be had here: {reason}"
    if name in required:
        raise MissingServerError(message)
    pytest.skip(message)
