"""Settings and rules from files: all of them, or every problem at once."""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from watchtower.config import lint, wording
from watchtower.config.document import Document, Loc, Spot, read_document
from watchtower.config.rulebook import RuleFolder, gather
from watchtower.config.settings import Settings, StoreSettings
from watchtower.core.rules import RuleBook
from watchtower.nouns.errors import ConfigError, Problem

FRAGMENTS = "models"
"""The folder beside the settings file whose files add to `models:`."""
DEFAULT_RULES = "rules"
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a settings file and its rules say, without a problem; *warnings* are what lint thinks of it."""

    path: Path
    settings: Settings
    book: RuleBook
    warnings: tuple[Problem, ...]
    digest: str = ""
    """SHA-256 of the settings file and its fragments, as they were read."""

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
    files, missing = _rule_files(document, path.parent)
    rules = gather(files, size, _names(document.value.get("notifiers")))
    checked = lint.check(document, settings, rules) if settings else lint.Findings()
    problems = _ordered([*document.problems, *wrong, *missing, *rules.problems, *checked.errors])
    if problems or settings is None:
        raise ConfigError(problems)
    book = replace(rules.book, relative_to={name: model.relative_to for name, model in settings.models.items()})
    return Loaded(path, settings, book, tuple(_ordered(checked.warnings)), _digest([path, *_fragment_files(path)]))


def _digest(files: Sequence[Path]) -> str:
    """Of one file its own SHA-256; of several that of their names and contents in order."""
    contents = [(file.name, read_document(file).sha256) for file in files]
    return contents[0][1] if len(contents) == 1 else hashlib.sha256("".join(f"{name}={each};" for name, each in contents).encode()).hexdigest()


def read_model(path: Path, model: type[Model]) -> Model:
    """What *path* holds, read as *model*; paths in it are from its folder. ConfigError with every problem."""
    document = read_document(path)
    return _as_model(document, (), model, path.parent)


def store_url(path: Path) -> str:
    """Where the state of the settings file *path* is, whatever is wrong elsewhere in it; ConfigError where even that cannot be read."""
    document = read_document(path)
    if isinstance(document.value, dict):
        spots = {loc: spot for loc, spot in document.spots.items() if loc[:1] == ("store",)} or {("store",): document.spots[()]}
        ours = {spot.value for spot in spots.values()}
        wrong = tuple(each for each in document.problems if each.place in ours)
        document = Document(document.file, {"store": document.value.get("store", {})}, {(): document.spots[()], **spots}, wrong)
    return _as_model(document, ("store",), StoreSettings, path.parent).url


def _as_model(document: Document, loc: Loc, model: type[Model], folder: Path) -> Model:
    if document.problems:
        raise ConfigError(list(document.problems))
    try:
        return model.model_validate(document.at(loc), context={"folder": str(Path(os.path.abspath(folder)))})  # noqa: PTH100  see read_settings
    except ValidationError as error:
        raise ConfigError(_ordered(wording.problems(error, document, model, loc))) from None


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
    below = {loc[len(around) :]: spot for loc, spot in fragment.spots.items()}
    spots = {(FRAGMENTS, *loc): spot for loc, spot in below.items() if loc and loc[0] not in have}
    return _joined(document, models, {(FRAGMENTS,): fragment.spots[()], **spots}, [*fragment.problems, *problems])


def _joined(document: Document, models: Mapping[str, Any], spots: Mapping[Loc, Spot], problems: Iterable[Problem]) -> Document:
    have = document.value.get(FRAGMENTS)
    merged = {**models, **have} if isinstance(have, dict) else dict(models) if have is None else have
    return Document(document.file, {**document.value, FRAGMENTS: merged}, {**spots, **document.spots}, (*document.problems, *problems), document.sha256)


def _settings(document: Document, folder: Path) -> tuple[Settings | None, list[Problem]]:
    try:
        return Settings.model_validate(document.value, context={"folder": str(folder)}), []
    except ValidationError as error:
        return None, wording.problems(error, document, Settings)


def _rule_files(document: Document, folder: Path) -> tuple[list[Path], list[Problem]]:
    """The rule files; where the settings leave `rules:` out, their folder may be missing."""
    written = document.value.get("rules")
    path = folder / (written if isinstance(written, str) else DEFAULT_RULES)
    if path.exists():
        return RuleFolder(path).files(), []
    missing = Problem(document.place(("rules",)), f"there is no file or folder {written}", "make it, or leave rules: out")
    return [], [missing] if isinstance(written, str) else []


def _names(notifiers: object) -> tuple[str, ...]:
    return tuple(notifiers) if isinstance(notifiers, dict) else ()


def _ordered(problems: Iterable[Problem]) -> list[Problem]:
    """By file, as they first come up, then by line."""
    listed = list(problems)
    files = list(dict.fromkeys(each.place.file for each in listed))
    return sorted(listed, key=lambda each: (files.index(each.place.file), each.place.line, each.place.column))
