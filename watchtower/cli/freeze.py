"""`watchtower freeze` and `watchtower thaw`: the kill switch for actions."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from watchtower.cli.options import Config, Json

Model = Annotated[str | None, typer.Argument(help="The model; left out: every model.")]


def freeze(
    model: Model = None,
    reason: Annotated[str, typer.Option("--reason", help="Kept in the audit and shown.")] = "",
    lasting: Annotated[str | None, typer.Option("--for", metavar="DURATION", help="Thaws by itself after it, such as 2h (left out: never).")] = None,
    config: Config = Path("watchtower.yaml"),
    as_json: Json = False,
) -> None:
    """Keep Watchtower from switching anything, for a model or for all; evidence is still gathered and told. Works with and without a daemon."""
    from watchtower.nouns.written import span_of
    from watchtower.programs.freezing import FreezeDesk

    try:
        until = None if lasting is None else span_of(lasting)
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong), param_hint="--for") from wrong
    with FreezeDesk.opened(config) as desk:
        made = desk.freeze(model or "", reason, until)
    _tell(made.plain(), made.sentence(), as_json=as_json)


def thaw(model: Model = None, config: Config = Path("watchtower.yaml"), as_json: Json = False) -> None:
    """End a freeze: of a model, or (left out) the one of all models; those of single models stay."""
    from watchtower.programs.freezing import FreezeDesk

    with FreezeDesk.opened(config) as desk:
        thawed, left = desk.thaw(model or "")
    name = model or "every model"
    rest = f"; still frozen: {', '.join(each.model or 'every model' for each in left)}" if left else ""
    untouched = f"{model} was not frozen" if model else "there is no freeze of all models"
    text = f"{name} is thawed{rest}" if thawed else f"{untouched}{rest}"
    _tell({"thawed": thawed, "model": model, "frozen": [each.model or None for each in left]}, text, as_json=as_json, fine=thawed)
    if not thawed:
        raise typer.Exit(1)


def _tell(plain: dict[str, object], text: str, *, as_json: bool, fine: bool = True) -> None:
    print(json.dumps(plain) if as_json else text, file=sys.stdout if fine or as_json else sys.stderr)
