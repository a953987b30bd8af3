"""Versions in an MLflow model registry, with what their runs say of them. Plain REST; files by the server's own proxy, else by fsspec."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import yaml
from pydantic import Field, JsonValue

from watchtower.core import converters
from watchtower.edges.mlflow import Json, MlflowAccess, MlflowServer, mapping
from watchtower.model_stores import Artefact, ModelStore
from watchtower.model_stores._cache import Cache, CacheSettings, Entry
from watchtower.model_stores._files import artefact_at, check_name, header_of
from watchtower.model_stores._mlflow_runs import described
from watchtower.model_stores._remote import Folder
from watchtower.nouns.errors import ShadowError, Unavailable

MLMODEL = "MLmodel"
_LOCAL = re.compile(r"^(file:|/)")
_SPELLED = re.compile(r"(?:models:/)?(?P<name>[^/@]*?)[/@]?(?P<version>[^/@]+)")


class Mlflow(MlflowAccess, ModelStore):
    """A registered model; its versions are the registry's numbers, and wherever a version is named its alias may be (`champion`, `models:/fraud@champion`)."""

    options: Mapping[str, JsonValue] = Field(default_factory=dict)
    """What fsspec's protocol takes, where the artefacts lie in a store that the server does not hand out itself; secrets belong into its own environment."""
    cache: CacheSettings = Field(default_factory=CacheSettings, validate_default=True)
    """Where artefacts are kept on this machine."""

    def open(self) -> "MlflowSession":
        """Looks at nothing yet."""
        return MlflowSession(self.server(ShadowError), self.registered, Cache(Path(self.cache.path), self.cache.max_bytes), self.options)


class MlflowSession:
    """An open registry."""

    def __init__(self, server: MlflowServer, model: str, cache: Cache, options: Mapping[str, JsonValue]) -> None:
        self._server, self._model, self._cache, self._options = server, model, cache, options

    def versions(self) -> Sequence[str]:
        """The numbers of the versions whose artefacts are there (READY), smallest first; ShadowError where the registry cannot be asked."""
        try:
            found = self._server.versions(self._model)
        except Unavailable as away:
            raise _away(away) from None
        return tuple(sorted((str(each.get("version")) for each in found if each.get("status") == "READY"), key=lambda each: (len(each), each)))

    def created(self, version: str) -> datetime | None:
        """When the version was registered; None where that cannot be had."""
        try:
            found = self._server.version(self._model, self.number(version))
        except (Unavailable, ShadowError):
            return None
        return None if found is None else _created(found)

    def fetch(self, version: str) -> Artefact:
        """The artefact of the ONNX flavour, with what the registry and its run say of it; where the server is away, what was fetched of that number before.

        ShadowError where there is no such version, where it is no ONNX model (it names the converter), or where its files cannot be had.
        """
        try:
            entry = self._fetched(version)
        except Unavailable as away:
            kept = self._cache.kept(self._key(version), None) if version.isdecimal() else None  # an alias may name another version by now
            if kept is None:
                raise _away(away) from None
            entry = kept
        note = dict(entry.note)
        path = entry.folder / str(note.pop("data"))
        return artefact_at(path, version, note, _moment(note.get("created")))

    def number(self, version: str) -> str:
        """The registry's number of *version*: itself, or what an alias names. ShadowError where it names another model, or there is no such alias."""
        spelled = _SPELLED.fullmatch(version)
        if spelled is None or spelled["name"] not in {"", self._model}:
            msg = f"version {version!r} names no version of the registered model {self._model}"
            raise ShadowError(msg)
        if spelled["version"].isdecimal():
            return spelled["version"]
        aliases = self._server.aliases(self._model)
        if aliases is None or spelled["version"] not in aliases:
            known = ", ".join(aliases or ()) or "(none)"
            msg = f"{self._named(spelled['version'])} is not there: it is neither a version's number nor one of the aliases {known}"
            raise ShadowError(msg)
        return aliases[spelled["version"]]

    def _fetched(self, version: str) -> Entry:
        """From the cache where the registry's version is the one that was put there; Unavailable where the server is away."""
        number = self.number(version)
        found = self._server.version(self._model, number)
        if found is None:
            msg = f"{self._named(number)} is not there: it was deleted, or never registered"
            raise ShadowError(msg)
        if found.get("status", "READY") != "READY":
            msg = f"{self._named(number)} is {found.get('status')}: {found.get('status_message') or 'its artefacts are not whole'}"
            raise ShadowError(msg)
        place = _Place(self._server, self._server.download_uri(self._model, number), self._options, self._named(number))
        note = {**described(found, self._server.run(str(found["run_id"])) if found.get("run_id") else None), "source": place.uri}
        key, stamp = self._key(number), json.dumps([number, found.get("creation_timestamp"), place.uri, place.stamps()], sort_keys=True)
        kept = self._cache.kept(key, stamp)
        if kept is not None:
            return Entry(kept.folder, kept.stamp, {**note, "data": kept.note["data"]})
        data = place.data()
        return self._cache.filled(key, stamp, {**note, "data": data}, lambda folder: place.download(data, folder, self._cache))

    def _key(self, number: str) -> str:
        return f"{self._server.origin}/{self._model}/{number}"

    def _named(self, number: str) -> str:
        return f"version {number} of {self._model} at {self._server.origin}"


class _Place:
    """Where a version's files lie: behind the server's proxy, on this machine, or at any other address."""

    def __init__(self, server: MlflowServer, uri: str, options: Mapping[str, JsonValue], named: str) -> None:
        self.uri, self._server, self._named = uri, server, named
        self._proxied = server.proxies(uri)
        self._here = Path(unquote(urlsplit(uri).path)) if _LOCAL.match(uri) else None
        self._far = Folder.at(uri, options)

    def stamps(self) -> Mapping[str, object]:
        """Files, and what changes when they do; ShadowError where there are none."""
        if self._proxied:
            found: Mapping[str, object] = self._server.artefacts(self.uri)
        elif self._here is not None:
            found = {path.name: [path.stat().st_size, path.stat().st_mtime_ns] for path in sorted(self._here.glob("*")) if path.is_file()}
        else:
            found = self._far.stamps()
        if MLMODEL not in found:
            raise self._lost(MLMODEL)
        return found

    def data(self) -> str:
        """The ONNX flavour's file; ShadowError names the converter where there is none."""
        try:
            found = yaml.safe_load(self._text(MLMODEL))
        except yaml.YAMLError as bad:
            msg = f"the file {MLMODEL} of {self._named} cannot be read: {str(bad).partition(chr(10))[0]}"
            raise ShadowError(msg) from bad
        flavors = mapping(mapping(found).get("flavors"))
        if "onnx" not in flavors:
            msg = f"{self._named} is no ONNX model (flavours: {', '.join(map(str, flavors)) or 'none'}): it {converters.of_flavors(map(str, flavors))}"
            raise ShadowError(msg)
        data = str(mapping(flavors["onnx"]).get("data") or "model.onnx")
        check_name(data, self._named)
        return data

    def download(self, data: str, into: Path, cache: Cache) -> None:
        """The model's file, and those beside it that hold its tensors."""
        self._save([data], into, cache)
        folder = PurePosixPath(data).parent
        self._save([str(folder / name) for name in header_of(into / data, self._named).external], into, cache)

    def _save(self, names: Sequence[str], into: Path, cache: Cache) -> None:
        for name in names:
            check_name(name, self._named)
        if self._proxied:
            for name in names:
                self._server.download(self.uri, name, into / name, largest=cache.max_bytes)
        elif self._here is not None:
            for name in names:
                self._copy(self._here / name, into / name)
        elif names:
            self._far.download(names, into)

    def _copy(self, path: Path, into: Path) -> None:
        into.parent.mkdir(parents=True, exist_ok=True)
        try:
            into.write_bytes(path.read_bytes())
        except OSError as bad:
            raise self._lost(path.name) from bad

    def _text(self, name: str) -> bytes:
        if self._proxied:
            return self._server.text(self.uri, name)
        if self._here is None:
            return self._far.text(name)
        try:
            return (self._here / name).read_bytes()
        except OSError as bad:
            raise self._lost(name) from bad

    def _lost(self, name: str) -> ShadowError:
        return ShadowError(f"{self._named} has no {name} at {self.uri or 'any address'}: its artefacts are gone, or this machine cannot see them")


def _created(found: Json) -> datetime | None:
    return _moment(described(found, None).get("created"))


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value)).astimezone(UTC)
    except ValueError:
        return None


def _away(away: Unavailable) -> ShadowError:
    return ShadowError(f"the model registry cannot be asked: {away}")
