"""What every notifier keeps. Those that use no network stand in LOCAL."""

import logging
import socket
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.servers.web import Web
from watchtower.notifiers import Notifier, NotifierSession
from watchtower.nouns.alert import AlertId
from watchtower.nouns.errors import DeliveryError
from watchtower.nouns.incident import Incident, Moment
from watchtower.nouns.retraining import Retraining

SECRET = "s3cret-that-must-not-show"  # noqa: S105  of these tests only
AT = datetime(2026, 11, 20, 10, 5, tzinfo=UTC)
INCIDENT = Incident("i1", "fraud", AT, alerts=(AlertId("Drift", "fraud", "", ""),), timeline=(Moment(AT, "alert", "Drift[] fires"),))
ASKED = Retraining("i1", "fraud", AT, "2", ("Drift[] fires",))
Tell = Callable[[NotifierSession], object]
LOCAL = frozenset({"log"})


def slack(url: str) -> Notifier:
    return Notifier.member("slack").model_validate({"channel": "#x", "token": SECRET, "base_url": f"{url}/api/", "time_limit": "1s"})


def webhook(url: str) -> Notifier:
    fields = {"url": f"{url}/{SECRET}?token={SECRET}", "headers": {"Authorization": SECRET}, "secret": SECRET, "time_limit": "500ms"}
    return Notifier.member("webhook").model_validate(fields)


MAKERS: dict[str, Callable[[str], Notifier]] = {"slack": slack, "webhook": webhook}


@pytest.fixture(params=sorted(MAKERS))
def make(request: pytest.FixtureRequest) -> Callable[[str], Notifier]:
    return MAKERS[request.param]


@pytest.fixture(params=["tells", "retrains"])
def tell(request: pytest.FixtureRequest) -> Tell:
    """Either thing that a notifier is asked to do."""
    if request.param == "tells":
        return lambda session: session.deliver(INCIDENT, 0, None)
    return lambda session: session.retrain(ASKED)


def refusal(notifier: Notifier, tell: Tell) -> DeliveryError:
    """The error of one delivery that is not taken."""
    with pytest.raises(DeliveryError) as refused:
        tell(notifier.open())
    return refused.value


def test_every_notifier_stands_in_this_suite() -> None:
    assert set(Notifier.kinds()) == set(MAKERS) | LOCAL


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_pass_is_to_be_retried(make: Callable[[str], Notifier], tell: Tell, status: int) -> None:
    with Web((status, {"Retry-After": "9"})) as web:
        error = refusal(make(web.url), tell)
        assert (error.retryable, error.after) == (True, 9.0)
        assert len(web.calls) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413])
def test_every_other_refusal_is_not(make: Callable[[str], Notifier], tell: Tell, status: int) -> None:
    with Web((status, {})) as web:
        assert not refusal(make(web.url), tell).retryable


def test_a_far_end_that_never_answers_is_given_up_and_to_be_retried(make: Callable[[str], Notifier], tell: Tell) -> None:
    with Web(mute=True) as web:
        assert refusal(make(web.url), tell).retryable


def test_nobody_there_is_to_be_retried(make: Callable[[str], Notifier], tell: Tell) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert refusal(make(f"http://127.0.0.1:{port}"), tell).retryable


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
def test_secrets_show_in_no_repr_error_or_log(
    make: Callable[[str], Notifier], tell: Tell, status: int, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with Web((status, {}), echo=True) as web:
        notifier = make(web.url)
        session = notifier.open()
        shown = [repr(notifier), str(notifier), notifier.model_dump_json(), repr(session), repr(vars(session))]
        try:
            tell(session)
        except DeliveryError as error:
            shown += [str(error), repr(error), repr(error.__cause__)]
    assert SECRET not in "".join(shown) + caplog.text + "".join(capfd.readouterr())
