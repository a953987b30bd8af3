"""`watchtower approve` and `watchtower reject`: a person's yes or no to a rollback that asks for one."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from watchtower.cli.options import Config, Json

HELD = 13
"""A guard holds: the plan still awaits approval."""
Id = Annotated[str, typer.Argument(metavar="ID", help="An incident, a plan, or PLAN@REVISION where an incident has asked more than once.")]
Candidate = Annotated[str | None, typer.Option("--candidate", help="Only if this is the version that was asked for.")]
Reason = Annotated[str, typer.Option("--reason", help="Kept in the audit and told.")]


def approve(name: Id, candidate: Candidate = None, reason: Reason = "", config: Config = Path("watchtower.yaml"), as_json: Json = False) -> None:
    """Approve the rollback that an incident asks for, under the same guards; 13 where one holds."""
    _say("approve", name, candidate, reason, config, as_json=as_json)


def reject(name: Id, candidate: Candidate = None, reason: Reason = "", config: Config = Path("watchtower.yaml"), as_json: Json = False) -> None:
    """Refuse the rollback that an incident asks for: nothing is switched."""
    _say("reject", name, candidate, reason, config, as_json=as_json)


def _say(word: str, name: str, candidate: str | None, reason: str, config: Path, *, as_json: bool) -> None:  # noqa: PLR0913  the words of the command line
    from watchtower.assembly.desks import build_approvals
    from watchtower.config.reader import read_settings
    from watchtower.edges.clock import Clock
    from watchtower.programs.people import origin, who
    from watchtower.store import Store
    from watchtower.workers.approvals import Person

    settings, clock = read_settings(config).settings, Clock()
    store = Store.open(settings.store.url, now=clock.now)
    try:
        desk, person = build_approvals(settings, store), Person(who(), origin(), reason)
        said = (desk.approve if word == "approve" else desk.reject)(name, person, clock.now(), candidate=candidate)
        runs = store.lease.is_held_somewhere()
    finally:
        store.close()
    later = "" if runs or word == "reject" or said.what != "done" else "; no daemon runs: it acts when one starts, if the guards then allow it"
    if as_json:
        plan = None if said.plan is None else {"id": said.plan.id, "step": str(said.plan.step), "candidate": said.plan.candidate}
        print(json.dumps({"result": said.what, "text": said.text + later, "plan": plan, "daemon": runs}))
    else:
        print(said.text + later, file=sys.stdout if said.what == "done" else sys.stderr)
    if said.what != "done":
        raise typer.Exit(HELD if said.what == "held" else 1)
