"""Files behind any fsspec address (``s3://…``, ``gs://…``, ``abfs://…``).

A child process asks, so that a far end that hangs holds nobody, and none of its libraries stays in memory. ``memory://`` lives in the process that wrote
it, so it is asked in this one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Protocol, cast
from weakref import finalize

from pydantic import JsonValue

from watchtower.edges.children import Child
from watchtower.model_stores._files import check_name
from watchtower.nouns.errors import ShadowError

_INSTALL = "models behind an address need fsspec, which is not installed: pip install 'watchtower-ml[fsspec]' and the package of its protocol, such as s3fs"
_MOST = 10_000
_ADDRESSES = ("::", "?", "#")
"""What chains fsspec's file systems, or ends a path for some of them."""
_LARGEST_TEXT = 1_000_000
_CHANGING = ("ETag", "etag", "md5Hash", "content_md5", "checksum", "LastModified", "last_modified", "updated", "mtime", "created")
_PERFORM = "watchtower.model_stores._remote:perform"


class _FileSystem(Protocol):
    """What we use of ``fsspec.AbstractFileSystem``, which has no types of its own."""

    def ls(self, path: str, detail: bool) -> Sequence[Mapping[str, object]]: ...  # noqa: FBT001  fsspec's own
    def find(self, path: str, detail: bool) -> Mapping[str, Mapping[str, object]]: ...  # noqa: FBT001  fsspec's own
    def cat_file(self, path: str) -> bytes: ...
    def get_file(self, path: str, into: str) -> None: ...


@dataclass(frozen=True)
class Folder:
    """A folder far away, for one thread. *options* are those of fsspec's protocol. Use :meth:`at`: its child ends with the folder."""

    url: str
    options: Mapping[str, JsonValue]
    time_limit: timedelta
    child: Child

    @classmethod
    def at(cls, url: str, options: Mapping[str, JsonValue], time_limit: timedelta = timedelta(minutes=5)) -> "Folder":
        """Prepares; asks nothing yet."""
        child = Child()
        made = cls(url, options, time_limit, child)
        finalize(made, child.close)
        return made

    def inside(self, name: str) -> "Folder":
        """The folder *name* in it, for as long as this one is there; ShadowError where the name, which comes from logs, would make it another address."""
        if any(each in name for each in _ADDRESSES):
            msg = f"version {name!r} names no folder of {self.shown()}"
            raise ShadowError(msg)
        return replace(self, url=f"{self.url.rstrip('/')}/{name}")

    def shown(self) -> str:
        """Its address without secrets."""
        return shown(self.url)

    def names(self) -> Sequence[str]:
        """What lies directly in it; empty where it is not there. ShadowError where it cannot be read."""
        return cast("Sequence[str]", self._ask("names"))

    def tree(self) -> Mapping[str, Sequence[str]]:
        """The folders in it -> what lies directly in each; empty where it is not there. ShadowError as above."""
        return cast("Mapping[str, Sequence[str]]", self._ask("tree"))

    def stamps(self) -> Mapping[str, tuple[int, str]]:
        """Every file in it and below, by its path in it -> (bytes, what changes when it does); empty where it is not there. ShadowError as above."""
        return cast("Mapping[str, tuple[int, str]]", self._ask("stamps"))

    def text(self, name: str) -> bytes:
        """A small file; ShadowError where it cannot be read, or is none."""
        return cast("bytes", self._ask("text", (name,)))

    def download(self, names: Sequence[str], into: Path) -> None:
        """Writes files under the same names into the folder *into*; ShadowError where one cannot be had."""
        self._ask("download", tuple(names), into)

    def _ask(self, what: str, names: tuple[str, ...] = (), into: Path | None = None) -> object:
        asked = Asked(self.url, dict(self.options), what, names, into)
        if self.url.startswith("memory:"):
            return perform(asked)
        return self.child.call(_PERFORM, asked, time_limit=self.time_limit)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the child is asked."""

    url: str
    options: Mapping[str, JsonValue]
    what: str
    names: tuple[str, ...] = ()
    into: Path | None = None


def perform(asked: object) -> object:
    """Does what is *asked*; ShadowError in words without the options, which may be secret."""
    assert isinstance(asked, Asked)
    try:
        import fsspec  # noqa: PLC0415  an extra
    except ImportError as missing:
        raise ShadowError(_INSTALL) from missing
    try:
        system, root = fsspec.core.url_to_fs(asked.url, **asked.options)
        return _performed(asked, cast("_FileSystem", system), root.rstrip("/"))
    except ShadowError:
        raise
    except ImportError as missing:  # fsspec says which package its protocol needs
        msg = f"{shown(asked.url)} cannot be read: {_line(missing)}"
        raise ShadowError(msg) from missing
    except Exception as bad:  # noqa: BLE001  each protocol has errors of its own
        msg = f"{shown(asked.url)} cannot be read: {type(bad).__name__}: {_line(bad)}"
        raise ShadowError(msg) from None


def _performed(asked: Asked, system: _FileSystem, root: str) -> object:
    match asked.what:
        case "names":
            return tuple(name for name, _ in _listed(system, root))
        case "tree":
            return {name: [each for each, _ in _listed(system, f"{root}/{name}")] for name, kind in _listed(system, root) if kind == "directory"}
        case "stamps":
            return _stamps(system, root)
        case "text":
            return system.cat_file(f"{root}/{asked.names[0]}")[:_LARGEST_TEXT]
        case _:
            assert asked.into is not None
            for name in asked.names:
                check_name(name, root)
                (asked.into / name).parent.mkdir(parents=True, exist_ok=True)
                system.get_file(f"{root}/{name}", str(asked.into / name))
            return None


def _listed(system: _FileSystem, root: str) -> list[tuple[str, object]]:
    """(name, "file" or "directory") of what lies in *root*."""
    try:
        found = system.ls(root, detail=True)
    except FileNotFoundError:
        return []
    return [(str(each["name"]).rstrip("/").rpartition("/")[2], each["type"]) for each in found[:_MOST]]


def _stamps(system: _FileSystem, root: str) -> dict[str, tuple[int, str]]:
    try:
        found = system.find(root, detail=True)
    except FileNotFoundError:
        return {}
    if len(found) > _MOST:
        msg = f"{root} holds {len(found):,} files: is it a folder of one version?"
        raise ShadowError(msg)
    return {path[len(root) + 1 :]: (int(cast("int", each.get("size") or 0)), _stamp(each)) for path, each in found.items() if path.startswith(f"{root}/")}


def _stamp(listed: Mapping[str, object]) -> str:
    """What of a listing changes when the file does: its ETag, else its digest, else its time."""
    return next((f"{name}={listed[name]}" for name in _CHANGING if listed.get(name)), "")


def shown(url: str) -> str:
    """*url* without a user and password in it."""
    scheme, mark, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}"


def _line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300] or type(error).__name__
