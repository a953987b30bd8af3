"""What changed between two versions, as far as their metadata say. Pure: plain JSON values in and out.

Keys that are understood: `author`, `created`, `trained`, `description`, `run`, `code` (a mapping), `training_data` (a text, a list of texts, or of
{name, digest, source}), `parameters` and `metrics` (mappings), `tags` (a mapping). Others are compared as they are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from watchtower.core.wording import span

Pair = dict[str, object]
_GROUPS = ("parameters", "code", "tags")
_OWN = frozenset({"sha256", "files", "metrics", "registered_version", "source", *_GROUPS})
"""What is compared in another way, or differs between any two versions and says nothing."""
_FIRST = ("training_data", "author", "created", "trained", "description", "run")
_MOST = 200
_SHORT = 160
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a version: digest and size of its artefact, its operator sets, and its metadata."""

    version: str
    sha256: str = ""
    size: int = 0
    opset: Mapping[str, int] = field(default_factory=dict)
    metadata: Mapping[str, object] = field(default_factory=dict)


def changed(live: Known, candidate: Known) -> dict[str, object]:
    """`{live, candidate, <what>: {live, candidate}, parameters: {<name>: {live, candidate}}, metrics: …, artefact: …, line}`.

    Only what differs, but metrics, which stand side by side where they are of both or of one; None where a side does not say. *line* is the gist.
    """
    one, other = live.metadata, candidate.metadata
    found: dict[str, object] = {"live": live.version, "candidate": candidate.version}
    for name in dict.fromkeys((*_FIRST, *sorted({*one, *other}))):
        if name not in _OWN and one.get(name) != other.get(name):
            found[name] = _pair(one.get(name), other.get(name))
    for name in _GROUPS:
        if differing := _differing(_mapping(one.get(name)), _mapping(other.get(name))):
            found[name] = differing
    if metrics := _beside(_mapping(one.get("metrics")), _mapping(other.get("metrics"))):
        found["metrics"] = metrics
    artefact = (
        {"sha256": live.sha256, "size": live.size, "opset": dict(live.opset)},
        {"sha256": candidate.sha256, "size": candidate.size, "opset": dict(candidate.opset)},
    )
    found["artefact"] = _differing(*artefact) or "the same file"
    return found | {"line": _line(found)}


def short(value: object) -> str:
    """The gist of what :func:`changed` said, for one line among others; "" where it is long or there is none."""
    line = _mapping(value).get("line")
    return line if isinstance(line, str) and len(line) <= _SHORT else ""


def _line(found: Mapping[str, object]) -> str:
    parts = [f"{name} {_told(pair)}" for name, pair in list(_mapping(found.get("parameters")).items())[:_NAMED]]
    more = len(_mapping(found.get("parameters"))) - _NAMED
    parts += [f"{more} more parameters"] if more > 0 else []
    parts += [f"{name.replace('_', ' ')} {_told(found[name])}" for name in ("training_data", "author") if name in found]
    parts += [f"{name} {_told(pair)}" for name, pair in list(_mapping(found.get("metrics")).items())[:_NAMED] if _apart(pair)]
    made = _mapping(found.get("created"))
    apart = _between(made.get("candidate"), made.get("live"))
    parts += [f"made {span(abs(apart))} {'after' if apart > timedelta(0) else 'before'} it"] if apart else []
    if not parts:
        same = found.get("artefact") == "the same file"
        parts = ["the same file" if same else "another file; nothing more is recorded of them"]
    return f"{found['live']} beside {found['candidate']}: {', '.join(parts)}"


def _told(pair: object) -> str:
    """``8 (was 6)``: live's, and the candidate's, which is the older one."""
    both = _mapping(pair)
    return f"{_plain(both.get('live'))} (was {_plain(both.get('candidate'))})"


def _plain(value: object) -> str:
    match value:
        case None:
            return "unknown"
        case float():
            return f"{value:.4g}"
        case {"name": name}:
            return str(name)
        case str():
            return value if len(value) <= 40 else f"{value[:39]}…"
        case Sequence():
            return " and ".join(_plain(each) for each in value[:2]) + (" and more" if len(value) > 2 else "")
        case _:
            return str(value)


def _apart(pair: object) -> bool:
    both = _mapping(pair)
    return both.get("live") != both.get("candidate")


def _beside(live: Mapping[str, object], candidate: Mapping[str, object]) -> dict[str, object]:
    return {name: _pair(live.get(name), candidate.get(name)) for name in _most({*live, *candidate})}


def _differing(live: Mapping[str, object], candidate: Mapping[str, object]) -> dict[str, object]:
    return {name: _pair(live.get(name), candidate.get(name)) for name in _most({*live, *candidate}) if live.get(name) != candidate.get(name)}


def _pair(live: object, candidate: object) -> Pair:
    return {"live": live, "candidate": candidate}


def _most(names: Iterable[str]) -> list[str]:
    return sorted(names)[:_MOST]


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _between(earlier: object, later: object) -> timedelta | None:
    first, last = _moment(earlier), _moment(later)
    return last - first if first is not None and last is not None else None


def _moment(value: object) -> datetime | None:
    try:
        when = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)
