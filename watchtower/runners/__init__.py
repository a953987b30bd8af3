"""Re-run logged inputs on a version."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from watchtower.core.inputs import InputSpec
from watchtower.kinds import Kind
from watchtower.model_stores import Artefact


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """Answers of one run.

    *arrays* by output name as the model gives them; *batch_seconds* float64[batches]; *provider* what really ran; *memory_bytes* 0 if unknown.
    *columns* names the columns of outputs whose columns have names (a map of class to probability).
    """

    arrays: Mapping[str, NDArray[np.generic]]
    batch_seconds: NDArray[np.float64]
    provider: str
    memory_bytes: int = 0
    deterministic: bool = True
    columns: Mapping[str, tuple[object, ...]] = field(default_factory=dict)


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
    """Whether it opens the bytes of a version's artefact; else (a live endpoint) it gets one without: version, "" as digest, `model` in its metadata."""

    @abstractmethod
    def open(self, artefact: Artefact, device: str) -> RunnerSession:
        """Loads verified bytes on *device* (auto | cpu | cuda); ShadowError where it cannot, or where cuda was asked and something else runs."""
