"""Pictures by reference, read again through fsspec and brought to the model's size: in the trial's child, bounded in bytes, pixels and time."""

import io
import posixpath
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import IO, Protocol
from urllib.parse import urlsplit

import numpy as np

from watchtower.core.pictures import Pixels
from watchtower.edges.http import get
from watchtower.nouns.batch import Column, TextColumn
from watchtower.nouns.errors import ShadowError, Unavailable
from watchtower.nouns.inputs import ImageSettings

_INSTALL = "pictures by reference need fsspec and pillow, which are not installed: pip install 'watchtower-ml[images]'"
_AT_ONCE, OK = 8, 200
MOST_PIXELS = 50_000_000
"""A picture with more is not decoded: a small file can hold a huge one."""
_MODES = {"rgb": "RGB", "bgr": "RGB", "gray": "L"}


class Files(Protocol):
    """What we use of ``fsspec``, which has no types of its own."""

    def open(self, address: str) -> IO[bytes]:
        """A file to read; OSError and others where it cannot be."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """The pictures of *rows* that could be had, uint8[len(rows), height, width, channels], and why the others could not (row -> reason)."""

    rows: np.typing.NDArray[np.int64]
    pixels: Pixels
    missing: Mapping[int, str]


def read(column: Column | None, settings: ImageSettings, count: int) -> Shown:
    """The pictures that *column* of *count* rows refers to. They are kept in a file, since thousands would fill the memory.

    ShadowError where a package is missing, or the feature holds no addresses. A picture that cannot be had is a missing row, never a black one.
    """
    files = _files()
    addresses = _addresses(column, settings, count)
    channels = 1 if settings.colors == "gray" else 3
    with tempfile.TemporaryFile(prefix="watchtower-pictures-") as spool:
        shape = (count, *settings.size, channels)
        pixels: Pixels = np.memmap(spool, dtype=np.uint8, mode="w+", shape=shape) if count else np.zeros(shape, dtype=np.uint8)
    had: list[int] = []
    missing: dict[int, str] = {}
    # a thread that hangs in somebody's driver is left behind: it ends with the child
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="pictures")
    for start in range(0, count, _AT_ONCE):
        tasks = {row: pool.submit(_picture, files, addresses[row], settings) for row in range(start, min(start + _AT_ONCE, count)) if addresses[row]}
        missing |= {row: _absent(column, row) for row in range(start, min(start + _AT_ONCE, count)) if not addresses[row]}
        hung = _take(tasks, settings.within.total_seconds(), pixels, had, missing)
        if hung:
            pool.shutdown(wait=False, cancel_futures=True)
            pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="pictures")
    pool.shutdown(wait=False, cancel_futures=True)
    return Shown(np.array(had, dtype=np.int64), pixels[: len(had)], missing)


def _absent(column: Column | None, row: int) -> str:
    logged = isinstance(column, TextColumn) and column.codes[row] >= 0
    return "it lies beneath none of the roots" if logged else "no address was logged"


def _take(tasks: Mapping[int, "Future[Pixels]"], seconds: float, pixels: Pixels, had: list[int], missing: dict[int, str]) -> bool:
    """Waits for *tasks*, all at once, and puts what comes behind what was *had*; whether one did not come in time."""
    wait(tasks.values(), timeout=seconds)
    hung = False
    for row, task in tasks.items():
        if not task.done():
            hung = True
            missing[row] = f"it did not come within {seconds:g} s"
            continue
        error = task.exception()
        if error is None:
            pixels[len(had)] = task.result()
            had.append(row)
        else:
            missing[row] = _said(error)
    return hung


def _picture(files: Files, address: str, settings: ImageSettings) -> Pixels:
    """One picture in the settings' size and colours."""
    from PIL import Image  # noqa: PLC0415  an extra

    blob = _bytes(files, address, settings)
    if len(blob) > settings.most_bytes:
        msg = f"it is larger than {settings.most_bytes:,} bytes"
        raise ValueError(msg)
    with Image.open(io.BytesIO(blob)) as image:
        width, height = image.size
        if width * height > MOST_PIXELS:
            msg = f"it is {width} x {height} pixels, more than {MOST_PIXELS:,}"
            raise ValueError(msg)
        found = image.convert(_MODES[settings.colors])
    tall, wide = settings.size
    if settings.resize is None:
        found = found.resize((wide, tall), Image.Resampling.BILINEAR)
    else:
        share = settings.resize / min(width, height)
        found = found.resize((max(wide, round(width * share)), max(tall, round(height * share))), Image.Resampling.BILINEAR)
        left, top = (found.width - wide) // 2, (found.height - tall) // 2
        found = found.crop((left, top, left + wide, top + tall))
    pixels = np.asarray(found, dtype=np.uint8).reshape(tall, wide, -1)
    return pixels[:, :, ::-1] if settings.colors == "bgr" else pixels


def _bytes(files: Files, address: str, settings: ImageSettings) -> bytes:
    """The file at *address*, at most one byte more than it may have. A server that sends us elsewhere is not followed: that may be beneath no root."""
    if urlsplit(address).scheme.lower() in {"http", "https"}:
        answer = get(address, {}, seconds=settings.within.total_seconds(), largest=settings.most_bytes)
        if answer.status != OK:
            msg = f"the server answered {answer.status}"
            raise ValueError(msg)
        return answer.body
    with files.open(address) as file:
        return file.read(settings.most_bytes + 1)


def _addresses(column: Column | None, settings: ImageSettings, count: int) -> Sequence[str]:
    """Each row's address, "" where there is none or it is not allowed."""
    if column is None:
        return [""] * count
    if not isinstance(column, TextColumn):
        msg = f"feature {settings.feature} holds no addresses of pictures, but numbers"
        raise ShadowError(msg)
    located = [*(locate(name, settings.roots) for name in column.names), ""]
    return [located[code] for code in column.codes.tolist()]


def locate(reference: str, roots: Sequence[str]) -> str:
    """*reference* as an address beneath one of *roots*: itself, or beneath the first where it is relative; "" where it lies elsewhere."""
    relative = "://" not in reference and not reference.startswith("/")
    whole = f"{roots[0].rstrip('/')}/{reference}" if relative else reference
    place = _place(whole)
    return whole if place is not None and any(_beneath(place, _place(root)) for root in roots) else ""


def _place(address: str) -> tuple[str, str] | None:
    """Scheme with host, and the path: of a local file the real one; None where it climbs out of itself or chains other addresses."""
    if "://" not in address:
        return "file://", str(Path(address).resolve())
    parts = urlsplit(address)
    if parts.scheme == "file":
        return "file://", str(Path(parts.path).resolve())
    if ".." in parts.path.split("/") or "::" in address or "%" in parts.path or "@" in parts.netloc:
        return None
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}", posixpath.normpath(parts.path or "/")


def _beneath(place: tuple[str, str], root: tuple[str, str] | None) -> bool:
    return root is not None and place[0] == root[0] and (place[1] == root[1] or place[1].startswith(root[1].rstrip("/") + "/"))


def _said(error: BaseException) -> str:
    """One line, without addresses: they may hold tokens."""
    if isinstance(error, FileNotFoundError):
        return "it is not there"
    return (str(error).partition("\n")[0][:200] if isinstance(error, ValueError | Unavailable) else "") or type(error).__name__


def _files() -> Files:
    try:
        import fsspec  # noqa: PLC0415  an extra
        import PIL.Image  # noqa: F401, PLC0415  an extra
    except ImportError as missing:
        raise ShadowError(_INSTALL) from missing
    opened: Files = _Fsspec(fsspec)
    return opened


class _Fsspec:
    """fsspec as Files."""

    def __init__(self, package: ModuleType) -> None:
        self._package = package

    def open(self, address: str) -> IO[bytes]:
        """The opened file."""
        opened: IO[bytes] = self._package.open(address, "rb").open()
        return opened
