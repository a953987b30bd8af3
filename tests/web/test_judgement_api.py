"""The judgement for delivery controllers: over HTTP, from a real store."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.web.far_end import Empty
from tests.workers._acting import MINUTE, TEN, at
from watchtower.conditions.above import Above
from watchtower.core.delivering import Asked, judged
from watchtower.core.rules import Rule, RuleBook
from watchtower.nouns.alert import Alert, AlertId, AlertState
from watchtower.nouns.evidence import Verdict
from watchtower.nouns.incident import Incident
from watchtower.nouns.memory import Evaluation, Memory, Served
from watchtower.nouns.plan import Plan
from watchtower.nouns.profile import Delta, Totals
from watchtower.nouns.score import Board, MeasureName, Need, Scores, Slot
from watchtower.nouns.step import Step
from watchtower.nouns.window import Window, micros
from watchtower.store import Store
from watchtower.web.app import create_app
from watchtower.web.judgement_api import JudgementDesk, judgement_routes
from watchtower.web.server import Server
from watchtower.web.tokens import Tokens

PSI = Need(MeasureName.parse("drift.psi"))
WHEN = Above(measure="drift.psi", value=0.2)
CANARIES = Rule(name="CanaryDrift", model="fraud", version="*", when=WHEN)
LIVE = Rule(name="FeatureDrift", model="fraud", when=WHEN)
SCORE = Scores(("amount",), np.array([0.02]), np.array([0.5]), np.array([900]), (None,))
NONE = Scores.none(("amount",), "112 of 200 rows")
SERVED = Served(live="7", first_served={"7": at(-60), "8": at(-10)})
PLAN = Plan("p1", "fraud", "i1", Step.HELD, "8", ("7",), at(0), revision=1, candidate="7", reason="0.031 < 0.094", canary=True)
OPEN = Incident("i1", "fraud", at(0))


def alert(state: AlertState, severity: str = "warn", version: str = "8") -> Alert:
    return Alert(AlertId("CanaryDrift", "fraud", "", "amount"), version, state, at(0), value=0.31, severity=severity)


@contextmanager
def asked(
    memory: Memory | None = None,
    *,
    scores: Mapping[str, Scores] | None = None,
    shares: Mapping[str, float] | None = None,
    rows: int = 5000,
    rules: tuple[Rule, ...] = (CANARIES,),
    now: datetime = TEN,
    tokens: Tokens | None = None,
) -> Iterator[httpx.Client]:
    """A browser in front of a daemon whose last window is the one to ten o'clock, in which version 8 is a canary of 7."""
    store = Store.open("sqlite://", now=lambda: at(0))
    if memory is not None:
        totals = {("fraud", "7"): Totals(90_000), ("fraud", "8"): Totals(rows)}
        store.intake.checkpoint(Delta({}, {}, totals, (), {}, micros(at(0)), 1), keep_original=False)
        window = Window(at(0) - MINUTE, at(0))
        board = Board(
            "fraud", window, "7", {Slot(version, "", PSI): each for version, each in (scores or {"8": SCORE}).items()}, shares or {"7": 0.9, "8": 0.1}
        )
        store.evaluations.commit("fraud", window, {}, Evaluation(board, (), replace(memory, evaluated_through=at(0)), ()), now=at(0))
    desk = JudgementDesk(store, lambda: RuleBook(rules, MINUTE), lambda: now, lambda _: timedelta(minutes=15))
    server = Server(create_app(Empty(), tokens=tokens, further=[lambda doors: judgement_routes(desk, doors)]), "127.0.0.1:0")
    with httpx.Client(base_url=server.start(), trust_env=False) as client:
        yield client
    server.stop()
    store.close()


QUIET = Memory("fraud", served=SERVED)


def judgement(client: httpx.Client, query: str = "") -> tuple[str, int, str]:
    answer = client.get(f"/api/v1/judgements/fraud{query}")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return found["judgement"], found["value"], found["reason"]


def test_a_canary_that_rules_looked_at_and_found_nothing_advances() -> None:
    with asked(QUIET) as client:
        assert judgement(client, "?version=8") == ("advance", 1, "5,000 predictions >= 1,000, and nothing was found by CanaryDrift")
        found = client.get("/api/v1/judgements/fraud").json()
    assert (found["version"], found["live"], found["evidence"]["share"], found["evidence"]["rules"]) == ("8", "7", 0.1, ["CanaryDrift"])


@pytest.mark.parametrize(
    ("memory", "changes", "query", "said"),
    [
        (None, {}, "", "nothing was read of fraud yet"),
        (None, {}, "?version=8", "no window of fraud was evaluated yet"),
        (QUIET, {"rows": 999}, "", "999 of 1,000 predictions"),
        (QUIET, {}, "?rows=10000", "5,000 of 10,000 predictions"),
        (QUIET, {"rules": (LIVE,)}, "", "no rule has a score of version 8"),
        (QUIET, {"scores": {"8": NONE}}, "", "no rule has a score of version 8"),
        (QUIET, {"now": at(16)}, "", "the last window is 16m old > 15m: monitoring may be out"),
        (QUIET, {"shares": {"7": 1.0}}, "?version=8", "version 8 served nothing in the last window"),
        (QUIET, {}, "?version=9", "version 9 has served nothing yet"),
        (replace(QUIET, alerts=(alert(AlertState.FIRING),)), {}, "", "is firing on version 8: 0.31"),
        (replace(QUIET, alerts=(alert(AlertState.PENDING, "page"),)), {}, "", "is pending on version 8"),
    ],
)
def test_what_is_not_known_holds_and_says_why(memory: Memory | None, changes: dict[str, object], query: str, said: str) -> None:
    with asked(memory, **changes) as client:  # type: ignore[arg-type]
        course, value, reason = judgement(client, query)
    assert (course, value) == ("hold", 0)
    assert said in reason


def test_a_page_that_fires_on_it_aborts() -> None:
    with asked(replace(QUIET, alerts=(alert(AlertState.FIRING, "page"),))) as client:
        course, value, reason = judgement(client)
    assert (course, value) == ("abort", -1)
    assert "fires on version 8: 0.31" in reason


def test_a_version_that_was_gone_back_from_is_not_gone_on_with_again() -> None:
    memory = replace(QUIET, served=replace(SERVED, rolled_back_from=("8",)), evaluated_through=at(0))
    board = Board("fraud", Window(at(-1), at(0)), "7", {Slot("8", "", PSI): SCORE}, {"7": 0.9, "8": 0.1})
    found = judged(Asked(memory, board, RuleBook((CANARIES,), MINUTE), "8", 5000, at(0)))
    assert (found.course, found.reason.split(";")[0]) == ("abort", "version 8 was gone back from")


@pytest.mark.parametrize(
    ("verdict", "step", "course"),
    [
        (Verdict.ACCEPT, Step.HELD, "abort"),
        (Verdict.REJECT, Step.HELD, "advance"),
        (Verdict.INCONCLUSIVE, Step.HELD, "hold"),
        (Verdict.BROKEN, Step.HELD, "hold"),
        (None, Step.ON_TRIAL, "hold"),
    ],
)
def test_a_trial_of_the_canary_is_what_decides(verdict: Verdict | None, step: Step, course: str) -> None:
    memory = replace(QUIET, incident=OPEN, plan=replace(PLAN, verdict=verdict, step=step), evaluated_through=at(0))
    board = Board("fraud", Window(at(-1), at(0)), "7", {Slot("8", "", PSI): SCORE}, {"7": 0.9, "8": 0.1})
    assert judged(Asked(memory, board, RuleBook((CANARIES,), MINUTE), "8", 5000, at(0))).course == course


def test_a_page_on_the_live_version_says_nothing_of_the_canary() -> None:
    with asked(replace(QUIET, alerts=(alert(AlertState.FIRING, "page", "7"),))) as client:
        assert judgement(client)[0] == "advance"
        assert judgement(client, "?version=7")[0] == "abort"


def test_after_promotion_the_live_version_is_asked_about() -> None:
    with asked(replace(QUIET, served=replace(SERVED, live="8")), shares={"8": 1.0}, rules=(LIVE,)) as client:
        assert judgement(client)[0] == "advance"


@pytest.mark.parametrize(
    ("memory", "gate", "status"),
    [
        (QUIET, None, 200),
        (QUIET, "rollback", 409),
        (replace(QUIET, alerts=(alert(AlertState.FIRING, "page"),)), None, 409),
        (replace(QUIET, alerts=(alert(AlertState.FIRING, "page"),)), "rollback", 200),
        (replace(QUIET, alerts=(alert(AlertState.PENDING),)), None, 409),
        (replace(QUIET, alerts=(alert(AlertState.PENDING),)), "rollback", 409),
        (None, None, 409),
        (None, "rollback", 409),
    ],
)
def test_flaggers_gates_go_on_only_on_advance_and_back_only_on_abort(memory: Memory | None, gate: str | None, status: int) -> None:
    metadata = {} if gate is None else {"gate": gate}
    payload = {"name": "fraud", "namespace": "ml", "phase": "Progressing", "checksum": "85d557f47b", "metadata": metadata}
    with asked(memory) as client:
        answer = client.post("/api/v1/judgements/fraud", json=payload)
    assert answer.status_code == status
    assert answer.text.split(":")[0] in {"advance", "hold", "abort"}


def test_before_the_canary_has_traffic_the_live_version_opens_the_gate_and_its_own_trouble_takes_no_canary_back() -> None:
    path, alone = "/api/v1/judgements/fraud", {"7": 1.0}
    with asked(QUIET, shares=alone, rules=(LIVE,), scores={"7": SCORE}) as client:
        assert client.post(path, json={"metadata": {"gate": "advance"}}).status_code == 200
    with asked(replace(QUIET, alerts=(alert(AlertState.FIRING, "page", "7"),)), shares=alone) as client:
        assert client.post(path, json={"metadata": {"gate": "advance"}}).status_code == 409
        assert client.post(path, json={"metadata": {"gate": "rollback"}}).status_code == 409
        assert client.post(path, json={"metadata": {"gate": "rollback", "version": "7"}}).status_code == 200


def test_a_gate_that_does_not_exist_and_a_body_that_is_none_are_refused() -> None:
    with asked(QUIET) as client:
        assert client.post("/api/v1/judgements/fraud", json={"metadata": {"gate": "back"}}).status_code == 400
        assert client.post("/api/v1/judgements/fraud", content=b"[1]").status_code == 400
        assert client.get("/api/v1/judgements/fraud?rows=none").status_code == 400
        assert client.post("/api/v1/judgements/fraud", json={"metadata": {"rows": "9" * 5_000}}).status_code == 400


def test_a_token_is_needed_and_flagger_may_carry_it_in_its_metadata_or_address(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("secret-1\n")
    with asked(QUIET, tokens=Tokens(tmp_path / "tokens")) as client:
        path = "/api/v1/judgements/fraud"
        assert client.get(path).status_code == 401
        assert client.get(path, headers={"Authorization": "Bearer secret-1"}).status_code == 200
        assert client.post(path, json={"name": "fraud"}).status_code == 401
        assert client.post(path, json={"metadata": {"token": "guess"}}).status_code == 401
        assert client.post(path, json={"metadata": {"token": "secret-1"}}).status_code == 200
        assert client.post(path, json={}, auth=("flagger", "secret-1")).status_code == 200
