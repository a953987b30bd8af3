"""The audit as it is read, checked and handed out: who decided what, when and why, and whether anybody touched it since."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from watchtower.nouns.facts import Fact
from watchtower.nouns.incident import Incident
from watchtower.nouns.plan import Plan
from watchtower.nouns.provenance import Act
from watchtower.nouns.window import moment
from watchtower.store._reference_tables import reference_changes
from watchtower.store.bundles import bundle
from watchtower.store.chains import ACTS, HEAD, PLAN, REFERENCE, acts, append_act, journal, journal_body
from watchtower.store.codec import Json, chained, decode, decode_json, fact_in, fact_json, incident_json, plan_json, stamp
from watchtower.store.database import Database
from watchtower.store.tables import facts, incidents, plans, state

Link = tuple[int, str]
"""(count, hash) of a chain's end."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One fact of a plan's hash chain; *seq* counts from 1."""

    seq: int
    at: datetime
    fact: Fact
    hash: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The first link that does not hold: which chain, which *seq* in it, and what is wrong."""

    chain: str
    seq: int
    what: str

    def __str__(self) -> str:
        name = self.chain.removeprefix(PLAN)
        return f"{'plan ' if self.chain.startswith(PLAN) else ''}{name}, seq {self.seq}: {self.what}"


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at, the journal's head (write it down elsewhere, and nobody can shorten the audit unseen), and what is *broken*, if anything."""

    chains: int
    links: int
    head: str
    broken: Broken | None


class AuditRows:
    """Reads the audit; the only thing it writes is what people did beside plans."""

    def __init__(self, database: Database) -> None:
        """Over *database*."""
        self._database = database

    def act(self, act: Act, now: datetime) -> None:
        """Keeps what a person did beside any plan."""
        with self._database.writing() as tx:
            append_act(tx, act, now)

    def rows(self, plan_id: str) -> list[AuditRow]:
        """The plan's facts in order."""
        with self._database.reading() as tx:
            found = tx.execute(sa.select(facts).where(facts.c.plan == plan_id).order_by(facts.c.seq)).all()
        return [AuditRow(row.seq, moment(row.at), fact_in(row.body), row.hash) for row in found]

    def of(self, name: str) -> list[Json]:
        """The plans of the incident *name*, or the one plan of that id, oldest first, each with its facts; [] where there is neither."""
        with self._database.reading() as tx:
            return [_told(tx, row) for row in _plans(tx, name)]

    def newest(self, limit: int) -> list[Json]:
        """The newest facts and acts of all, newest first, one a row."""
        joined = facts.join(plans, plans.c.id == facts.c.plan)
        wanted = sa.select(facts, plans.c.model, plans.c.incident).select_from(joined).order_by(facts.c.at.desc(), facts.c.plan, facts.c.seq.desc())
        with self._database.reading() as tx:
            found = [_entry(row, {"model": row.model, "incident": row.incident, "plan": row.plan}) for row in tx.execute(wanted.limit(limit)).all()]
            done = _acts(tx, None)[-limit:]
        return sorted([*found, *done[::-1]], key=lambda each: str(each["at"]), reverse=True)[:limit]

    def acts(self, model: str) -> list[Json]:
        """What people did to *model*, or to all models, beside plans, oldest first; accepted references too."""
        with self._database.reading() as tx:
            return _acts(tx, model)

    def rollbacks(self, limit: int = 500) -> list[Json]:
        """Every plan, newest first: what it came to, and whether its record holds."""
        with self._database.reading() as tx:
            found = tx.execute(sa.select(plans).order_by(plans.c.opened_at.desc(), plans.c.id.desc()).limit(limit)).all()
            return [_plan(decode(row.body, Plan)) | {"facts": row.revision, "intact": _chain_breaks(tx, row.id) is None} for row in found]

    def export(self, incident_id: str, now: datetime, *, release: str) -> Json | None:
        """All that is kept of an incident, in one piece that verifies without the store; None where there is none of that id."""
        with self._database.reading() as tx:
            body = tx.execute(sa.select(incidents.c.body).where(incidents.c.id == incident_id)).scalar()
            if body is None:
                return None
            incident = decode(body, Incident)
            told = {**incident_json(incident, None), "timeline": [{"at": stamp(each.at), "what": each.what, "text": each.text} for each in incident.timeline]}
            of_plans = [_plan(decode(row.body, Plan)) | {"links": _links(tx, row.id)} for row in _plans(tx, incident_id)]
            beside = _acts(tx, incident.model)
            heads = {each["id"]: _last_note(tx, f"{PLAN}{each['id']}") for each in of_plans}
            return bundle(told, of_plans, beside, heads, _head(tx)[1], stamp(now), release)

    def broken_link(self, plan_id: str) -> int | None:
        """The *seq* of the plan's first fact that does not follow from what stands before it, or is missing; None where the record holds."""
        with self._database.reading() as tx:
            return _chain_breaks(tx, plan_id)

    def verify(self, known_head: str = "") -> Verified:
        """Checks every chain, and the journal over them; *known_head*, written down earlier, must be one of the journal's."""
        with self._database.reading() as tx:
            chains = {name: list(links) for name, links in _chains(tx)}
            ends = {name: {seq: head for seq, head, _ in links} for name, links in chains.items()}
            noted, wrong, head, known = _journal(tx, ends, known_head)
            broken = next((Broken(name, seq, what) for name, links in chains.items() for seq, _, what in links if what), None)
            broken = broken or wrong or _short(noted, ends) or (None if known else Broken("journal", 0, f"it never had the head {known_head}"))
        return Verified(len(chains), sum(map(len, chains.values())), head, broken)


def _chains(tx: sa.Connection) -> Iterator[tuple[str, Iterator[tuple[int, str, str]]]]:
    """Each chain's name, and (seq, hash, what is wrong) of its links."""
    of_plans = tx.execute(sa.select(facts.c.plan, facts.c.seq, facts.c.at, facts.c.body, facts.c.hash).order_by(facts.c.plan, facts.c.seq)).all()
    of_references = tx.execute(sa.select(reference_changes).order_by(reference_changes.c.model, reference_changes.c.seq)).all()
    of_acts = tx.execute(sa.select(acts).order_by(acts.c.seq)).all()
    yield from _grouped(of_plans, "plan", PLAN)
    yield from _grouped(of_references, "model", REFERENCE)
    if of_acts:
        yield ACTS, _links_of(of_acts)


def _grouped(rows: list[sa.Row[tuple[object, ...]]] | object, owner: str, prefix: str) -> Iterator[tuple[str, Iterator[tuple[int, str, str]]]]:
    by: dict[str, list[sa.Row[tuple[object, ...]]]] = {}
    assert isinstance(rows, list)
    for row in rows:
        by.setdefault(getattr(row, owner), []).append(row)
    for name, its in by.items():
        yield f"{prefix}{name}", _links_of(its)


def _links_of(rows: object) -> Iterator[tuple[int, str, str]]:
    """(seq, hash, what is wrong) of one chain's rows in order."""
    assert isinstance(rows, list)
    previous = ""
    for number, row in enumerate(rows, start=1):
        previous = chained(previous, _raw(row.body))
        if row.seq != number:
            yield number, row.hash, f"it is missing: seq {row.seq} stands in its place"
        elif row.hash != previous:
            yield number, row.hash, "its body or its hash was changed, or it was not written here"
        elif stamp(moment(row.at)) != _body(row.body).get("at"):
            yield number, row.hash, "its time was changed"
        else:
            yield number, row.hash, ""
        previous = row.hash


def _journal(tx: sa.Connection, ends: Mapping[str, Mapping[int, str]], known: str) -> tuple[dict[str, Link], Broken | None, str, bool]:
    """The last (count, head) of every chain by the journal, what is wrong first, the journal's own head, and whether it ever was *known*."""
    noted: dict[str, Link] = {}
    previous, count, wrong, seen = "", 0, None, not known
    for number, row in enumerate(tx.execute(sa.select(journal).order_by(journal.c.seq)).all(), start=1):
        previous = chained(previous, journal_body(number, row.at, row.chain, row.links, row.head))
        if wrong is None and (row.seq != number or row.hash != previous):
            wrong = Broken("journal", number, "it was changed, or one before it is missing")
        if wrong is None and ends.get(row.chain, {}).get(row.links) != row.head:
            wrong = Broken(row.chain, row.links, "the journal has another one in its place")
        noted[row.chain], count, previous = (row.links, row.head), number, row.hash
        seen = seen or row.hash == known
    length, head = _head(tx)
    if wrong is None and (length, head) != (count, previous):
        wrong = Broken("journal", count + 1, f"it had {length} rows, of which {max(0, length - count)} are missing")
    return noted, wrong, previous, seen


def _short(noted: Mapping[str, Link], ends: Mapping[str, Mapping[int, str]]) -> Broken | None:
    """A chain that is longer than the journal knows, or that it does not know at all; an empty journal is of an earlier release and knows none."""
    for name, links in ends.items():
        known = noted.get(name, (0, ""))[0]
        if noted and max(links) > known:
            return Broken(name, known + 1, "the journal does not know it: it was not written by Watchtower")
    return None


def _head(tx: sa.Connection) -> Link:
    row = tx.execute(sa.select(state.c.number, state.c.body).where(state.c.name == HEAD)).first()
    return (0, "") if row is None else (row.number, bytes(row.body).decode())


def _last_note(tx: sa.Connection, chain: str) -> dict[str, object]:
    row = tx.execute(sa.select(journal.c.links, journal.c.head).where(journal.c.chain == chain).order_by(journal.c.seq.desc()).limit(1)).first()
    return {} if row is None else {"count": row.links, "head": row.head}


def _chain_breaks(tx: sa.Connection, plan_id: str) -> int | None:
    """As the plan's own chain and the journal's last row of it say."""
    rows = tx.execute(sa.select(facts.c.seq, facts.c.at, facts.c.body, facts.c.hash).where(facts.c.plan == plan_id).order_by(facts.c.seq)).all()
    links = list(_links_of(rows))
    wrong = next((seq for seq, _, what in links if what), None)
    if wrong is not None:
        return wrong
    noted = _last_note(tx, f"{PLAN}{plan_id}")
    here = {"count": len(links), "head": links[-1][1] if links else ""}
    return None if not noted or noted == here else min(len(links), int(str(noted["count"]))) + 1


def _plans(tx: sa.Connection, name: str) -> list[sa.Row[tuple[str, bytes]]]:
    wanted = sa.select(plans.c.id, plans.c.body).where(sa.or_(plans.c.incident == name, plans.c.id == name)).order_by(plans.c.opened_at, plans.c.id)
    return [*tx.execute(wanted)]


def _plan(plan: Plan) -> dict[str, object]:
    further = {"model": plan.model, "incident": plan.incident, "opened": stamp(plan.opened_at), "target": plan.target}
    return {**plan_json(plan), **further, "dry_run": plan.dry_run}


def _told(tx: sa.Connection, row: sa.Row[tuple[str, bytes]]) -> Json:
    broken = _chain_breaks(tx, row.id)
    entries = tx.execute(sa.select(facts).where(facts.c.plan == row.id).order_by(facts.c.seq)).all()
    return _plan(decode(row.body, Plan)) | {"intact": broken is None, "broken_at": broken, "facts": [_entry(each, {}) for each in entries]}


def _entry(row: sa.Row[tuple[object, ...]], more: Json) -> Json:
    return {"seq": row.seq, "at": stamp(moment(row.at)), **more, "fact": _fact(row.body), "hash": row.hash}


def _links(tx: sa.Connection, plan_id: str) -> list[Json]:
    """The plan's facts with the very text that their hashes are of."""
    found = tx.execute(sa.select(facts).where(facts.c.plan == plan_id).order_by(facts.c.seq)).all()
    return [{"seq": row.seq, "hash": row.hash, "body": _raw(row.body).decode(errors="replace")} for row in found]


def _acts(tx: sa.Connection, model: str | None) -> list[Json]:
    """Acts and accepted references, of one *model* (with what is of all models) or (None) of all, oldest first."""
    done, accepted = sa.select(acts).order_by(acts.c.seq), sa.select(reference_changes).order_by(reference_changes.c.at, reference_changes.c.seq)
    if model is not None:
        done, accepted = done.where(acts.c.model.in_((model, ""))), accepted.where(reference_changes.c.model == model)
    found = [*map(_act, tx.execute(done).all()), *map(_accepted, tx.execute(accepted).all())]
    return sorted(found, key=lambda each: str(each["at"]))


def _accepted(row: sa.Row[tuple[object, ...]]) -> Json:
    said = _body(row.body)
    detail = {
        "from": said.get("from"),
        "rows": said.get("rows"),
        "valid_from": said.get("valid_from"),
        "before": said.get("before"),
        "after": said.get("after"),
    }
    act = {"kind": "reference_accepted", "model": row.model, "by": said.get("who"), "origin": "", "detail": detail}
    return {"seq": row.seq, "at": stamp(moment(row.at)), "model": row.model, "act": act, "hash": row.hash, "body": _raw(row.body).decode(errors="replace")}


def _act(row: sa.Row[tuple[object, ...]]) -> Json:
    return {
        "seq": row.seq,
        "at": stamp(moment(row.at)),
        "model": row.model,
        "act": _body(row.body).get("act", {}),
        "hash": row.hash,
        "body": _raw(row.body).decode(errors="replace"),
    }


def _raw(body: object) -> bytes:
    """What stands in the place of a body, whatever somebody put there."""
    return body if isinstance(body, bytes) else str(body).encode(errors="surrogatepass")


def _body(body: object) -> Mapping[str, object]:
    """{} where it is no JSON object."""
    try:
        found = decode_json(_raw(body))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _fact(body: object) -> Json:
    """A fact as plain values; what cannot be read (it was changed) says so."""
    try:
        return fact_json(fact_in(_raw(body)))
    except (ValueError, KeyError):
        return {"kind": "unreadable", "body": _raw(body).decode(errors="replace")}
