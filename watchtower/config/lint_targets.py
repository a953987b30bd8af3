"""What an operator has to know of a target before it switches anything."""

from collections.abc import Iterator

from watchtower.config.document import Document
from watchtower.config.settings import ModelSettings, RollbackSettings
from watchtower.nouns.errors import Problem


def races(document: Document, name: str, rollback: RollbackSettings) -> Iterator[Problem]:
    """A far end that cannot refuse a switch whose *expected* is wrong needs a person, or somebody who accepts that."""
    if rollback.target.compare_and_set or rollback.approval == "required" or rollback.accept_race:
        return
    place = document.place(("models", name, "rollback", "target"))
    what = f"target {rollback.target.kind_name()} has no compare-and-set: it could undo a deployment of somebody else"
    yield Problem(place, what, "set approval: required, or accept_race: true")


def target_warnings(document: Document, name: str, model: ModelSettings) -> Iterator[Problem]:
    """What the target itself cautions about, at the key that it is about."""
    if model.rollback is None:
        return
    for caution in model.rollback.target.cautions():
        keys = tuple(caution.key.split(".")) if caution.key else ()
        yield Problem(document.place(("models", name, "rollback", "target", *keys)), caution.what, caution.advice)
