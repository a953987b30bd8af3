"""Re-run logged inputs on a version."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from watchtower.core.headroom import DeviceState
from watchtower.core.inputs import InputSpec
from watchtower.kinds import Kind
from watchtower.model_stores import Artefact


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """Answers of one run.

    *arrays* by output name as the model gives them; *batch_seconds* float64[batches]; *provider* what really ran; *memory_bytes* 0 if unknown.
    *columns* names the columns of outputs whose columns have names (a map of class to probability). *note* is what to know about how it ran.
    """

    arrays: Mapping[str, NDArray[np.generic]]
    batch_seconds: NDArray[np.float64]
    provider: str
    memory_bytes: int = 0
    deterministic: bool = True
    columns: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Room:
    """Where versions may run now: on *device*, with a *note* where that is another than was asked; *waits* says why they may not ("" if they may)."""

    device: str
    note: str = ""
    waits: str = ""


class DeviceMeter(Protocol):
    """Samples a device while versions run on it."""

    def state(self) -> DeviceState:
        """As it is now; Unavailable where it cannot be asked."""

    def close(self) -> None:
        """Lets go of it."""


class RunnerSession(Protocol):
    """A loaded model."""

    def inputs(self) -> Sequence[InputSpec]:
        """What the model wants."""

    def run(self, inputs: Mapping[str, NDArray[np.generic]]) -> Outputs:
        """Runs all rows, in batches; ShadowError names the input, its type and its shape where it does not fit."""

    def close(self) -> None:
        """Gives memory back."""


class Runner(Kind):
    """Frozen settings of one way to re-run a model."""

    NEEDS_ARTEFACT: ClassVar[bool] = True
    """Whether it opens the bytes of a version's artefact; else (a live endpoint) it gets one of none: version, a digest of its settings, metadata `model`."""

    @abstractmethod
    def open(self, artefact: Artefact, device: str) -> RunnerSession:
        """Loads verified bytes on *device* (auto | cpu | cuda); ShadowError where it cannot, or where cuda was asked and something else runs."""

    @property
    def inexact(self) -> bool:
        """Whether answers are rounded more than the tolerance's default allows, so that one must be declared."""
        return False

    def room(self, artefacts: Sequence[Artefact], device: str) -> Room:
        """Whether *artefacts* may be loaded and run on *device* now, beside what it serves; ShadowError where that cannot be told."""
        del artefacts
        return Room(device)

    def meter(self) -> DeviceMeter | None:
        """What samples the device while versions run; None where nothing does."""
        return None
