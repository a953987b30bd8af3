"""What rules would have done over stored history, beside what happened: windows scored again, in memory, and nothing is acted on."""

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from watchtower import line
from watchtower.config.settings import Settings
from watchtower.core import versions
from watchtower.core.closing import Comparison, close
from watchtower.core.remembering import PastScores, lookback, with_history
from watchtower.core.rules import RuleBook
from watchtower.core.spanning import reach
from watchtower.edges.clock import Clock
from watchtower.line import Response
from watchtower.nouns.alert import AlertChange, AlertState
from watchtower.nouns.memory import Memory
from watchtower.nouns.score import Board, Need, Scores, Slot
from watchtower.store import Store, StoredReference
from watchtower.store.history import Stretch
from watchtower.store.windows import ClosedRow
from watchtower.workers.calibrator import Calibrator
from watchtower.workers.earlier import earlier

WARMING = 60
"""Windows that are played before those that conditions look back on, so that `hold`, `absent` and the rest are what they would have been."""
_AT_ONCE = 200
Key = tuple[str, str]
"""(rule, model)."""


@dataclass(slots=True)
class Backtest:
    """What came of it: transitions that these rules would have made, and those that were."""

    since: datetime
    until: datetime
    windows: int = 0
    would: list[AlertChange] = field(default_factory=list)
    happened: list[AlertChange] = field(default_factory=list)
    watched: set[Key] = field(default_factory=set)

    def counts(self) -> dict[Key, tuple[int, int]]:
        """By rule and model: how often it would have begun to fire, and how often a rule of that name did."""
        sides = [
            Counter((each.alert.id.rule, each.alert.id.model) for each in side if each.alert.state is AlertState.FIRING) for side in (self.would, self.happened)
        ]
        return {key: (sides[0][key], sides[1][key]) for key in sorted({*self.watched, *sides[0], *sides[1]})}


def backtest(store: Store, settings: Settings, book: RuleBook, since: datetime, until: datetime, clock: Clock) -> Backtest:  # noqa: PLR0913, PLR0917  what is played, and over what
    """Plays *book* over the windows that end in (since, until], of every model that the store knows and a rule watches."""
    done = Backtest(since, until)
    book = replace(book, relative_to={name: model.relative_to for name, model in settings.models.items()})
    calibrator = Calibrator(store, clock.now, at_once=True, keep=False)
    for model in models_of(store):
        done.watched |= {(rule.name, model) for rule in book.of(model)}
        if book.of(model):
            player = Player(store, settings, book, model, calibrator, store.references.all(model))
            for board, changes in player.played(since, until):
                if board.window.end > since:
                    done.windows += 1
                    done.would += changes
        done.happened += happened(store, model, since, until)
    return done


@dataclass(slots=True)
class Player:
    """One model's windows once more, one after the other."""

    store: Store
    settings: Settings
    book: RuleBook
    model: str
    calibrator: Calibrator
    references: Sequence[StoredReference]
    memory: Memory = field(init=False)
    scored: deque[PastScores] = field(init=False)

    def __post_init__(self) -> None:
        self.memory = Memory(self.model)
        self.scored = deque(maxlen=max(lookback(self.book.needs(self.model)).values(), default=0))

    @property
    def warming(self) -> int:
        """Windows before the stretch that are played too: as far as conditions look back, over scores as long as they are merged."""
        needs = list(self.book.needs(self.model))
        return WARMING + max(lookback(needs).values(), default=0) + reach(needs)

    def played(self, since: datetime, until: datetime) -> Iterator[tuple[Board, Sequence[AlertChange]]]:
        """Each window's board and what the rules say of it; those before *since* only warm up."""
        size = self.settings.window.size
        oldest = self.store.history.oldest(self.model)
        if oldest is None:
            return
        began = max(oldest, since - min(self.warming * size, max(since - oldest, timedelta(0))))
        boards = self.store.history.boards(Stretch(self.model, began, until))
        waiting = next(boards, None)
        for row in closed_rows(self.store, self.model, began, until, size):
            while waiting is not None and waiting.window.end < row.window.end:
                waiting = next(boards, None)
            yield self._evaluated(row, waiting if waiting is not None and waiting.window.end == row.window.end else None)

    def _evaluated(self, row: ClosedRow, stored: Board | None) -> tuple[Board, Sequence[AlertChange]]:
        weights = {version: profile.weight for (version, segment), profile in row.profiles.items() if segment == ""}
        memory = replace(self.memory, served=versions.follow(self.memory.served, weights, row.window))
        needs = line.watched(self.book, self.model)
        reference = next((each for each in self.references if each.valid_from <= row.window.start), None)
        compared = Comparison(reason="no reference") if reference is None else Comparison(reference.binning, reference.profiles)
        before = earlier(self.store, self.model, row.window, memory.served, needs)
        closed = close(self.model, row.window, row.profiles, before, memory, compared, needs, self.settings.model(self.model))
        board = with_stored(line.score(closed, needs), stored, needs)
        board = with_history(board, list(self.scored), None if reference is None else reference.valid_from)
        evaluation = line.apply(board, memory, self.calibrator.bounded(self.book, closed), Response())
        self.scored.append(PastScores(board.window.start, board.window.end, board.live, board.scores))
        self.memory = replace(evaluation.memory, incident=None, plan=None)
        return board, evaluation.changes


def with_stored(board: Board, stored: Board | None, needs: frozenset[Need]) -> Board:
    """*board* with the scores that only the day itself could have (labels, meters, analyses), as far as they were kept."""
    if stored is None:
        return board
    kept = {slot: scores for slot, scores in stored.scores.items() if slot.need in needs and not _is_empty(scores)}
    scores: dict[Slot, Scores] = {slot: kept[slot] if _is_empty(each) and slot in kept else each for slot, each in board.scores.items()}
    return replace(board, scores={**scores, **{slot: each for slot, each in kept.items() if slot not in scores}})


def _is_empty(scores: Scores) -> bool:
    return all(reason is not None for reason in scores.reasons)


def models_of(store: Store) -> list[str]:
    """Every model that the store knows."""
    return sorted(each["model"] for each in _listed(store.status()))


def _listed(status: Mapping[str, object]) -> list[dict[str, str]]:
    found = status["models"]
    assert isinstance(found, list)
    return found


def closed_rows(store: Store, model: str, since: datetime, until: datetime, size: timedelta) -> Iterator[ClosedRow]:
    """The evaluated windows that end in (since, until], oldest first, a bounded part of them in memory at a time."""
    begin = since
    while begin < until:
        end = min(until, begin + _AT_ONCE * size)
        yield from (each for each in store.windows.history(model, end, _AT_ONCE) if each.window.end > begin)
        begin = end


def happened(store: Store, model: str, since: datetime, until: datetime) -> list[AlertChange]:
    """The transitions that were told."""
    return list(store.history.changes(Stretch(model, since, until)))
