"""What `watchtower reference` does: puts a reference in place beside a running daemon, audited, and proposes rules from it."""

import getpass
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import yaml

from watchtower.config.settings import Settings
from watchtower.core.merging import merge, without_cells
from watchtower.core.proposing import Plain, quality_rules, ranges
from watchtower.core.referencing import with_lacking
from watchtower.core.spanning import Past, by_segment
from watchtower.edges.clock import Clock
from watchtower.nouns.binning import PREDICTION
from watchtower.nouns.errors import ConfigError, Problem, Unavailable
from watchtower.nouns.place import Place
from watchtower.nouns.profile import Profile
from watchtower.nouns.window import EPOCH
from watchtower.store import Store, StoredReference
from watchtower.store.references import Accepted
from watchtower.store.windows import ClosedRow
from watchtower.workers.first_windows import from_windows
from watchtower.workers.references import as_version, of_table, read_reference
from watchtower.workers.rows import RowReader

_AT_ONCE = 60
"""Windows that are in memory at once."""


@dataclass(frozen=True, slots=True)
class Put:
    """A reference that was put in place: from *valid_from* on, instead of the binning *before*."""

    model: str
    stored: StoredReference
    before: str | None
    rows: int
    made_from: str
    note: str = ""

    def sentence(self) -> str:
        """What happened, for people."""
        when = "from its first window on" if self.stored.valid_from == EPOCH else f"for windows from {self.stored.valid_from:%Y-%m-%d %H:%M:%S} UTC on"
        instead = f" instead of {self.before[:12]}" if self.before else ""
        note = f"; {self.note}" if self.note else ""
        return f"{self.model} is compared with {self.rows:,} rows of {self.made_from} (binning {self.stored.binning.id[:12]}{instead}), {when}{note}"

    def plain(self) -> dict[str, object]:
        """For ``--json``."""
        from_ = {"from": self.made_from, "rows": self.rows, "valid_from": None if self.stored.valid_from == EPOCH else self.stored.valid_from.isoformat()}
        return {"model": self.model, "before": self.before, "after": self.stored.binning.id, **from_, "note": self.note}


@dataclass(slots=True)
class Desk:
    """One model's reference, in *store*; it works while a daemon runs on the same store."""

    settings: Settings
    store: Store
    model: str
    file: Path
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        if self.model not in self.settings.models and self.model not in self._seen():
            known = ", ".join(sorted({*self.settings.models, *self._seen()} - {"*"})) or "none yet"
            raise ConfigError([Problem(Place(str(self.file)), f"no model {self.model!r} is configured, and none was ever read", f"models: {known}")])

    def from_file(self, path: Path) -> Put:
        """Puts the rows of *path* in place. ConfigError or ShadowError where it cannot be read."""
        table = read_reference(path, self.settings.model(self.model))
        if not table.rows:
            raise ConfigError([Problem(Place(str(path)), "there are no rows in it", "give a file with rows of the new normal")])
        return self._put(of_table(table, self.settings.model(self.model)), table.rows, str(path))

    def from_windows(self, start: datetime, end: datetime) -> Put:
        """Puts what was served in [start, end) in place: its rows are read again; where they have expired the summaries do, under the cells as they are.

        ConfigError where no evaluated window lies there; Unavailable where neither rows nor summaries can be used.
        """
        past = self._past(start, end)
        if not any(profile.rows for each in past for profile in each.profiles.values()):
            what = f"no rows were served in windows from {start.isoformat()} to {end.isoformat()}"
            raise ConfigError([Problem(Place(str(self.file)), what, "watchtower windows lists those that are kept")])
        told = f"windows {past[0].window.start.isoformat()} to {past[-1].window.end.isoformat()}"
        try:
            made = from_windows(RowReader(self.settings.sources, self.store.kept_rows), self.model, self.settings.model(self.model), past)
        except Unavailable as away:
            made, note = self._from_summaries(start, end), f"its rows cannot be read any more ({away}): the cells stay as they are"
        else:
            note = ""
        if made is None:
            msg = f"the rows of {told} cannot be read any more, and its summaries are not of the present binning: give a file with --data"
            raise Unavailable(msg)
        return self._put(made, made.profiles["", ""].rows, told, note)

    def present(self) -> StoredReference | None:
        """The newest reference."""
        return self.store.references.load(self.model)

    # ------------------------------------------------------------------------------------------------ parts

    def _seen(self) -> set[str]:
        return {*self.store.references.ids(), *self.store.references.models()}

    def _put(self, made: StoredReference, rows: int, made_from: str, note: str = "") -> Put:
        before = self.store.references.ids().get(self.model)
        stored = replace(made, valid_from=self._next_window(), accepted=True)
        live = self.store.evaluations.memory(self.model).served.live
        if live is not None:
            stored = replace(stored, profiles={**stored.profiles, **as_version(stored, live)})
        self.store.references.accept(self.model, stored, Accepted(_who(), self.clock.now(), made_from, rows))
        return Put(self.model, stored, None if before is None else before[0], rows, made_from, note)

    def _next_window(self) -> datetime:
        """The start of the next window that no row was read for and that is not closed; where nothing was read, the beginning of time."""
        size = self.settings.window.size
        newest, closed = self.store.references.newest_time(), self.store.references.closed_through()
        after = [] if newest is None else [EPOCH + ((newest - EPOCH) // size + 1) * size]
        after += [] if closed is None else [EPOCH - (-(closed - EPOCH) // size) * size]
        return max(after, default=EPOCH)

    def _past(self, start: datetime, end: datetime) -> list[ClosedRow]:
        """The windows in [start, end), with what reading their rows again needs, oldest first."""
        found: list[ClosedRow] = []
        for some in self._pieces(start, end):
            slim = [{key: _slim(each) for key, each in row.profiles.items() if key[1] == ""} for row in some]
            found = [*(ClosedRow(row.window, row.live, profiles) for row, profiles in zip(some, slim, strict=True)), *found]
        return found

    def _pieces(self, start: datetime, end: datetime) -> Iterator[list[ClosedRow]]:
        """The windows in [start, end), a few at a time, newest first."""
        while some := [each for each in self.store.windows.history(self.model, end, _AT_ONCE) if each.window.start >= start]:
            yield some
            end = some[0].window.start

    def _from_summaries(self, start: datetime, end: datetime) -> StoredReference | None:
        """The merge of these windows under the present binning, predictions of the version that was live; None where they were folded otherwise."""
        present = self.present()
        if present is None:
            return None
        features: dict[str, Profile] = {}
        answers: dict[str, Profile] = {}
        for some in self._pieces(start, end):
            binned = [replace(each, profiles={key: _bare(one) for key, one in each.profiles.items() if one.binning == present.binning.id}) for each in some]
            past = [Past(each.window, each.live, each.profiles) for each in binned]
            lived = [Past(each.window, each.live, {key: one for key, one in each.profiles.items() if key[0] == each.live}) for each in binned]
            _merged(features, by_segment(past, ""))
            _merged(answers, by_segment(lived, ""))
        names = [subject for subject in present.binning.subjects if subject != PREDICTION]
        found = {("", segment): with_lacking(present.binning, each, answers.get(segment), names) for segment, each in features.items()}
        return StoredReference(present.binning, EPOCH, found) if ("", "") in found else None


def proposed(model: str, stored: StoredReference) -> list[Plain]:
    """Rules on the quality of what *model* reads, from its reference."""
    return quality_rules(model, stored.binning, stored.profiles["", ""])


def as_yaml(model: str, stored: StoredReference) -> str:
    """The same as a rule file, with what the reference holds above it."""
    head = [f"# Proposed from the reference of {model} ({stored.profiles['', ''].rows:,} rows):", *(f"#   {line}" for line in ranges(stored.binning))]
    body = yaml.safe_dump({"rules": [dict(rule) for rule in proposed(model, stored)]}, sort_keys=False, allow_unicode=True, width=160)
    return "\n".join(head) + "\n" + body


def write_rules(path: Path, text: str) -> None:
    """Writes a new rule file; ConfigError where there is one, which somebody may have edited."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as there:
        raise ConfigError([Problem(Place(str(path)), "there is a file of that name, which is not overwritten", "give another name to --rules")]) from there
    except OSError as bad:
        raise ConfigError([Problem(Place(str(path)), f"the rules cannot be written: {bad.strerror}", "give another name to --rules")]) from bad


def span_of(text: str) -> tuple[datetime, datetime]:
    """Reads ``2026-11-20T10:00..2026-11-20T12:00``, in UTC where no offset is given; ValueError where it is none, or nothing lies in it."""
    parts = text.split("..")
    if len(parts) != 2:
        msg = f"{text!r} is no span of time: write FROM..TO, such as 2026-11-20T10:00..2026-11-20T12:00"
        raise ValueError(msg)
    start, end = (each if each.tzinfo else each.replace(tzinfo=UTC) for each in map(datetime.fromisoformat, parts))
    if start >= end:
        msg = f"{text!r} ends before it begins"
        raise ValueError(msg)
    return start.astimezone(UTC), end.astimezone(UTC)


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def _slim(profile: Profile) -> Profile:
    return without_cells(replace(profile, latency=None, queue=None, compute=None))


def _bare(profile: Profile) -> Profile:
    return replace(profile, latency=None, queue=None, compute=None, spans=(), labelled=None)


def _merged(into: dict[str, Profile], more: Mapping[str, Profile]) -> None:
    for segment, profile in more.items():
        into[segment] = merge([into[segment], profile]) if segment in into else profile
