"""A closed window with all that its scores need: merges over longer windows, the live version's run, what is compared with. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from watchtower.core.comparing import compared
from watchtower.core.spanning import Earlier, Past, Profiles, by_segment, chosen, together
from watchtower.nouns.binning import Binning
from watchtower.nouns.memory import Memory
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Closed, Need, Over
from watchtower.nouns.settings import Watched
from watchtower.nouns.window import Window


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """The binning and the reference profiles by (version, segment), version "" the model's own; or why there is none.

    *waiting* says of versions that wait for a reference of their own how far it is.
    """

    binning: Binning | None = None
    profiles: Profiles | None = None
    reason: str = ""
    waiting: Mapping[str, str] = field(default_factory=dict)


def close(  # noqa: PLR0913, PLR0917  all that one window is closed with
    model: str,
    window: Window,
    opened: Profiles,
    earlier: Earlier,
    memory: Memory,
    comparison: Comparison,
    needs: frozenset[Need],
    settings: Watched | None = None,
) -> Closed:
    """Merges and gathers; version "" stands for all versions together, over the live version's windows.

    *opened* are the base window's profiles, *earlier* what was evaluated before it.
    """
    served = memory.served
    windows = [*earlier.past, Past(window, served.live, opened)]
    binning = comparison.binning.id if comparison.binning is not None else ""
    profiles: dict[tuple[str, str, Over], Profile] = {}
    spans: dict[tuple[str, Over], int] = {}
    for over in {need.over for need in needs} | {Over()}:
        for version, segment in {key for each in windows for key in each.profiles}:
            parts = [each.profiles[version, segment] for each in chosen(windows, served, version, over) if (version, segment) in each.profiles]
            if parts:
                profiles[version, segment, over] = together(parts, binning)
        run = chosen(windows, served, served.live or "", over)
        spans["", over] = len(run)
        profiles |= {("", segment, over): profile for segment, profile in by_segment(run, "", binning).items()}
    against = compared(windows, earlier, served, needs, binning)
    return Closed(
        model=model,
        window=window,
        live=served.live,
        profiles=profiles,
        spans=spans,
        references=dict(comparison.profiles or {}),
        compared=against.profiles,
        compared_windows=against.windows,
        binning=comparison.binning,
        reason=comparison.reason,
        waiting=comparison.waiting,
        seen=frozenset((measure, segment, subject) for measure, segment, subject in (key.split("|", 2) for key in memory.seen)),
        settings=settings or Watched(),
        began=served.first_served,
        run=tuple(each.profiles for each in windows),
    )
