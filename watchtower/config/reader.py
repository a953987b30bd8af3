"""Settings and rules from files: all of them, or every problem at once."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from watchtower.config import lint, wording
from watchtower.config.document import Document, Spot, read_document
from watchtower.config.rulebook import RuleFolder, read_rules
from watchtower.config.settings import Settings, StoreSettings
from watchtower.core.rules import RuleBook
from watchtower.nouns.errors import ConfigError, Problem

FRAGMENTS = "models"
"""The folder beside the settings file whose files add to `models:`."""
DEFAULT_RULES = "rules"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a settings file and its rules say, without a problem; *warnings* are what lint thinks of it."""

    path: Path
    settings: Settings
    book: RuleBook
    warnings: tuple[Problem, ...]

    def files(self) -> list[Path]:
        """The files that this was read from, as they are there now: an edit, a new one or a missing one means reading again."""
        return [self.path, *_fragment_files(self.path), *RuleFolder(Path(self.settings.rules)).files()]


def read_settings(path: Path) -> Loaded:
    """Reads *path*, the `models/` beside it and its rules.

    Raises:
        ConfigError: with every problem of all these files, each `file:line:column: what; advice`, in the order of the files.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100  resolve() would follow the links that Kubernetes mounts
    document = _read(path)
    if not isinstance(document.value, dict):
        raise ConfigError(list(document.problems) or [Problem(document.place(()), "the settings are no mapping", "begin with sources: and models:")])
    settings, wrong = _settings(document, path.parent)
    size = settings.window.size if settings else Settings.model_fields["window"].default.size
    rules = read_rules(_rules_path(document, path.parent), size, _names(document.value.get("notifiers")), required=_missing_rules(document))
    checked = lint.check(document, settings, rules) if settings else lint.Findings()
    problems = _ordered([*document.problems, *wrong, *rules.problems, *checked.errors])
    if problems or settings is None:
        raise ConfigError(problems)
    return Loaded(path, settings, rules.book, tuple(_ordered(checked.warnings)))


def store_url(path: Path) -> str:
    """Where the store of *path* is; nothing else of the file is looked at, so that a broken rule does not hide what was counted. ConfigError where it cannot be said."""
    path = Path(os.path.abspath(path))  # noqa: PTH100  as above
    document = read_document(path)
    value = document.value.get("store") if isinstance(document.value, dict) else None
    if document.problems and value is None:
        raise ConfigError(list(document.problems))
    try:
        return StoreSettings.model_validate(value or {}, context={"folder": str(path.parent)}).url
    except ValidationError as error:
        raise ConfigError([Problem(document.place(("store",)), "the store cannot be read", str(error.errors()[0]["msg"]))]) from error


def _read(path: Path) -> Document:
    """The settings file as it stands, with its fragments under `models:`."""
    document = read_document(path).plural(Settings.SINGULAR)
    if not isinstance(document.value, dict):
        return document
    for file in _fragment_files(path):
        document = _with_fragment(document, read_document(file))
    return document


def _fragment_files(path: Path) -> list[Path]:
    return sorted(file for file in (path.parent / FRAGMENTS).glob("*.yaml") if not file.name.startswith("."))


def _with_fragment(document: Document, fragment: Document) -> Document:
    """*document* with the models of *fragment*: a mapping by name, with or without `models:` around it."""
    around = (FRAGMENTS,) if isinstance(fragment.value, dict) and set(fragment.value) == {FRAGMENTS} else ()
    models = fragment.at(around) if fragment.value is not None else {}
    if not isinstance(models, dict):
        wrong = Problem(fragment.place(around), "a file of models is a mapping", "write the model's name, and its settings below")
        return _joined(document, {}, {}, [*fragment.problems, wrong])
    have = document.value.get(FRAGMENTS) or {}
    problems = [
        Problem(fragment.key_place((*around, name)), f"model {name!r} stands twice", f"it stands at {document.key_place((FRAGMENTS, name))} already")
        for name in models
        if isinstance(have, dict) and name in have
    ]
    spots = {(FRAGMENTS, *loc[len(around) :]): spot for loc, spot in fragment.spots.items() if loc[len(around) : len(around) + 1] and loc[len(around)] not in have}
    return _joined(document, models, {(FRAGMENTS,): fragment.spots[()], **spots}, [*fragment.problems, *problems])


def _joined(document: Document, models: Mapping[str, Any], spots: Mapping[tuple[str | int, ...], Spot], problems: Iterable[Problem]) -> Document:
    have = document.value.get(FRAGMENTS)
    merged = {**models, **have} if isinstance(have, dict) else dict(models) if have is None else have
    return Document(document.file, {**document.value, FRAGMENTS: merged}, {**spots, **document.spots}, (*document.problems, *problems), document.sha256)


def _settings(document: Document, folder: Path) -> tuple[Settings | None, list[Problem]]:
    try:
        return Settings.model_validate(document.value, context={"folder": str(folder)}), []
    except ValidationError as error:
        return None, wording.problems(error, document, Settings)


def _rules_path(document: Document, folder: Path) -> Path:
    written = document.value.get("rules")
    return folder / (written if isinstance(written, str) else DEFAULT_RULES)


def _missing_rules(document: Document) -> Problem | None:
    """What to say where there are no rules although the settings name them; None where they leave them out."""
    return Problem(document.place(("rules",)), "there are no rules there", "make the folder, or leave rules: out") if "rules" in document.value else None


def _names(notifiers: object) -> tuple[str, ...]:
    return tuple(notifiers) if isinstance(notifiers, dict) else ()


def _ordered(problems: Iterable[Problem]) -> list[Problem]:
    """By file, as they first come up, then by line."""
    listed = list(problems)
    files = list(dict.fromkeys(each.place.file for each in listed))
    return sorted(listed, key=lambda each: (files.index(each.place.file), each.place.line, each.place.column))
