"""Re-runs versions where they are served: any endpoint that speaks the Open Inference Protocol (v2), over HTTP or gRPC."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from watchtower.core.inputs import InputSpec, rows_at_once
from watchtower.edges.secrets import Secret
from watchtower.model_stores import Artefact
from watchtower.nouns.errors import ShadowError, Unavailable
from watchtower.nouns.written import Duration, Frozen, PathText
from watchtower.runners import Outputs, Runner
from watchtower.runners._open_inference import NAME_OF, SCHEMES, TYPE_OF, Endpoint, Where, specs_of, where
from watchtower.runners._open_inference_grpc import Grpc
from watchtower.runners._open_inference_rest import Rest

PROVIDER = "open_inference"
_BYTES, _MOST = 1_000_000, 256
_LONGEST_PAUSE = 5.0
T = TypeVar("T")


def _address(url: str) -> str:
    if where(url, "model", "1") is None:
        msg = f"{url!r} is no address of the protocol: write {'://, '.join(SCHEMES)}://HOST:PORT/v2/models/MODEL/versions/{{version}}"
        raise ValueError(msg)
    if "{version}" not in url:
        msg = "the address must hold {version}: every version would be asked at the same place, and none would be told from another"
        raise ValueError(msg)
    return url


def _known(kind: str) -> str:
    if kind not in TYPE_OF:
        msg = f"{kind!r} is no type of the protocol: {', '.join(TYPE_OF)}"
        raise ValueError(msg)
    return kind


class TensorSettings(Frozen):
    """An input of the served model, where its metadata does not say it."""

    type: Annotated[str, AfterValidator(_known)]
    """As the protocol writes it: FP32, INT64, BYTES, …"""
    shape: tuple[int, ...] = Field(min_length=1)
    """With the axis for rows; -1 is free."""


class OpenInference(Runner):
    """A live endpoint of each version. Nothing is loaded here: no artefact is needed, and times are those of the network."""

    NEEDS_ARTEFACT: ClassVar[bool] = False

    url: Annotated[str, AfterValidator(_address)]
    """Where a version is served: http, https, grpc or grpcs; `{version}` and, if wanted, `{model}` are filled in."""
    token_file: PathText | None = None
    """A bearer token for it; read again when it changes."""
    tensors: dict[str, TensorSettings] = Field(default_factory=dict)
    """The inputs, where the endpoint's metadata names none."""
    binary: bool | None = None
    """HTTP only: tensors as bytes behind the JSON; left out: where the server says that it reads them."""
    missing: Literal["refuse", "null"] = "refuse"
    """HTTP without `binary`: how a missing number is written, for which JSON has no word."""
    batch: int | None = Field(default=None, ge=1, le=65536)
    """Rows in one call, where the model does not fix it; left out: as many as fit a megabyte, at most 256."""
    rows_per_second: float | None = Field(default=None, gt=0)
    """The endpoint also serves others: no more rows than this are sent a second."""
    within: Duration = timedelta(seconds=30)
    """How long one answer may take."""
    patience: Duration = timedelta(seconds=30)
    """How long a call is tried again where the endpoint is busy (429, 503, RESOURCE_EXHAUSTED) or away."""

    def open(self, artefact: Artefact, device: str) -> "OpenInferenceSession":
        """Asks whether the version is served and what it takes; ShadowError says which endpoint answered what where it is not."""
        if device == "cuda":
            msg = "device: cuda cannot be demanded of a live endpoint, which runs where it runs: leave device: out"
            raise ShadowError(msg)
        place = where(self.url, str(artefact.metadata.get("model", "")), artefact.version)
        if place is None:
            msg = f"version {artefact.version} makes no address of {self.url}"
            raise ShadowError(msg)
        session = OpenInferenceSession(artefact.version, place, self._endpoint(place), self)
        try:
            session.begin()
        except ShadowError:
            session.close()
            raise
        return session

    def _endpoint(self, place: Where) -> Endpoint:
        headers: dict[str, str] = {}
        if self.token_file is not None:
            try:
                headers["Authorization"] = f"Bearer {Secret(None, Path(self.token_file)).get()}"
            except Unavailable as unread:
                raise ShadowError(str(unread)) from unread
        if place.scheme.startswith("grpc"):
            return Grpc(place, headers, self.within.total_seconds())
        return Rest(place, headers, self.within.total_seconds(), binary=self.binary, nulls=self.missing == "null")


@dataclass(slots=True)
class OpenInferenceSession:
    """A served version."""

    version: str
    place: Where
    endpoint: Endpoint
    settings: OpenInference
    _specs: tuple[InputSpec, ...] = ()
    _free_at: float = field(default=0.0)

    def begin(self) -> None:
        """Learns what the version takes; ShadowError where it is not served."""
        try:
            self._patiently(self.endpoint.ready)
            said = self._patiently(self.endpoint.metadata)
        except ShadowError as error:
            msg = f"version {self.version} is not served: {error}"
            raise ShadowError(msg) from error
        own = [(name, each.type, list(each.shape)) for name, each in self.settings.tensors.items()]
        self._specs = specs_of(own) if own else tuple(said)
        if not self._specs:
            msg = f"version {self.version}: the metadata of {self.place} names no inputs; say them with tensors: {{NAME: {{type: FP32, shape: [-1, …]}}}}"
            raise ShadowError(msg)

    def inputs(self) -> Sequence[InputSpec]:
        """What the endpoint says that the model wants."""
        return self._specs

    def run(self, inputs: Mapping[str, NDArray[np.generic]]) -> Outputs:
        """Runs all rows, in calls of some; the time of a call is that of its last try, the network included."""
        rows = next((len(values) for values in inputs.values() if values.ndim), 0)
        fixed = rows_at_once(self._specs)
        batch = fixed or self.settings.batch or _rows_in_one_call(inputs, rows)
        pieces, seconds = [], []
        for start in range(0, rows, batch):
            count = min(batch, rows - start)
            piece = {name: _padded(values[start : start + batch], (fixed or count) - count) if values.ndim else values for name, values in inputs.items()}
            self._wait_for_room(count)
            found, took = self._patiently(lambda piece=piece: self._timed(piece))  # type: ignore[misc]
            pieces.append(self._checked(found, fixed or count, count))
            seconds.append(took)
        arrays = {name: np.concatenate([piece[name] for piece in pieces if name in piece]) for name in (pieces[0] if pieces else ())}
        return Outputs(
            arrays, np.array(seconds), PROVIDER, note=f"asked over the network ({self.place.scheme}): times hold the way there and whatever else it serves"
        )

    def close(self) -> None:
        """Lets go of the connection."""
        self.endpoint.close()

    def _timed(self, piece: Mapping[str, NDArray[np.generic]]) -> tuple[dict[str, NDArray[np.generic]], float]:
        names = {spec.name: NAME_OF[spec.type] for spec in self._specs}
        began = time.perf_counter()
        found = self.endpoint.infer(piece, names)
        return found, time.perf_counter() - began

    def _checked(self, found: Mapping[str, NDArray[np.generic]], asked: int, rows: int) -> dict[str, NDArray[np.generic]]:
        for name, array in found.items():
            if array.ndim == 0 or len(array) != asked:
                msg = f"{self.place} answered output {name} of shape {list(array.shape)} for {asked} rows"
                raise ShadowError(msg)
        if not found:
            msg = f"{self.place} answered no outputs"
            raise ShadowError(msg)
        return {name: array[:rows] for name, array in found.items()}

    def _patiently(self, call: Callable[[], T]) -> T:
        """Tries again, ever more slowly, where the endpoint is busy or away; ShadowError once patience is over."""
        until, pause = time.monotonic() + self.settings.patience.total_seconds(), 0.1
        while True:
            try:
                return call()
            except Unavailable as busy:
                if time.monotonic() + pause > until:
                    msg = f"{busy} (tried for {self.settings.patience.total_seconds():g} s)"
                    raise ShadowError(msg) from busy
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _wait_for_room(self, rows: int) -> None:
        if self.settings.rows_per_second is None:
            return
        now = time.monotonic()
        time.sleep(max(0.0, self._free_at - now))
        self._free_at = max(self._free_at, now) + rows / self.settings.rows_per_second


def _rows_in_one_call(inputs: Mapping[str, NDArray[np.generic]], rows: int) -> int:
    width = sum(values.nbytes for values in inputs.values()) / max(1, rows)
    return max(1, min(_MOST, int(_BYTES / max(1.0, width))))


def _padded(values: NDArray[np.generic], short: int) -> NDArray[np.generic]:
    """A model that fixes the number of rows gets the last one again."""
    return np.concatenate([values, np.repeat(values[-1:], short, axis=0)]) if short > 0 else values


__all__ = ["OpenInference", "OpenInferenceSession", "TensorSettings"]
