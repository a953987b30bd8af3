"""Columns of logged features as the inputs that a model wants."""

from collections.abc import Mapping, Sequence

import numpy as np

from watchtower.core.pictures import Pictures, Pixels
from watchtower.core.tensors import TEXT, InputSpec, Tensor, check_type, constant, numbers, shaped, texts, typed, width_of
from watchtower.nouns.batch import Column, FeatureType
from watchtower.nouns.errors import ShadowError
from watchtower.nouns.inputs import InputSettings

Feed = dict[str, Tensor | Pictures]
"""By input: a tensor of all rows, or what gives one of some rows when it is sliced."""
NO_PICTURES: Mapping[str, Pixels] = {}


def feed(  # noqa: PLR0913, PLR0917  inputs, and everything that fills them
    specs: Sequence[InputSpec],
    columns: Mapping[str, Column],
    types: Mapping[str, FeatureType],
    said: Mapping[str, InputSettings],
    rows: int,
    pictures: Mapping[str, Pixels] = NO_PICTURES,
) -> Feed:
    """Every input of a model filled from *columns* of *rows* rows.

    *types* are the features that there are, in the order of the settings; one without a column is missing in every row.
    *said* is the setting `inputs:`. Left out: an input named like a feature takes it, exactly one other input takes all
    numeric features. Missing numbers are NaN, missing texts empty. *pictures* are those of inputs that take some.
    ShadowError names the input, its type and its shape.
    """
    others = [spec.name for spec in specs if spec.name not in said and spec.name not in types]
    numeric = [name for name, kind in types.items() if kind is FeatureType.NUMERIC]
    filled: Feed = {}
    for spec in specs:
        own = said.get(spec.name)
        if own is not None and own.image is not None:
            filled[spec.name] = _pictured(spec, own, pictures)
        elif own is not None and own.value is not None:
            filled[spec.name] = constant(spec, own.value, rows)
        else:
            names = _names(spec, own, types, numeric if len(others) == 1 else ())
            filled[spec.name] = _stacked(spec, names, columns, types, rows, own.shape if own is not None else ())
    return filled


def rows_at_once(specs: Sequence[InputSpec]) -> int | None:
    """How many rows one call takes, where any input fixes it."""
    return next((spec.rows for spec in specs if spec.rows), None)


def _names(spec: InputSpec, own: InputSettings | None, types: Mapping[str, FeatureType], rest: Sequence[str]) -> Sequence[str]:
    """The features that *spec* takes."""
    if own is not None:
        return own.features
    if spec.name in types:
        return [spec.name]
    if rest:
        return rest
    check_type(spec)
    msg = f"{spec} is named like no feature: say which features it takes with inputs: {{{spec.name}: […]}}"
    raise ShadowError(msg)


def _pictured(spec: InputSpec, own: InputSettings, pictures: Mapping[str, Pixels]) -> Pictures:
    if own.image is None or spec.name not in pictures:
        msg = f"{spec} takes pictures, which are read for trials only"
        raise ShadowError(msg)
    return Pictures(spec, own.image, pictures[spec.name])


def _stacked(  # noqa: PLR0913, PLR0917  an input, and everything that fills it
    spec: InputSpec, names: Sequence[str], columns: Mapping[str, Column], types: Mapping[str, FeatureType], rows: int, said: Sequence[int]
) -> Tensor:
    check_type(spec)
    unknown = [name for name in names if name not in types]
    if unknown:
        msg = f"{spec} takes feature {unknown[0]}, which the model's settings do not have"
        raise ShadowError(msg)
    if spec.type == TEXT:
        return shaped(spec, np.concatenate([texts(spec, name, columns.get(name), rows) for name in names], axis=1), said)
    alone = len(names) == 1 and types[names[0]] is FeatureType.EMBEDDING  # where every row lacks it, nothing but the input says how wide it is
    parts = [numbers(spec, name, columns.get(name), types[name], rows, width_of(spec, said) if alone else 1) for name in names]
    return typed(spec, shaped(spec, parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1), said))


__all__ = ["Feed", "InputSpec", "feed", "rows_at_once"]
