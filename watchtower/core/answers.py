"""How labels, classes and answers are spelled, so that a log, a reference file and a model mean the same by the same."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from watchtower.nouns.batch import Column, Floats, NumberColumn, PredictionKind, TextColumn
from watchtower.nouns.errors import ShadowError
from watchtower.nouns.settings import PredictionSettings

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_TRUTH = {"true": "1", "false": "0"}
_EXACT = 2**53


def spelled(value: object) -> str | None:
    """The one spelling of a label or class: ``1``, ``1.0``, ``"01"`` and ``true`` are ``"1"``; None, NaN and "" are missing."""
    if value is None or isinstance(value, bool | np.bool_):
        return None if value is None else str(int(value))
    if isinstance(value, int | float | np.integer | np.floating):
        return _number(float(value))
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return _number(float(text))
    return _TRUTH.get(text.lower(), text) or None


def _number(value: float) -> str | None:
    if math.isnan(value):
        return None
    return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)


def spell(values: Iterable[object]) -> tuple[str | None, ...]:
    """Each value's spelling; every different value is spelled once."""
    memory: dict[tuple[type, object], str | None] = {}
    found = []
    for value in values:
        key = (type(value), value)
        if key not in memory:
            memory[key] = spelled(value)
        found.append(memory[key])
    return tuple(found)


def texts(column: Column) -> tuple[str | None, ...]:
    """A column of classes as spelled texts."""
    if isinstance(column, TextColumn):
        names = [*(spelled(name) for name in column.names), None]
        return tuple(names[code] for code in column.codes)
    if isinstance(column, NumberColumn):
        return spell(column.values.tolist())
    return (None,) * len(column.values)


def coded(values: Sequence[str | None], classes: dict[str, int]) -> Floats:
    """Class codes as float64[n], NaN where missing; *classes* learns new names, in order of appearance."""
    codes = [math.nan if value is None else float(classes.setdefault(value, len(classes))) for value in values]
    return np.array(codes, dtype=np.float64)


def labels_as_numbers(labels: Sequence[str | None], kind: PredictionKind, positive: object, classes: dict[str, int]) -> Floats:
    """Spelled labels as a loss reads them: 0/1 for a probability (*positive* left out means 1), the number, or the class's code; NaN where unlabelled."""
    if kind is PredictionKind.CLASS:
        return coded(labels, classes)
    if kind is PredictionKind.PROBABILITY:
        wanted = "1" if positive is None else spelled(positive)
        return np.array([math.nan if label is None else float(label == wanted) for label in labels], dtype=np.float64)
    return np.array([_as_number(label) for label in labels], dtype=np.float64)


def answers_as_numbers(column: Column | None, kind: PredictionKind, classes: dict[str, int], rows: int) -> Floats:
    """Logged predictions in the coding of the trial: NaN where missing or not finite, or of a form that *kind* does not have."""
    if column is None:
        return np.full(rows, np.nan)
    if kind is PredictionKind.CLASS:
        return coded(texts(column), classes)
    if isinstance(column, NumberColumn):
        return np.where(np.isfinite(column.values), column.values, np.nan)
    if isinstance(column, TextColumn):
        return np.array([_as_number(text) for text in texts(column)], dtype=np.float64)
    return np.full(rows, np.nan)


def _as_number(text: str | None) -> float:
    return float(text) if text is not None and _NUMBER.fullmatch(text) else math.nan


def pick_output(outputs: Mapping[str, tuple[int, ...]], kind: PredictionKind, wanted: str | None) -> str | None:
    """Which output holds the answer, of those that there are (name -> shape): *wanted*, the only one, or skl2onnx's name; None where none fits."""
    if wanted is not None:
        return wanted if wanted in outputs else None
    if len(outputs) == 1:
        return next(iter(outputs))
    usual = ("label", "output_label") if kind is PredictionKind.CLASS else ("probabilities", "output_probability")
    return next((name for name in usual if name in outputs), None)


def pick_column(width: int, index: int | None, positive: object) -> int | None:
    """Which of *width* columns: *index*, else that of a whole-numbered *positive*, else the last; None where there is none."""
    if index is not None:
        return index if -width <= index < width else None
    spelling = spelled(positive) if positive is not None else None
    if spelling is not None and spelling.isdecimal() and int(spelling) < width:
        return int(spelling)
    return width - 1 if width else None


def as_column(array: NDArray[np.generic], index: int | None, positive: object) -> NDArray[np.generic] | None:
    """``[N]`` or ``[N, k]`` as ``[N]``; None where the shape is another or the column is not there."""
    flat = array.reshape(len(array), -1) if array.ndim > 2 and array.size == len(array) else array  # [N, 1, 1] is a column too
    if flat.ndim == 1:
        return flat
    column = pick_column(flat.shape[1], index, positive) if flat.ndim == 2 else None
    return None if column is None else flat[:, column]


def read_answers(
    arrays: Mapping[str, NDArray[np.generic]], columns: Mapping[str, tuple[object, ...]], settings: PredictionSettings
) -> Floats | tuple[str | None, ...]:
    """The answers among a model's outputs: float64[n] (NaN where not finite), or spelled texts for a class.

    *columns* names columns of outputs that have names. ShadowError says which outputs there are where none fits.
    """
    name = pick_output({each: array.shape for each, array in arrays.items()}, settings.kind, settings.output)
    if name is None:
        msg = f"no output holds the prediction ({_outputs(arrays)}): say which with prediction: {{output: NAME}}"
        raise ShadowError(msg)
    index = settings.index
    if index is None and name in columns and settings.positive is not None:
        index = next((i for i, key in enumerate(columns[name]) if spelled(key) == spelled(settings.positive)), None)
    answers = as_column(arrays[name], index, settings.positive)
    if answers is None or settings.kind in {PredictionKind.VECTOR, PredictionKind.RANKING}:
        msg = f"output {name} does not hold one {settings.kind} a row ({_outputs(arrays)})"
        raise ShadowError(msg)
    if settings.kind is PredictionKind.CLASS:
        return spell(answers.tolist())
    if answers.dtype.kind not in "fiub":
        msg = f"output {name} holds no numbers ({_outputs(arrays)}): say which output does with prediction: {{output: NAME}}"
        raise ShadowError(msg)
    numbers = answers.astype(np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _outputs(arrays: Mapping[str, NDArray[np.generic]]) -> str:
    return "outputs: " + ", ".join(f"{name} {array.dtype} of shape {list(array.shape)}" for name, array in arrays.items())
