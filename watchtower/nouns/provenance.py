"""What a decision was made by: the rules as they were written, the settings, and the release of Watchtower."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RuleText:
    """A rule as it stands in its file: *text* is its YAML, without what `${NAME}` stood for; *line* counts from 1, 0 where it stands in no file."""

    name: str
    file: str = ""
    line: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the audit keeps beside the fact that opens a plan.

    Attributes:
        rules: those whose alerts opened it.
        settings: SHA-256, in hex, of the settings file and its fragments; "" where they came from none.
        watchtower: the release that decided.
    """

    rules: tuple[RuleText, ...] = ()
    settings: str = ""
    watchtower: str = ""


@dataclass(frozen=True, slots=True)
class Act:
    """What a person did beside any plan: froze or thawed actions, cleared a version, accepted a reference, announced a deployment.

    *origin* is from where (`cli HOST`, `api ADDRESS`); *detail* holds plain JSON values and never a secret.
    """

    kind: str
    model: str
    by: str
    origin: str = ""
    detail: tuple[tuple[str, str], ...] = ()
