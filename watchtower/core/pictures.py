"""Pictures as an input wants them, made of some rows at a time: all of them at once would fill the memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from watchtower.core.tensors import TYPES, InputSpec, Tensor
from watchtower.nouns.errors import ShadowError
from watchtower.nouns.inputs import ImageSettings

Pixels = NDArray[np.uint8]
"""uint8[rows, height, width, channels], in the settings' colours."""


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """The input *spec* of many rows; a slice of it is a tensor."""

    spec: InputSpec
    settings: ImageSettings
    pixels: Pixels

    def __post_init__(self) -> None:
        """ShadowError where the input takes no such pictures."""
        height, width, channels = self.pixels.shape[1:]
        axes = (channels, height, width) if self.settings.layout == "nchw" else (height, width, channels)
        own = self.spec.shape[1:]
        fits = len(own) == len(axes) and all(not isinstance(each, int) or each in {axis, -1, 0} for each, axis in zip(own, axes, strict=True))
        if self.spec.type not in TYPES or self.spec.type in {"tensor(bool)", "tensor(int8)"} or not fits:
            msg = f"{self.spec} does not take pictures of shape [N, {', '.join(map(str, axes))}] ({self.settings.layout})"
            raise ShadowError(msg)

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, rows: slice) -> Tensor:
        """These rows in the input's type and the settings' layout: (value x scale - mean) / std, or the values as they are for whole numbers."""
        pixels, dtype = np.asarray(self.pixels[rows]), np.dtype(TYPES[self.spec.type])
        if np.issubdtype(dtype, np.floating):
            mean, std = np.array(self.settings.mean, dtype=np.float32), np.array(self.settings.std, dtype=np.float32)
            values = ((pixels.astype(np.float32) * np.float32(self.settings.scale) - mean) / std).astype(dtype)
        else:
            values = pixels.astype(dtype)
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2)) if self.settings.layout == "nchw" else values
