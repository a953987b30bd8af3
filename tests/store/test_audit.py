"""The record of what was decided: whatever is changed in it afterwards shows, and it can be handed out."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from watchtower.nouns.evidence import Diagnosis, Verdict
from watchtower.nouns.facts import Approved, Fact, Fired, Judged, Switched
from watchtower.nouns.incident import Incident, Moment
from watchtower.nouns.plan import Plan
from watchtower.nouns.provenance import Act, Provenance, RuleText
from watchtower.nouns.step import Step
from watchtower.store import Store
from watchtower.store.bundles import wrong_with
from watchtower.store.chains import append_facts
from watchtower.store.codec import chained
from watchtower.store.memories import put_incident
from watchtower.store.plans import put_plan

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RULE = RuleText("PredictionDrift", "rules/fraud.yaml", 3, "- name: PredictionDrift\n  model: fraud")
FIRED = Fired("fraud", "7", (), TEN, ("6",), rollback=True, dry_run=False, provenance=Provenance((RULE,), "5e77", "0.3.0"))
JUDGED = Judged(Verdict.ACCEPT, Diagnosis.MODEL_REGRESSION, "0.031 < 0.094", "6", TEN, evidence={"n": 2048, "p": 3e-09})
FACTS: tuple[Fact, ...] = (FIRED, JUDGED, Approved("ann", "cli host-1", "6"), Switched("directory", "7", "6", detail={"to": "6"}))
Change = Callable[[sqlite3.Connection], object]


def plan(number: int) -> Plan:
    return Plan(f"p{number}", "fraud", f"i{number}", Step.ROLLED_BACK, "7", ("6",), TEN + number * MINUTE, revision=len(FACTS), candidate="6")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "w.db"


@pytest.fixture
def store(file: Path) -> Iterator[Store]:
    """Two incidents, each with a plan of four facts; somebody froze and thawed between them."""
    opened = Store.open(f"sqlite:///{file}", now=lambda: TEN)
    for number in (1, 2):
        with opened.lease.as_leader() as tx:
            put_incident(tx, Incident(f"i{number}", "fraud", TEN, timeline=(Moment(TEN, "alert", "it fired"),)), TEN)
            put_plan(tx, plan(number), 0)
            for at, fact in enumerate(FACTS):
                append_facts(tx, f"p{number}", [fact], TEN + number * MINUTE + at * timedelta(seconds=1))
        opened.audit.act(Act("frozen" if number == 1 else "thawed", "fraud", "ann", "cli host-1"), TEN + number * MINUTE)
    yield opened
    opened.close()


def tamper(file: Path, change: Change) -> None:
    """As somebody does who can write the file: triggers are no lock."""
    with sqlite3.connect(file) as raw:
        for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        change(raw)


def test_a_record_that_nobody_touched_holds(store: Store) -> None:
    found = store.audit.verify()
    assert (found.broken, found.chains, found.links) == (None, 3, 10)
    assert store.audit.verify(found.head).broken is None
    assert str(store.audit.verify("beef").broken) == "journal, seq 0: it never had the head beef"


def test_the_fact_that_opens_a_plan_names_rule_settings_and_release(store: Store) -> None:
    opened = store.audit.rows("p1")[0].fact
    assert isinstance(opened, Fired)
    assert opened.provenance == Provenance((RULE,), "5e77", "0.3.0")


@pytest.mark.parametrize("statement", ["UPDATE facts SET at = 0", "DELETE FROM facts", "DELETE FROM audit_journal", "UPDATE audit_acts SET at = 0"])
def test_the_database_refuses_to_change_it(store: Store, file: Path, statement: str) -> None:
    assert store.audit.verify().broken is None
    with sqlite3.connect(file) as raw, pytest.raises(sqlite3.IntegrityError, match="only appended to"):
        raw.execute(statement)


def _rechain(raw: sqlite3.Connection, plan_id: str) -> None:
    """Whoever can edit a body can compute the hashes behind it anew."""
    previous = ""
    for seq, body in raw.execute("SELECT seq, body FROM facts WHERE plan = ? ORDER BY seq", (plan_id,)).fetchall():
        previous = chained(previous, body)
        raw.execute("UPDATE facts SET hash = ? WHERE plan = ? AND seq = ?", (previous, plan_id, seq))


def _edited_and_rechained(raw: sqlite3.Connection) -> None:
    raw.execute("UPDATE facts SET body = CAST(replace(CAST(body AS TEXT), 'ann', 'bob') AS BLOB) WHERE plan = 'p1' AND seq = 3")
    _rechain(raw, "p1")


def _swapped(raw: sqlite3.Connection) -> None:
    for old, new in ((2, 99), (3, 2), (99, 3)):
        raw.execute("UPDATE facts SET seq = ? WHERE plan = 'p1' AND seq = ?", (new, old))


def _inserted(raw: sqlite3.Connection) -> None:
    (head,) = raw.execute("SELECT hash FROM facts WHERE plan = 'p1' AND seq = 4").fetchone()
    body = b'{"at":"2026-11-20T10:09:00Z","fact":{"by":"mallory","kind":"frozen"},"plan":"p1","seq":5}'
    micros = int((TEN + 9 * MINUTE).timestamp()) * 1_000_000
    raw.execute("INSERT INTO facts VALUES ('p1', 5, ?, ?, ?)", (micros, body, chained(head, body)))


def _plan_removed(raw: sqlite3.Connection) -> None:
    raw.execute("DELETE FROM facts WHERE plan = 'p2'")
    raw.execute("DELETE FROM plans WHERE id = 'p2'")


def _removed_with_its_notes(raw: sqlite3.Connection) -> None:
    _plan_removed(raw)
    raw.execute("DELETE FROM audit_journal WHERE chain = 'plan/p2'")


def _tail_cut_off(raw: sqlite3.Connection) -> None:
    """The last act and its note, the journal's own last row."""
    raw.execute("DELETE FROM audit_acts WHERE seq = 2")
    raw.execute("DELETE FROM audit_journal WHERE seq = (SELECT max(seq) FROM audit_journal)")


CHANGES = {
    "an edited body": (lambda raw: raw.execute("UPDATE facts SET body = replace(body, '0.031', '0.03') WHERE plan = 'p1' AND seq = 2"), "plan p1, seq 2"),
    "an edited body with its hashes made anew": (_edited_and_rechained, "plan p1, seq 3"),
    "an edited time": (lambda raw: raw.execute("UPDATE facts SET at = at + 1000000 WHERE plan = 'p2' AND seq = 3"), "plan p2, seq 3"),
    "a removed fact in the middle": (lambda raw: raw.execute("DELETE FROM facts WHERE plan = 'p1' AND seq = 2"), "plan p1, seq 2"),
    "a removed first fact": (lambda raw: raw.execute("DELETE FROM facts WHERE plan = 'p1' AND seq = 1"), "plan p1, seq 1"),
    "a removed last fact": (lambda raw: raw.execute("DELETE FROM facts WHERE plan = 'p1' AND seq = 4"), "plan p1, seq 4"),
    "two facts in another order": (_swapped, "plan p1, seq 2"),
    "an inserted fact": (_inserted, "plan p1, seq 5"),
    "a whole plan removed": (_plan_removed, "plan p2, seq 1"),
    "a whole plan removed with the journal's notes of it": (_removed_with_its_notes, "journal, seq 6"),
    "the end of everything cut off": (_tail_cut_off, "journal, seq 10"),
    "an edited act": (lambda raw: raw.execute("UPDATE audit_acts SET body = replace(body, 'ann', 'bob') WHERE seq = 1"), "acts, seq 1"),
    "a body that is no JSON": (lambda raw: raw.execute("UPDATE facts SET body = x'ff' WHERE plan = 'p2' AND seq = 2"), "plan p2, seq 2"),
    "an edited note of the journal": (lambda raw: raw.execute("UPDATE audit_journal SET links = 3 WHERE seq = 4"), "journal, seq 4"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_whatever_is_changed_shows_with_the_first_broken_link(store: Store, file: Path, name: str) -> None:
    assert store.audit.verify().broken is None
    change, place = CHANGES[name]
    tamper(file, change)
    assert str(store.audit.verify().broken).startswith(place)


def test_a_removed_end_shows_on_the_plan_itself(store: Store, file: Path) -> None:
    assert [each["intact"] for each in store.audit.rollbacks()] == [True, True]
    tamper(file, lambda raw: raw.execute("DELETE FROM facts WHERE plan = 'p1' AND seq = 4"))
    assert store.audit.broken_link("p1") == 4
    assert {each["id"]: each["intact"] for each in store.audit.rollbacks()} == {"p1": False, "p2": True}
    assert [(each["intact"], each["broken_at"]) for each in store.audit.of("i1")] == [(False, 4)]


def test_a_record_of_an_earlier_release_is_taken_over_by_the_journal(store: Store, file: Path) -> None:
    tamper(file, lambda raw: [raw.execute(each) for each in ("DELETE FROM audit_journal", "DELETE FROM state WHERE name = 'audit_head'")])
    assert store.audit.verify().broken is None
    store.audit.act(Act("frozen", "", "ann"), TEN)
    assert store.audit.verify().broken is None
    tamper(file, lambda raw: raw.execute("DELETE FROM facts WHERE plan = 'p2' AND seq = 4"))
    assert str(store.audit.verify().broken).startswith("plan p2, seq 4")


def test_an_incident_is_handed_out_in_one_piece_that_verifies_alone(store: Store) -> None:
    made = store.audit.export("i1", TEN, release="0.3.0")
    text = json.dumps(made, ensure_ascii=False)
    document = json.loads(text)
    assert wrong_with(document) is None
    links = document["plans"][0]["links"]
    assert [json.loads(each["body"])["fact"]["kind"] for each in links] == ["fired", "judged", "approved", "switched"]
    assert [each["act"]["kind"] for each in document["acts"]] == ["frozen", "thawed"]
    assert store.audit.export("i9", TEN, release="0.3.0") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda it: it["plans"][0]["links"][1].update(body=it["plans"][0]["links"][1]["body"].replace("0.031", "0.03")), "plan p1, seq 2"),
        (lambda it: it["plans"][0]["links"].pop(2), "plan p1, seq 3"),
        (lambda it: it["plans"][0]["links"].pop(), "plan p1, seq 4"),
        (lambda it: it["plans"].clear(), "plan p1, seq 1"),
        (lambda it: it["plans"][0]["links"].reverse(), "plan p1, seq 1"),
        (lambda it: it["incident"].update(severity="info"), "the document was changed outside its facts"),
    ],
)
def test_a_changed_bundle_names_its_first_broken_link(store: Store, change: Callable[[dict[str, object]], object], said: str) -> None:
    document = json.loads(json.dumps(store.audit.export("i1", TEN, release="0.3.0")))
    change(document)
    assert str(wrong_with(document)).startswith(said)


def test_what_is_no_bundle_says_so() -> None:
    with pytest.raises(ValueError, match="no audit bundle"):
        wrong_with({"plans": []})


def test_the_newest_entries_hold_facts_and_acts(store: Store) -> None:
    kinds = [(each.get("plan"), (each.get("fact") or each.get("act"))["kind"]) for each in store.audit.newest(4)]  # type: ignore[index]
    assert kinds == [("p2", "switched"), ("p2", "approved"), ("p2", "judged"), ("p2", "fired")]
    assert len(store.audit.newest(100)) == 10


def test_the_page_says_how_to_check_a_bundle_without_watchtower(store: Store) -> None:
    """The lines of docs/audit.md, run on a bundle as it is, and on one with an edited fact."""
    page = (Path(__file__).parents[2] / "docs" / "audit.md").read_text(encoding="utf-8")
    lines = page.split("```python\n")[1].split("```")[0]
    document = json.loads(json.dumps(store.audit.export("i1", TEN, release="0.3.0")))
    exec(lines, {"document": document, "plan": document["plans"][0]})  # noqa: S102  what users are told to run
    document["plans"][0]["links"][2]["body"] += " "
    with pytest.raises(AssertionError):
        exec(lines, {"document": document, "plan": document["plans"][0]})  # noqa: S102  what users are told to run
