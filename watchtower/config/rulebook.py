"""Rule files: all of a folder's, or every problem of them."""

import hashlib
import itertools
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from pydantic import ValidationError

from watchtower.conditions import Condition
from watchtower.conditions._bounded import AUTO, Bounded
from watchtower.config import wording
from watchtower.config.document import Document, Loc, read_document
from watchtower.core import naming
from watchtower.core.rules import Rule, RuleBook
from watchtower.nouns.errors import ConfigError, Problem
from watchtower.nouns.place import Place
from watchtower.nouns.provenance import RuleText
from watchtower.nouns.score import MeasureName

TESTS = (".test.yaml", ".test.yml")


@dataclass(frozen=True, slots=True)
class RuleFolder:
    """A folder of rule files (those in it at any depth), or one such file."""

    path: Path

    def files(self) -> list[Path]:
        """The folder's rule files, without their tests and without what is hidden (a mounted ConfigMap keeps its copies in `..data`)."""
        if not self.path.is_dir():
            return [self.path]
        found = [file for pattern in ("*.yaml", "*.yml") for file in self.path.rglob(pattern)]
        seen = (file for file in found if not any(part.startswith(".") for part in file.relative_to(self.path).parts))
        return sorted(file for file in seen if not file.name.endswith(TESTS))


@dataclass(frozen=True, slots=True)
class Written:
    """A rule, and where it is written."""

    rule: Rule
    document: Document
    loc: Loc

    def place(self, *keys: str | int) -> Place:
        """Where the value of *keys* stands, or the rule where it is left out."""
        return self.document.place((*self.loc, *keys))

    def text(self) -> RuleText:
        """Its YAML as it stands in the file: from its first line to the next one that is not indented deeper than its dash."""
        place = self.place()
        lines = self.document.text.splitlines()[max(0, place.line - 1) :]
        dash = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
        inside = itertools.takewhile(lambda line: not line.strip() or len(line) - len(line.lstrip()) > dash, lines[1:])
        return RuleText(self.rule.name, place.file, place.line, textwrap.dedent("\n".join([*lines[:1], *inside])).strip())

    def conditions(self) -> Iterator[tuple[Condition, tuple[str | int, ...]]]:
        """Its condition and those inside it, each with its keys."""
        return _conditions(self.rule.when, ("when",))


@dataclass(frozen=True, slots=True)
class Gathered:
    """What rule files say: the book of the rules that are right, where each stands, and every problem."""

    book: RuleBook
    written: tuple[Written, ...] = ()
    problems: tuple[Problem, ...] = ()


def read_rules(paths: Sequence[Path], size: timedelta, notifiers: Sequence[str] | None = None) -> RuleBook:
    """The rules of *paths*, folders or files, for windows of *size*; *notifiers* None: `notify:` may say any name. ConfigError with every problem."""
    found = gather([file for path in paths for file in RuleFolder(path).files()], size, notifiers)
    if found.problems:
        raise ConfigError(list(found.problems))
    return found.book


def gather(files: Sequence[Path], size: timedelta, notifiers: Sequence[str] | None) -> Gathered:
    """Every rule of *files* and everything that is wrong with them; see :func:`read_rules`."""
    documents = [read_document(file) for file in files]
    problems = [problem for document in documents for problem in document.problems]
    written: list[Written] = []
    for document in documents:
        rules, wrong = _rules(document)
        written += rules
        problems += [*wrong, *_measures(document), *_notifiers(document, notifiers)]
    problems += [*_twice(documents), *(problem for each in written for problem in (*_untested(each), *_spans(each), *_calibrated(each)))]
    contents = "".join(f"{file.name}={document.sha256};" for file, document in zip(files, documents, strict=True))
    book = RuleBook(tuple(each.rule for each in written), size, tuple(notifiers or ()), hashlib.sha256(contents.encode()).hexdigest()[:16])
    book = replace(book, texts={each.rule.name: each.text() for each in written})
    return Gathered(book, tuple(written), tuple(problems))


def _rules(document: Document) -> tuple[list[Written], list[Problem]]:
    """The rules of one file that are right by themselves; one wrong rule does not hide the others."""
    if document.value is None:
        return [], []
    if not isinstance(document.value, dict) or not isinstance(document.value.get("rules"), list):
        return [], [Problem(document.place(("rules",)), "a rule file is a mapping with a list of rules", "write rules: and one - name: … a rule")]
    written: list[Written] = []
    problems = [Problem(document.key_place((key,)), f"unknown key {key!r}", "a rule file has only rules:") for key in document.value if key != "rules"]
    for index, value in enumerate(document.value["rules"]):
        loc: Loc = ("rules", index)
        try:
            written.append(Written(Rule.model_validate(value), document, loc))
        except ValidationError as error:
            problems += wording.problems(error, document, Rule, loc)
    return written, problems


def _twice(documents: Sequence[Document]) -> Iterator[Problem]:
    """A rule's name is its identity."""
    places: dict[str, list[Place]] = {}
    for document in documents:
        for _, name, place in _texts(document, "rules", int, "name"):
            places.setdefault(name, []).append(place)
    for name, same in places.items():
        for place in same if len(same) > 1 else ():
            others = ", ".join(str(other) for other in same if other != place)
            yield Problem(place, f"rule {name!r} stands twice", f"the other is at {others}: give one another name")


def _measures(document: Document) -> Iterator[Problem]:
    """Measures that do not exist, in wrong rules too."""
    for loc, text, place in _texts(document, "measure"):
        try:
            sentence = naming.known(MeasureName.parse(text))
        except ValueError:
            continue
        if sentence and loc[:1] == ("rules",):
            yield Problem(place, sentence)


def _notifiers(document: Document, known: Sequence[str] | None) -> Iterator[Problem]:
    for _, name, place in _texts(document, "rules", int, "notify", int):
        if known is not None and name not in known:
            yield Problem(place, f"unknown notifier {name!r}", wording.nearest(name, known, "notifiers"))


def _texts(document: Document, *path: str | type[int]) -> Iterator[tuple[Loc, str, Place]]:
    """Every text in the file whose path ends with *path*, where int stands for any place in a list."""
    for loc, spot in document.spots.items():
        ends = len(loc) >= len(path) and all(isinstance(part, int) if want is int else part == want for part, want in zip(loc[-len(path) :], path, strict=True))
        value = document.at(loc) if ends else None
        if isinstance(value, str):
            yield loc, value, spot.value


def _untested(written: Written) -> Iterator[Problem]:
    """Conditions that ask for a significance where their measure has no p-values."""
    for condition, keys in written.conditions():
        measure = getattr(condition, "measure", None)
        asked = "significance" in condition.model_fields_set and getattr(condition, "significance", None) is not None
        compared = getattr(condition, "relative_to", "reference") != "reference"
        if asked and isinstance(measure, MeasureName) and naming.known(measure) is None and not measure.is_tested and not compared:
            what = f"{measure} has no p-value to be significant"
            yield Problem(written.place(*keys, "significance"), what, "leave significance: out; min_rows: keeps small windows quiet")


def _calibrated(written: Written) -> Iterator[Problem]:
    """A bound is calibrated to how often the rule fires, so it is the rule's own."""
    for condition, keys in written.conditions():
        if isinstance(condition, Bounded) and condition.value == AUTO and keys != ("when",):
            yield Problem(written.place(*keys, "value"), "value: auto stands inside another condition", "write a number here: watchtower calibrate shows one")


def _spans(written: Written) -> Iterator[Problem]:
    """How long something lasts is counted in evaluations, so rows cannot say it."""
    rule = written.rule
    for name, span in (("hold", rule.hold), ("keep_firing", rule.keep_firing), ("grace", rule.grace)):
        if span.rows is not None:
            yield Problem(written.place(name), f"{name}: rows do not say how long", "write 3 windows, or 5m")
    if rule.hold.windows == 0:
        yield Problem(written.place("hold"), "hold: at least 1 window", "1 window fires at once")


def _conditions(condition: Condition, keys: tuple[str | int, ...]) -> Iterator[tuple[Condition, tuple[str | int, ...]]]:
    yield condition, keys
    for name in type(condition).model_fields:
        value = getattr(condition, name)
        if isinstance(value, Condition):
            yield from _conditions(value, (*keys, name))
        elif isinstance(value, tuple | list):
            for index, each in enumerate(value):
                if isinstance(each, Condition):
                    yield from _conditions(each, (*keys, name, index))
