"""Made incidents of known truth: what versions answer, and whether going back would help."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from watchtower.core.evidence_errors import loss, minimum_effect
from watchtower.core.judging import judge
from watchtower.nouns.batch import Floats, PredictionKind
from watchtower.nouns.evidence import ReferenceRows, Trial, Verdict, VersionRun
from watchtower.nouns.settings import EvidenceSettings

LOOKS = 50
WINDOW = 60_000_000
POPULATION = 100_000
"""Rows from which an incident's truth (d, and the rows that the power formula asks for) is taken."""


@dataclass(frozen=True, slots=True)
class World:
    """What one incident is made of.

    Attributes:
        kind: what the models answer.
        noise: how wrong live is: the share of wrong answers (class), the sd of what is added to the logit (probability) or to the number.
        others: the same of each candidate, newest first.
        shared: how much of that the versions have in common: 0 is heavy discordance, near 1 they hardly ever differ.
        base: the logit's mean: -4 are rare positives.
    """

    kind: PredictionKind
    noise: float
    others: tuple[float, ...]
    shared: float
    base: float = 0.0


@dataclass(frozen=True, slots=True)
class Rows:
    """Truth, and every version's answers, live first."""

    labels: Floats
    answers: tuple[Floats, ...]


def drawn(world: World, n: int, rng: np.random.Generator) -> Rows:
    """*n* rows of *world*. Versions of the same noise are exchangeable, so that d is 0 exactly."""
    noises = (world.noise, *world.others)
    match world.kind:
        case PredictionKind.CLASS:
            truth = rng.integers(0, 3, n).astype(np.float64)
            common, same = rng.random(n), rng.random(n) < world.shared
            wrong = [np.where(same, common, rng.random(n)) < noise for noise in noises]
            return Rows(truth, tuple(np.where(each, (truth + 1) % 3, truth) for each in wrong))
        case PredictionKind.PROBABILITY:
            z = world.base + rng.normal(0, 1.5, n)
            truth = (rng.random(n) < _sigmoid(z)).astype(np.float64)
            return Rows(truth, tuple(_sigmoid(z + each) for each in _errors(world, noises, n, rng)))
        case _:
            truth = rng.normal(0, 1, n)
            return Rows(truth, tuple(truth + each for each in _errors(world, noises, n, rng)))


def _errors(world: World, noises: Sequence[float], n: int, rng: np.random.Generator) -> list[Floats]:
    common = rng.normal(0, 1, n) * math.sqrt(world.shared)
    return [noise * (common + rng.normal(0, 1, n) * math.sqrt(1 - world.shared)) for noise in noises]


def _sigmoid(z: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-z)))


def scale_of(world: World) -> float:
    """The sd of the reference predictions."""
    return math.sqrt(1 + world.noise**2) if world.kind is PredictionKind.NUMBER else 1.0


def trial_of(world: World, live: Rows | None, reference: Rows | None, rng: np.random.Generator, minimum: float) -> Trial:
    """The whole incident: labels of what was served (*live*), labelled reference rows, or both; m is fixed as a plan fixes it."""
    shown = live or drawn(world, 150, rng)
    n = len(shown.labels)
    inside = (None,) * (1 + len(world.others)) if reference is None else reference.answers
    runs = [VersionRun(str(9 - i), "CPUExecutionProvider", x, on_reference) for i, (x, on_reference) in enumerate(zip(shown.answers, inside, strict=True))]
    return Trial(
        model="made",
        live=runs[0],
        candidates=tuple(runs[1:]),
        kind=world.kind,
        classes=("a", "b", "c"),
        rows=n,
        asked=n,
        found=n,
        windows=np.arange(n) * LOOKS // n * WINDOW,
        logged=shown.answers[0],
        has_logged=True,
        labels=None if live is None else shown.labels,
        reference=None if reference is None else ReferenceRows(own=True, labels=reference.labels, predictions=None, file_version="9"),
        drifted={},
        features=6,
        input_missing={},
        fired=(("Accuracy", "performance.accuracy"),),
        latency_fired=False,
        scale=scale_of(world),
        minimum_effect=minimum,
    )


def first(trial: Trial, n: int) -> Trial:
    """The trial as it stood after *n* rows."""
    runs = [replace(run, outputs=None if run.outputs is None else run.outputs[:n]) for run in (trial.live, *trial.candidates)]
    labels = None if trial.labels is None else trial.labels[:n]
    return replace(trial, live=runs[0], candidates=tuple(runs[1:]), rows=n, windows=trial.windows[:n], logged=trial.logged[:n], labels=labels)


def looked(trial: Trial, settings: EvidenceSettings, looks: int = LOOKS, *, on: bool = False) -> dict[Verdict, int]:
    """Verdict -> the rows at which it was first given; a final one ends the trial unless it goes *on*."""
    found: dict[Verdict, int] = {}
    for look in range(1, looks + 1):
        n = trial.rows * look // looks
        judgement = judge(first(trial, n), settings)
        found.setdefault(judgement.verdict, n)
        if judgement.final and not on:
            break
    return found


def truth_of(world: World, settings: EvidenceSettings, rng: np.random.Generator, n: int = POPULATION) -> tuple[Floats, float]:
    """The newest candidate's gains over a population of *n* rows, and m."""
    rows = drawn(world, n, rng)
    ours, theirs = (loss(world.kind, answers, rows.labels, scale_of(world)) for answers in rows.answers[:2])
    return ours - theirs, minimum_effect(world.kind, rows.answers[1], settings.minimum_effect)
