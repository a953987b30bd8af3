"""A YAML file as plain values, with the place of every key and value."""

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from watchtower.nouns.errors import Problem
from watchtower.nouns.place import Place

try:
    from yaml import CSafeLoader as _Base
except ImportError:  # a PyYAML without libyaml: slower, the same
    from yaml import SafeLoader as _Base  # type: ignore[assignment]

Loc = tuple[str | int, ...]
_ENVIRONMENT = re.compile(r"\$(\$?)\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STRING, _NULL, _BOOL, _INT, _FLOAT = (f"tag:yaml.org,2002:{each}" for each in ("str", "null", "bool", "int", "float"))


class _Loader(_Base):
    """Reads scalars as YAML 1.2 does: `no` and `12:30` are text, `1e-4` is a number, a date is text that a setting may read."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012  PyYAML declares it so; it is filled below and never again


_Loader.add_implicit_resolver(_NULL, re.compile(r"(~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(_BOOL, re.compile(r"(true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver(_INT, re.compile(r"[-+]?[0-9]+$"), list("-+0123456789"))
_DECIMAL = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
_Loader.add_implicit_resolver(_FLOAT, re.compile(rf"({_DECIMAL}|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$"), list("-+.0123456789"))
_READERS: Mapping[str, Callable[[str], Any]] = {
    _NULL: lambda _text: None,
    _BOOL: lambda text: text.lower() == "true",
    _INT: int,
    _FLOAT: lambda text: float(text.lower().replace(".inf", "inf").replace(".nan", "nan")),
}


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a key and its value stand; an entry of a list has only a value."""

    key: Place
    value: Place


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says: *value* of plain dicts, lists and scalars, *spots* by path, and what is wrong with its YAML."""

    file: str
    value: Any
    spots: Mapping[Loc, Spot]
    problems: tuple[Problem, ...] = ()
    sha256: str = ""
    text: str = ""

    def known(self, loc: Loc) -> Loc:
        """*loc* without the parts that the file does not have (tags that validation adds), as far as it goes."""
        found: Loc = ()
        for part in loc:
            if (*found, part) in self.spots:
                found = (*found, part)
        return found

    def place(self, loc: Loc) -> Place:
        """Where the value at *loc* stands, or what of it there is."""
        return self.spots[self.known(loc)].value

    def key_place(self, loc: Loc) -> Place:
        """Where the key at *loc* stands, or what of it there is."""
        return self.spots[self.known(loc)].key

    def at(self, loc: Loc) -> Any:
        """The value at *loc*, which the file has."""
        found = self.value
        for part in loc:
            found = found[part]
        return found

    def plural(self, singular: Mapping[str, str]) -> "Document":
        """The same file, with each key of *singular* read as the list that it is one entry of, where that list is not given itself."""
        here = {one: many for one, many in singular.items() if isinstance(self.value, dict) and one in self.value and many not in self.value}
        value = {here.get(key, key): [each] if key in here else each for key, each in self.value.items()} if here else self.value
        spots = dict(self.spots)
        for loc, spot in self.spots.items():
            if loc and loc[0] in here:
                spots[(here[str(loc[0])], 0, *loc[1:])] = spots.pop(loc)
                spots.setdefault((here[str(loc[0])],), spot)
        return Document(self.file, value, spots, self.problems, self.sha256)


def shown(path: Path) -> str:
    """*path* as an operator would write it here: relative where it is below the working folder."""
    whole = Path(os.path.abspath(path))  # noqa: PTH100  resolve() would follow the links that Kubernetes mounts
    return str(whole.relative_to(Path.cwd())) if whole.is_relative_to(Path.cwd()) else str(whole)


def read_document(path: Path) -> Document:
    """Reads *path*; what is wrong with the file is in the document's problems, never raised."""
    file = shown(path)
    nothing: dict[Loc, Spot] = {(): Spot(Place(file), Place(file))}
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except FileNotFoundError:
        return Document(file, None, nothing, (Problem(Place(file), "there is no such file", "say -c FILE, or write one"),))
    except (OSError, UnicodeDecodeError) as bad:
        said = bad.strerror if isinstance(bad, OSError) else f"it is no UTF-8 text (byte {bad.start})"
        return Document(file, None, nothing, (Problem(Place(file), f"it cannot be read: {said}"),))
    return parse(text, file, hashlib.sha256(raw).hexdigest())


def parse(text: str, file: str, sha256: str = "") -> Document:
    """*text* as a document that calls itself *file*."""
    nothing: dict[Loc, Spot] = {(): Spot(Place(file), Place(file))}
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as bad:
        mark = bad.problem_mark or bad.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
        return Document(file, None, nothing, (Problem(place, f"it is no YAML: {bad.problem}", _hint(text, place)),), sha256)
    except yaml.YAMLError as bad:
        return Document(file, None, nothing, (Problem(Place(file), f"it is no YAML: {' '.join(str(bad).split())}"),), sha256)
    reading = _Reading(file)
    value = reading.read(root, (), None) if root is not None else None
    reading.spots.setdefault((), Spot(Place(file, 1, 1), Place(file, 1, 1)))
    return Document(file, value, reading.spots, tuple(reading.problems), sha256, text)


def _hint(text: str, place: Place) -> str:
    lines = text.splitlines()
    line = lines[place.line - 1] if 0 < place.line <= len(lines) else ""
    return "indent with spaces, not with tabs" if "\t" in line[: len(line) - len(line.lstrip())] else "look at the quotes, brackets and indentation just before"


@dataclass(slots=True)
class _Reading:
    """One walk over the nodes of a file."""

    file: str
    spots: dict[Loc, Spot] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    inside: list[yaml.Node] = field(default_factory=list)

    def read(self, node: yaml.Node, loc: Loc, key: yaml.Node | None) -> Any:
        self.spots[loc] = Spot(self._place(key or node), self._place(node))
        if any(node is each for each in self.inside):
            self._wrong(node, "an alias stands inside what it names")
            return None
        self.inside.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return {name: self.read(value, (*loc, name), key) for name, key, value in self._entries(node)}
            if isinstance(node, yaml.SequenceNode):
                return [self.read(each, (*loc, index), None) for index, each in enumerate(node.value)]
            return self._scalar(node) if isinstance(node, yaml.ScalarNode) else None
        finally:
            self.inside.pop()

    def _entries(self, node: yaml.MappingNode) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        """Names, keys and values; of a repeated key the first one; what `<<` brings in stands behind what is written."""
        seen: dict[str, yaml.Node] = {}
        merged: list[yaml.Node] = []
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._wrong(key, "a key must be a plain word")
            elif key.value == "<<" and not key.style:
                merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
            elif key.value in seen:
                self._wrong(key, f"key {key.value!r} stands twice", f"it stands at line {seen[key.value].start_mark.line + 1} already")
            else:
                seen[key.value] = key
                yield key.value, key, value
        for other in merged:
            if not isinstance(other, yaml.MappingNode) or any(other is each for each in self.inside):
                self._wrong(other, "<< takes an alias of a mapping")
                continue
            for name, key, value in self._entries(other):
                if name not in seen:
                    seen[name] = key
                    yield name, key, value

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        if node.tag == _STRING:
            return _ENVIRONMENT.sub(lambda found: self._variable(node, found), node.value)
        if node.tag not in _READERS:
            self._wrong(node, f"unknown tag {node.tag.replace('tag:yaml.org,2002:', '!!')}", "write the value without a tag")
            return None
        try:
            return _READERS[node.tag](node.value)
        except ValueError:
            self._wrong(node, f"{node.value[:40]!r} cannot be read as a number")
            return None

    def _variable(self, node: yaml.Node, found: re.Match[str]) -> str:
        escaped, name = found.groups()
        if escaped:
            return f"${{{name}}}"
        if not _NAME.fullmatch(name):
            self._wrong(node, f"${{{name}}} names no environment variable", f"write ${{NAME}}, or $${{{name}}} for the text itself")
        elif name not in os.environ:
            self._wrong(node, f"the environment has no {name}", f"export {name}=…, or write $${{{name}}} for the text itself")
        return os.environ.get(name, "")

    def _wrong(self, node: yaml.Node, what: str, advice: str = "") -> None:
        self.problems.append(Problem(self._place(node), what, advice))

    def _place(self, node: yaml.Node) -> Place:
        return Place(self.file, node.start_mark.line + 1, node.start_mark.column + 1)
