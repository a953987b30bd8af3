"""A closed window with all that its scores need: merges over longer windows, the live version's run, references. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from watchtower.core.merging import merge
from watchtower.nouns.binning import Binning
from watchtower.nouns.plan import Memory, Served
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Closed, Need, Over
from watchtower.nouns.settings import Watched
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
class Comparison:
    """What scores compare with: the binning and the reference profiles by (version, segment), version "" the model's own; or why there is none."""

    binning: Binning | None = None
    profiles: Profiles | None = None
    reason: str = ""


def reach(needs: Iterable[Need]) -> int:
    """How many windows before the base window must be loaded."""
    return max((MOST if need.over.rows else min(need.over.windows, MOST) for need in needs), default=1) - 1


def together(profiles: Sequence[Profile]) -> Profile:
    """The merge of profiles of which some may have been folded without a binning: those add traffic, latency and errors, but no cells."""
    binned = [profile for profile in profiles if profile.binning]
    if not binned or len(binned) == len(profiles):
        return merge(profiles)
    whole, cells = merge([_without_cells(profile) for profile in profiles]), merge(binned)
    return replace(whole, binning=cells.binning, cells=cells.cells, moments=cells.moments, oddities=cells.oddities)


def _without_cells(profile: Profile) -> Profile:
    return replace(profile, binning="", cells=np.zeros(0, dtype=np.int64), moments=np.zeros((0, 5)), oddities=np.zeros((0, 2), dtype=np.int64))


def close(  # noqa: PLR0913, PLR0917  all that one window is closed with
    model: str,
    window: Window,
    opened: Profiles,
    past: Sequence[Past],
    before_change: Sequence[Past],
    memory: Memory,
    comparison: Comparison,
    needs: frozenset[Need],
    settings: Watched | None = None,
) -> Closed:
    """Merges and gathers; version "" stands for all versions together, over the live version's windows.

    *opened* are the base window's profiles, *past* the evaluated windows before it (oldest first), *before_change* those before the live version began.
    """
    served = memory.served
    windows = [*past, Past(window, served.live, opened)]
    overs = {need.over for need in needs} | {Over()}
    profiles: dict[tuple[str, str, Over], Profile] = {}
    spans: dict[tuple[str, Over], int] = {}
    for over in overs:
        for version, segment in {key for each in windows for key in each.profiles}:
            chosen = _chosen(windows, served, version, over)
            parts = [each.profiles[version, segment] for each in chosen if (version, segment) in each.profiles]
            if parts:
                profiles[version, segment, over] = together(parts)
        run = _chosen(windows, served, served.live or "", over)
        spans["", over] = len(run)
        profiles |= {("", segment, over): profile for segment, profile in _of_all(run)}
    return Closed(
        model=model,
        window=window,
        live=served.live,
        profiles=profiles,
        spans=spans,
        references=dict(comparison.profiles or {}),
        previous=dict(_previous(before_change, served, needs)),
        binning=comparison.binning,
        reason=comparison.reason,
        seen=frozenset((measure, segment, subject) for measure, segment, subject in (key.split("|", 2) for key in memory.seen)),
        settings=settings or Watched(),
        began=served.first_served,
        run=tuple(each.profiles for each in windows),
    )


def _of_all(windows: Sequence[Past]) -> Iterator[tuple[str, Profile]]:
    """All versions together, by segment: the model's own traffic."""
    by_segment: dict[str, list[Profile]] = {}
    for each in windows:
        for (_, segment), profile in each.profiles.items():
            by_segment.setdefault(segment, []).append(profile)
    for segment, profiles in by_segment.items():
        yield segment, together(profiles)


def _chosen(windows: Sequence[Past], served: Served, version: str, over: Over) -> Sequence[Past]:
    """The last windows of *over*; for the live version only those since it is live."""
    last = windows[-MOST:] if over.rows else windows[-over.windows :]
    if version == served.live:
        first = next((i for i in range(len(last), 0, -1) if last[i - 1].live != version), 0)
        last = last[first:]
    if not over.rows:
        return last
    rows, first = 0, len(last)
    while first > 0 and rows < over.rows:
        first -= 1
        profile = last[first].profiles.get((version, ""))
        rows += profile.rows if profile is not None else 0
    return last[first:]


def _previous(before: Sequence[Past], served: Served, needs: frozenset[Need]) -> Iterator[tuple[tuple[str, Over], Profile]]:
    """The previous version's last windows in which it was live, by segment and length; frozen since the change."""
    if served.previous is None:
        return
    its = [each for each in before if each.live == served.previous]
    for over in {need.over for need in needs if need.against == "previous_version"}:
        chosen = its[-(over.windows if not over.rows else MOST) :]
        for segment in {segment for each in chosen for version, segment in each.profiles if version == served.previous}:
            yield (segment, over), together([each.profiles[served.previous, segment] for each in chosen if (served.previous, segment) in each.profiles])
