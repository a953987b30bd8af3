"""`watchtower rollback`: the guarded rollback by hand."""

import json
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from watchtower.cli.options import Config, Json
from watchtower.nouns.plan import Plan
from watchtower.nouns.step import Step
from watchtower.programs.rollback import ByHand, Came, by_hand
from watchtower.workers.asking import Wish

HELD = 13
"""A guard holds."""


def rollback(  # noqa: PLR0913, PLR0917  the words of the command line
    model: Annotated[str, typer.Argument(help="The model.")],
    to: Annotated[str, typer.Option("--to", metavar="VERSION", help="The version to go back to.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look at everything and ask the target to rehearse; switch nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Kept in the audit and told.")] = "",
    within: Annotated[str | None, typer.Option("--within", metavar="DURATION", help="How long to follow it (default: as long as its steps may take).")] = None,
    config: Config = Path("watchtower.yaml"),
    as_json: Json = False,
) -> None:
    """Go back by hand under the guards, and follow it until the traffic shows it; 13 where a guard holds."""
    from watchtower.config.reader import read_settings
    from watchtower.nouns.written import span_of

    try:
        limit = None if within is None else span_of(within)
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong), param_hint="--within") from wrong
    loaded = read_settings(config)
    with by_hand(loaded, model, acting=not dry_run) as hand:
        wish = hand.look(to, reason)
        _refuse(wish, as_json=as_json)
        if dry_run:
            _rehearse(hand, wish, as_json=as_json)
            return
        if not wish.asked.guards:
            _confirm(wish, yes=yes)
        plan = hand.ask(wish)
        if plan.step is Step.HELD:
            _held(wish, plan, as_json=as_json)
        with _bar(as_json=as_json) as bar:
            task = None if bar is None else bar.add_task("switching", total=1.0)

            def waited(seconds: float, of: float, step: str) -> None:
                if bar is not None and task is not None:
                    bar.update(task, completed=seconds, total=of, description=step)

            came = hand.follow(plan, limit, lambda line: None if as_json else print(line, file=sys.stderr), waited)
    _end(came, as_json=as_json)


def _bar(*, as_json: bool) -> "Progress | nullcontext[None]":
    return nullcontext(None) if as_json else Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())


def _refuse(wish: Wish, *, as_json: bool) -> None:
    """Ends where there is nothing to do, or the target says why it cannot."""
    asked = wish.asked
    if wish.done:
        _say({"step": "nothing_to_do", **_of(wish)}, f"{asked.model} is at {asked.candidate} already: there is nothing to do", as_json=as_json)
        raise typer.Exit
    if wish.objections:
        text = f"{asked.model} cannot go back to {asked.candidate}: {'; '.join(wish.objections)}"
        _say({"step": "refused", "objections": list(wish.objections), **_of(wish)}, text, as_json=as_json, fine=False)
        raise typer.Exit(1)


def _rehearse(hand: ByHand, wish: Wish, *, as_json: bool) -> None:
    asked = wish.asked
    rehearsed = hand.rehearse(wish)
    held = "; ".join(asked.guards)
    text = f"dry run: {asked.model} would go back from {asked.live} to {asked.candidate} ({asked.target})"
    _say({"step": "dry_run", "rehearsed": rehearsed, **_of(wish)}, f"{text}; held: {held}" if held else text, as_json=as_json, fine=not held)
    if held:
        raise typer.Exit(HELD)


def _confirm(wish: Wish, *, yes: bool) -> None:
    asked = wish.asked
    for caution in wish.cautions:
        print(f"caution: {caution}", file=sys.stderr)
    if yes:
        return
    if not sys.stdin.isatty():
        print("watchtower: nobody is there to ask: say --yes", file=sys.stderr)
        raise typer.Exit(1)
    if not typer.confirm(f"Go back from {asked.live} to {asked.candidate} of {asked.model} ({asked.target})?", err=True):
        print("nothing was switched", file=sys.stderr)
        raise typer.Exit(1)


def _held(wish: Wish, plan: Plan, *, as_json: bool) -> None:
    """By the guards of the plan as it was recorded: it may have been asked for again since *wish*."""
    told = {"step": "held", "plan": plan.id, **_of(wish), "guards": list(plan.guards)}
    _say(told, f"held: {'; '.join(plan.guards)}", as_json=as_json, fine=False)
    raise typer.Exit(HELD)


def _end(came: Came, *, as_json: bool) -> None:
    plan = came.plan
    told = {"model": plan.model, "from": plan.live, "to": plan.candidate, "plan": plan.id, "step": str(plan.step), "reason": plan.reason}
    fine = plan.step is Step.ROLLED_BACK
    _say({**told, "guards": list(plan.guards), "switched": plan.switched_at is not None}, came.sentence(), as_json=as_json, fine=fine)
    if not fine:
        raise typer.Exit(HELD if plan.step is Step.HELD else 1)


def _of(wish: Wish) -> dict[str, object]:
    asked = wish.asked
    return {"model": asked.model, "from": asked.live, "to": asked.candidate, "guards": list(asked.guards), "cautions": list(wish.cautions)}


def _say(plain: Mapping[str, object], text: str, *, as_json: bool, fine: bool = True) -> None:
    print(json.dumps(plain) if as_json else text, file=sys.stdout if fine or as_json else sys.stderr)
