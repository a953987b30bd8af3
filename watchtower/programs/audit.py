"""What `watchtower audit` does: reads the record, hands out an incident's, and checks either."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from watchtower import __version__
from watchtower.nouns.errors import ConfigError, Problem
from watchtower.nouns.place import Place
from watchtower.store import Store
from watchtower.store.bundles import facts_in, wrong_with

Row = Mapping[str, object]
NEWEST = 50
"""Entries that are listed where nobody asks for an incident or a plan."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check came to: how much was looked at, and the first thing that is wrong, "" where nothing is."""

    what: str
    links: int
    head: str
    broken: str

    def plain(self) -> dict[str, object]:
        """For `--json`."""
        return {"intact": not self.broken, "what": self.what, "links": self.links, "head": self.head, "broken": self.broken or None}


def check_store(store: Store, known_head: str) -> Checked:
    """Every chain of the store, and the journal over them; see :meth:`AuditRows.verify`."""
    found = store.audit.verify(known_head)
    return Checked(f"{found.chains} chains", found.links, found.head, "" if found.broken is None else str(found.broken))


def check_file(path: Path) -> Checked:
    """An exported bundle, without any store; ConfigError where it cannot be read as one."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        wrong = wrong_with(document)
    except (OSError, ValueError) as bad:
        said = bad.strerror if isinstance(bad, OSError) else str(bad)
        raise ConfigError(
            [Problem(Place(str(path)), f"it cannot be checked: {said}", "give a file that `watchtower audit INCIDENT --export FILE` wrote")]
        ) from bad
    return Checked(str(path), facts_in(document), str(document.get("journal") or ""), wrong or "")


def export(store: Store, incident: str, file: Path, now: datetime) -> bool:
    """Writes the incident's bundle to *file*, which must be new; False where there is no incident of that id."""
    made = store.audit.export(incident, now, release=__version__)
    if made is None:
        return False
    try:
        with file.open("x", encoding="utf-8") as out:
            json.dump(made, out, ensure_ascii=False, indent=1)
            out.write("\n")
    except OSError as bad:
        raise ConfigError([Problem(Place(str(file)), f"it cannot be written: {bad.strerror}", "give a file that is not there yet")]) from bad
    return True


def sentence(fact: Row) -> str:
    """What a fact says, in one line; evidence and details are left to `--json`."""
    left_out = {"kind", "evidence", "detail", "provenance", "alerts", "respond_measures", "limits", "model"}
    shown = ((name, value) for name, value in fact.items() if name not in left_out and value not in (None, "", [], (), {}, False))
    return " · ".join(f"{name.replace('_', ' ')} {_plain(value)}" for name, value in shown)


def act_sentence(act: Row) -> str:
    """What an act says: who, from where, and its details."""
    detail = act.get("detail")
    return sentence({"by": act.get("by"), "origin": act.get("origin"), **(detail if isinstance(detail, Mapping) else {})})


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(each)}" for name, each in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "; ".join(_plain(each) for each in value)
    return "yes" if value is True else str(value)
