"""Which windows an `over` reads, and their merges. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from watchtower.core.merging import merge, without_cells
from watchtower.nouns.memory import Served
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Need, Over
from watchtower.nouns.window import Window

MOST = 120
"""Base windows that an `over` can merge."""

Profiles = Mapping[tuple[str, str], Profile]


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """An evaluated window: who was live, and the profiles by (version, segment)."""

    window: Window
    live: str | None
    profiles: Profiles


@dataclass(frozen=True, slots=True, eq=False)
class Earlier:
    """What was evaluated before a window, oldest first.

    Attributes:
        past: the windows right before it, as many as :func:`reach` says.
        before_change: those before the live version began.
        ago: by duration as rules write it (``1d``), the windows that long ago, as many as the longest `over` that asks.
    """

    past: Sequence[Past] = ()
    before_change: Sequence[Past] = ()
    ago: Mapping[str, Sequence[Past]] = field(default_factory=dict)


def length(over: Over) -> int:
    """The most windows that *over* merges."""
    return MOST if over.rows else min(over.windows, MOST)


def reach(needs: Iterable[Need]) -> int:
    """How many windows before the base window must be loaded; twice as many where a need compares with those before its own."""
    return max((length(need.over) * (2 if need.against == "previous_window" else 1) for need in needs), default=1) - 1


def chosen(windows: Sequence[Past], served: Served, version: str, over: Over) -> Sequence[Past]:
    """The last windows of *over*; for the live version only those since it is live."""
    last = windows[-length(over) :]
    if version == served.live:
        first = next((i for i in range(len(last), 0, -1) if last[i - 1].live != version), 0)
        last = last[first:]
    return with_rows(last, version, over)


def with_rows(windows: Sequence[Past], version: str, over: Over) -> Sequence[Past]:
    """The last of *windows* that *over* reads: so many, or back until *version* ("" for all) has so many rows."""
    last = windows[-length(over) :]
    if not over.rows:
        return last
    rows, first = 0, len(last)
    while first > 0 and rows < over.rows:
        first -= 1
        rows += sum(each.rows for (name, segment), each in last[first].profiles.items() if segment == "" and version in ("", name))
    return last[first:]


def together(profiles: Sequence[Profile], binning: str = "") -> Profile:
    """The merge of profiles of which some may have been folded without a binning or under another one: those add traffic, latency and errors, but no cells.

    Cells are those of *binning*, or where none has that id, of the newest that has cells.
    """
    ids = [profile.binning for profile in profiles if profile.binning]
    if len({*ids}) <= 1 and len(ids) in (0, len(profiles)):
        return merge(profiles)
    wanted = binning if binning in ids else ids[-1]
    whole = merge([without_cells(profile) for profile in profiles])
    cells = merge([profile for profile in profiles if profile.binning == wanted])
    return replace(whole, binning=wanted, cells=cells.cells, moments=cells.moments, oddities=cells.oddities)


def by_segment(windows: Sequence[Past], version: str, binning: str = "") -> dict[str, Profile]:
    """The merges of *version* over *windows*, by segment; "" for all versions together."""
    found: dict[str, list[Profile]] = {}
    for each in windows:
        for (name, segment), profile in each.profiles.items():
            if version in ("", name):
                found.setdefault(segment, []).append(profile)
    return {segment: together(profiles, binning) for segment, profiles in found.items()}
