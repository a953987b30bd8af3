"""`watchtower audit`: who decided what, when and why; and whether anybody touched the record since."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, cast

import typer

from watchtower.cli.options import Config, Json
from watchtower.cli.printing import moment, tell_table

Row = Mapping[str, object]
VERIFY = "verify"


def audit(  # noqa: PLR0913, PLR0917  the words of the command line
    what: Annotated[str | None, typer.Argument(metavar="[INCIDENT|PLAN|verify]", help="Whose record; `verify` checks the whole store, or FILE.")] = None,
    file: Annotated[Path | None, typer.Argument(help="With verify: an exported bundle; no store is needed.")] = None,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", help="Write the incident's record into this new file, which verifies alone.")
    ] = None,
    head: Annotated[str, typer.Option("--head", help="With verify: a head that was written down earlier must still be in the record.")] = "",
    config: Config = Path("watchtower.yaml"),
    as_json: Json = False,
) -> None:
    """Show, hand out or verify the record of what was decided and done; verify exits 1 where the record was changed."""
    if file is not None and what != VERIFY:
        asked = "a file goes with verify: watchtower audit verify FILE"
        raise typer.BadParameter(asked)
    if export is not None and what in {None, VERIFY}:
        asked = "say which incident: watchtower audit INCIDENT --export FILE"
        raise typer.BadParameter(asked, param_hint="--export")
    if what == VERIFY:
        _verify(file, head, config, as_json=as_json)
    else:
        _show(what, export, config, as_json=as_json)


def _verify(file: Path | None, head: str, config: Path, *, as_json: bool) -> None:
    from watchtower.programs.audit import check_file, check_store

    if file is not None:
        found = check_file(file)
    else:
        from watchtower.config.reader import store_url
        from watchtower.edges.clock import Clock
        from watchtower.store import Store

        store = Store.open(store_url(config), read_only=True, now=Clock().now)
        try:
            found = check_store(store, head)
        finally:
            store.close()
    if as_json:
        print(json.dumps(found.plain()))
    elif found.broken:
        print(f"the record was changed: {found.broken}", file=sys.stderr)
    else:
        print(f"intact: {found.what}, {found.links:,} links, head {found.head or 'none'}")
    if found.broken:
        raise typer.Exit(1)


def _show(what: str | None, export: Path | None, config: Path, *, as_json: bool) -> None:
    from watchtower.config.reader import store_url
    from watchtower.edges.clock import Clock
    from watchtower.programs.audit import NEWEST
    from watchtower.programs.audit import export as write
    from watchtower.store import Store

    clock = Clock()
    store = Store.open(store_url(config), read_only=True, now=clock.now)
    try:
        if export is not None and what is not None:
            if not write(store, what, export, clock.now()):
                _nothing(what)
            print(f"{what} is written to {export}: `watchtower audit verify {export}` checks it anywhere", file=sys.stderr)
        elif what is None:
            _tell_newest(store.audit.newest(NEWEST), as_json=as_json)
        else:
            plans = store.audit.of(what)
            if not plans and not any(row.incident.id == what for row in store.plans.incidents()):
                _nothing(what)
            models = {str(plan["model"]) for plan in plans} | {row.incident.model for row in store.plans.incidents() if row.incident.id == what}
            _tell_plans(what, plans, [act for model in sorted(models) for act in store.audit.acts(model)], as_json=as_json)
    finally:
        store.close()


def _nothing(what: str) -> None:
    print(f"there is no incident and no plan {what}: `watchtower incidents` lists them", file=sys.stderr)
    raise typer.Exit(1)


def _tell_newest(entries: Sequence[Row], *, as_json: bool) -> None:
    from watchtower.programs.audit import act_sentence, sentence

    if as_json:
        print(json.dumps({"audit": list(entries)}))
        return
    rows = []
    for each in entries:
        said, act = cast("Row", each.get("fact") or {}), cast("Row", each.get("act") or {})
        says = sentence(said) if said else act_sentence(act)
        rows.append([moment(each["at"]), str(each["model"] or "all"), str(each.get("plan") or "–"), str((said or act).get("kind")), says])
    tell_table("audit entries", ("at", "model", "plan", "what", "says"), rows, whole=("at", "what"))


def _tell_plans(what: str, plans: Sequence[Row], acts: Sequence[Row], *, as_json: bool) -> None:
    from watchtower.programs.audit import act_sentence, sentence

    if as_json:
        print(json.dumps({"of": what, "plans": list(plans), "acts": list(acts)}))
        return
    if not plans:
        print(f"no plan was opened in {what}")
    for plan in plans:
        rows = []
        for each in cast("list[Row]", plan["facts"]):
            fact = cast("Row", each["fact"])
            rows.append([str(each["seq"]), moment(each["at"]), str(fact["kind"]), sentence(fact), str(each["hash"])[:10]])
        state = "intact" if plan["intact"] else f"CHANGED at seq {plan['broken_at']}"
        tell_table(f"plan {plan['id']}: {plan['step']}, {state}", ("#", "at", "fact", "says", "hash"), rows, whole=("#", "at", "fact", "hash"))
    if acts:
        done = [(each, cast("Row", each["act"])) for each in acts]
        rows = [[moment(each["at"]), str(each["model"] or "all"), str(act["kind"]), act_sentence(act)] for each, act in done]
        tell_table("what people did beside plans", ("at", "model", "what", "says"), rows, whole=("at", "what"))
