"""What scores compare with, where that is not the reference: the windows before, another time, another version. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from watchtower.core.merging import empty
from watchtower.core.spanning import Earlier, Past, by_segment, chosen, length, with_rows
from watchtower.core.versions import natural
from watchtower.nouns.memory import Served
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Closed, Need, Over, matches
from watchtower.nouns.settings import FirstWindows
from watchtower.nouns.written import duration

REFERENCE = "reference"
VERSION = "version:"
NAMED = ("reference", "previous_version", "previous_window")

Key = tuple[str, str, Over, str]
Who = Callable[[Past], str]


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """The other side of each need that is `relative_to` something.

    Attributes:
        profiles: (version, segment, over, against) -> the merge, or, with segment "", why there is none; version "" for the model's own traffic.
        windows: (version, over, against) -> how many base windows stand behind it.
    """

    profiles: Mapping[Key, Profile | str] = field(default_factory=dict)
    windows: Mapping[tuple[str, Over, str], int] = field(default_factory=dict)


def ago(needs: frozenset[Need]) -> dict[str, int]:
    """Each duration that *needs* compare over, and how many windows of that time they want."""
    found: dict[str, int] = {}
    for need in needs:
        if need.against not in NAMED and not need.against.startswith(VERSION):
            found[need.against] = max(found.get(need.against, 0), length(need.over))
    return found


def said(against: str) -> str:
    """How a reason names what is compared with."""
    if against.startswith(VERSION):
        return f"version {against.removeprefix(VERSION)}"
    return against.replace("_", " ") if against in NAMED else f"{against} ago"


def compared(windows: Sequence[Past], earlier: Earlier, served: Served, needs: frozenset[Need], binning: str) -> Compared:
    """The other side of every need, for each version that any of *windows* has (the base window last), the live one and "" (all together)."""
    versions = sorted({"", served.live or "", *(version for each in windows for version, _ in each.profiles)})
    profiles: dict[Key, Profile | str] = {}
    counted: dict[tuple[str, Over, str], int] = {}
    for over, against in sorted({(need.over, need.against) for need in needs if need.against != REFERENCE}):
        for version in versions:
            side = _side(windows, earlier, served, version, over, against)
            if isinstance(side, str):
                profiles[version, "", over, against] = side
                continue
            counted[version, over, against] = len(side)
            found = by_segment(side, "", binning)
            profiles |= {(version, segment, over, against): profile for segment, profile in found.items()}
            profiles.setdefault((version, "", over, against), f"no rows {when(against)}" if version else empty(None))
    return Compared(profiles, counted)


def when(against: str) -> str:
    """The same as part of a sentence: no rows *1d ago*."""
    return "in the windows before" if against == "previous_window" else f"of the {said(against)}" if against in NAMED else said(against)


def _side(windows: Sequence[Past], earlier: Earlier, served: Served, version: str, over: Over, against: str) -> Sequence[Past] | str:  # noqa: PLR0913, PLR0917  one side of a comparison
    """The windows of the other side, only with the profiles that count there; or why there are none."""
    if against == "previous_version":
        return _previous_version(earlier, served, version, over)
    if against.startswith(VERSION):
        return _another(windows, served, version, over, against.removeprefix(VERSION))
    own = chosen(windows, served, version or served.live or "", over)
    if against == "previous_window":
        before = with_rows(windows[: len(windows) - len(own)], version, over)
        return _of(before, lambda _: version) if before else "no windows before"
    then, live = _then(own, earlier.ago.get(against, ()), against), version == served.live
    return _of(then, lambda each: (each.live or version) if live else version) if then else f"no windows {said(against)}"


def _then(own: Sequence[Past], old: Sequence[Past], against: str) -> Sequence[Past]:
    """Those of *old* that lie as long before *own* as *against* says, rounded up to windows."""
    size = own[-1].window.end - own[-1].window.start
    shift = windows_ago(against, size) * size
    first, last = own[0].window.start - shift, own[-1].window.end - shift
    return [each for each in old if first <= each.window.start and each.window.end <= last]


def windows_ago(against: str, size: timedelta) -> int:
    """The duration *against* in windows of *size*, rounded up."""
    span = duration(against)
    assert isinstance(span, timedelta)
    return -(-span // size)


def _previous_version(earlier: Earlier, served: Served, version: str, over: Over) -> Sequence[Past] | str:
    """The last windows in which the version before the live one was live, frozen at the change."""
    previous = served.previous
    its = [] if previous is None else with_rows([each for each in earlier.before_change if each.live == previous], previous, over)
    return _of(its, lambda _: version and (previous or "")) if its else "no previous version"


def _another(windows: Sequence[Past], served: Served, version: str, over: Over, glob: str) -> Sequence[Past] | str:
    """The version's own windows, of another one that serves now: of those that *glob* names the one with most traffic, ties in natural order."""
    if not version:
        return "it is the whole model's: compare it with another time"
    serving = {name: each.weight for (name, segment), each in windows[-1].profiles.items() if segment == "" and each.weight > 0}
    names = sorted((name for name in serving if name != version and matches(glob, name)), key=lambda name: (-serving[name], natural(name)))
    return _of(chosen(windows, served, version, over), lambda _: names[0]) if names else f"no other version that serves now matches {glob}"


def _of(windows: Sequence[Past], who: Who) -> list[Past]:
    """*windows*, each with the profiles of the version that *who* names there ("" names all)."""
    return [
        Past(each.window, each.live, {(name, segment): profile for (name, segment), profile in each.profiles.items() if who(each) in ("", name)})
        for each in windows
    ]


def other_side(closed: Closed, need: Need, version: str, segment: str) -> Profile | str:
    """What a score of *need* compares with, or the reason why there is nothing."""
    if need.against == REFERENCE:
        return _reference(closed, version, segment)
    found = closed.compared.get((version, segment, need.over, need.against))
    if found is not None:
        return found
    whole = closed.compared.get((version, "", need.over, need.against))
    if isinstance(whole, str):
        return whole
    return f"no rows of {segment} {when(need.against)}" if whole is not None else f"nothing {when(need.against)}"


def _reference(closed: Closed, version: str, segment: str) -> Profile | str:
    """The version's own reference, else the model's; `per: version` has only its own."""
    own = closed.references.get((version, segment))
    if own is not None:
        return own
    per = closed.settings.reference.per if isinstance(closed.settings.reference, FirstWindows) else "model"
    if per == "version" and version in closed.waiting:
        return closed.waiting[version]
    found = closed.references.get(("", segment)) if per == "model" else None
    return found or closed.reason or ("no rows in the reference" if segment else "no reference")
