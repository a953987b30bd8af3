"""What a model's inputs are filled with, where their names do not say it."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from watchtower.nouns.written import Duration, Frozen, PathText, Size

Share = Annotated[float, Field(gt=0)]


def _many(value: object) -> object:
    return [value] if isinstance(value, str) else value


class ImageSettings(Frozen):
    """Pictures whose address a feature holds; they are read again through fsspec, in the trial's child process."""

    feature: str
    """The feature (text or categorical) that holds a path or URL."""
    size: tuple[Annotated[int, Field(ge=1, le=8192)], Annotated[int, Field(ge=1, le=8192)]]
    """Height and width that the model takes."""
    resize: int | None = Field(default=None, ge=1, le=8192)
    """The shorter side is brought to this first, and the middle is cut out; left out: the whole picture is brought to `size`."""
    layout: Literal["nchw", "nhwc"] = "nchw"
    """The order of the input's axes."""
    colors: Literal["rgb", "bgr", "gray"] = "rgb"
    """The order of the channels, or one channel."""
    scale: float = 1 / 255
    """What a channel's value (0 to 255) is multiplied by, …"""
    mean: tuple[float, ...] = (0.0,)
    """… what is then taken away, for all channels or each, …"""
    std: tuple[Share, ...] = (1.0,)
    """… and what it is then divided by. An input of whole numbers takes the values as they are."""
    roots: Annotated[tuple[PathText, ...], BeforeValidator(_many, json_schema_input_type=str | list[str])] = Field(min_length=1)
    """Folders or URLs beneath which pictures may lie; what lies elsewhere is not read. An address that is no URL and no absolute path is beneath the first."""
    most_bytes: Size = 10_000_000
    """A larger file is not read."""
    within: Duration = timedelta(seconds=10)
    """What takes longer to come is missing."""

    @model_validator(mode="after")
    def _channels(self) -> Self:
        channels = 1 if self.colors == "gray" else 3
        if any(len(each) not in {1, channels} for each in (self.mean, self.std)):
            msg = f"mean and std hold one number, or {channels}: one a channel"
            raise ValueError(msg)
        return self


class InputSettings(Frozen):
    """``X: [amount, age]``, or more in words."""

    features: tuple[str, ...] = ()
    """The features that are put side by side, in this order."""
    shape: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """Of one row, where the model leaves more than one axis free (`[3, 224, 224]`)."""
    image: ImageSettings | None = None
    """Pictures by reference."""
    value: float | str | bool | tuple[float, ...] | None = None
    """The same for every row: what no feature holds (a threshold)."""

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (bool(self.features), self.image is not None, self.value is not None).count(True) != 1:
            msg = "say one of features, image and value"
            raise ValueError(msg)
        if self.shape and not self.features:
            msg = "shape goes with features"
            raise ValueError(msg)
        return self


def _listed(value: object) -> object:
    return {"features": value} if isinstance(value, list | tuple) else value


Input = Annotated[InputSettings, BeforeValidator(_listed, json_schema_input_type=list[str] | InputSettings)]
