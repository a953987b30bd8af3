"""Reports: one model's last windows beside its reference, our opinion of each feature beside Evidently's."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from watchtower.core.attributing import of_version
from watchtower.core.reporting import features, named, why
from watchtower.core.slicing import column_at, sliced
from watchtower.core.spanning import together
from watchtower.core.trialling import sample
from watchtower.edges.children import call
from watchtower.edges.tables import read_table_apart
from watchtower.nouns.batch import Column, PredictionBatch, Schema
from watchtower.nouns.binning import PREDICTION, Binning
from watchtower.nouns.errors import ConfigError, ShadowError, Unavailable
from watchtower.nouns.profile import Profile
from watchtower.nouns.report import EvidentlyReport, FeatureLine, ModelReport, Opinion, Table
from watchtower.nouns.settings import FileReference, Watched
from watchtower.nouns.window import Window
from watchtower.store import Store, StoredReference
from watchtower.store.history import Stretch
from watchtower.store.plain import Row, alert_rows
from watchtower.store.windows import ClosedRow
from watchtower.workers.accepted import accepted_inputs
from watchtower.workers.references import References, file_of, schema_of
from watchtower.workers.rows import RowReader

CHILD = "watchtower.workers._evidently:compare"
LEAST_ROWS = 2_000
"""Windows are added, newest first, until they hold so many rows …"""
MOST_WINDOWS = 60
"""… or are so many."""
SAMPLE = 10_000
"""Rows a side that Evidently gets, chosen by position hash."""
MOST_COLUMNS = 100
"""Columns that Evidently gets, those that moved most for us: its page grows by 70 kB a column, and its time by 0.1 s."""
_TOO_MANY = f"Evidently got the {MOST_COLUMNS} that moved most"
_REFERENCE_WINDOWS = 10_000
_ALERTS = 500


@dataclass(frozen=True, slots=True)
class Reporter:
    """Makes reports from a store and the sources behind it. *time_limit* is Evidently's."""

    store: Store
    rows: RowReader
    references: References
    watched: Callable[[str], Watched]
    time_limit: timedelta = timedelta(minutes=3)

    def report(self, model: str, until: datetime | None = None) -> ModelReport:
        """The windows of *model* that end at *until* or before (None: the newest ones), the version that was live in the last of them.

        Raises:
            Unavailable: there is nothing to report on yet (no window, no reference), and why.
        """
        stored, past = self._past(model, until)
        live = past[-1].live or ""
        chosen = _last(past, live, stored.binning.id)
        if not chosen:
            msg = f"{model}: version {live or 'unknown'} served nothing under the present reference in the last {len(past)} windows"
            raise Unavailable(msg)
        profile = together([each.profiles[live, ""] for each in chosen])
        reference = stored.profiles.get((live, "")) or stored.profiles["", ""]
        lines = features(stored.binning, reference, profile)
        done, without = self._evidently(model, stored, chosen, live, profile, [line.subject for line in lines[:MOST_COLUMNS]])
        return ModelReport(
            model=model,
            live=live,
            start=past[0].window.start,
            end=past[-1].window.end,
            compared_from=chosen[0].window.start,
            rows=profile.rows,
            reference_rows=reference.rows,
            features=tuple(_beside(lines, done, stored.binning)),
            alerts=tuple(self._alerts(model, past[-1].window.end)),
            evidently=done.html,
            without=without,
        )

    def _past(self, model: str, until: datetime | None) -> tuple[StoredReference, list[ClosedRow]]:
        end = until or self.store.history.newest(model)
        past = [] if end is None else self.store.windows.history(model, end, MOST_WINDOWS)
        stored = self.store.references.load(model, past[-1].window.start) if past else None
        if not past:
            msg = f"{model}: no window was evaluated yet"
            raise Unavailable(msg)
        if stored is None:
            msg = f"{model}: the reference is not complete yet"
            raise Unavailable(msg)
        return stored, past

    def _alerts(self, model: str, end: datetime) -> list[Row]:
        return list(alert_rows(self.store.history, Stretch(model, None, end)))[-_ALERTS:]

    # ---------------------------------------------------------------------------------------- rows

    def _evidently(  # noqa: PLR0913, PLR0917  whose rows, and which columns of them
        self, model: str, stored: StoredReference, chosen: Sequence[ClosedRow], live: str, profile: Profile, subjects: Sequence[str]
    ) -> tuple[EvidentlyReport, str]:
        """Evidently on re-read rows of *subjects*; without it the reason why."""
        try:
            schema = schema_of(stored, self.watched(model))
            span = Window(chosen[0].window.start, chosen[-1].window.end)
            current = self._read(model, profile, span, schema, live)
            reference = self._reference(model, stored, schema, live)
            done = call(CHILD, (table_of(subjects, reference), table_of(subjects, current)), time_limit=self.time_limit)
        except (Unavailable, ShadowError, ConfigError) as lacking:
            return EvidentlyReport(), str(lacking)
        assert isinstance(done, EvidentlyReport)
        return with_others(done, subjects, stored.binning), ""

    def _read(self, model: str, profile: Profile, span: Window, schema: Schema, version: str) -> PredictionBatch:
        batch = self.rows.read(model, profile.spans, span.start, span.end, schema)
        batch = None if batch is None else of_version(batch, version) if version else batch
        if batch is None or not len(batch):
            msg = "the rows are no longer in the source"
            raise Unavailable(msg)
        return sliced(batch, sample(len(batch), SAMPLE, None))

    def _reference(self, model: str, stored: StoredReference, schema: Schema, live: str) -> PredictionBatch | Mapping[str, Column]:
        """The reference's rows: its file's, those of the first windows, or what was accepted in their place, read again."""
        settings = self.watched(model)
        if stored.accepted and not _has_own_file(settings, live):
            found = accepted_inputs(self.store, self.rows, model, settings, schema.features, stored)
            columns = {**found.columns, **({PREDICTION: found.predictions} if found.predictions is not None else {})}
            return {name: column_at(column, sample(found.count, SAMPLE, None)) for name, column in columns.items()}
        if isinstance(settings.reference, FileReference):
            path = file_of(settings.reference.path, live)
            if path is None:
                msg = f"no reference file {settings.reference.path} for version {live}"
                raise Unavailable(msg)
            types = {name: each.type for name, each in settings.features.items()}
            table = read_table_apart(str(path), types, settings.prediction.kind)
            rows = sample(table.rows, SAMPLE, None)
            columns = {**table.features, **({PREDICTION: table.prediction} if table.prediction is not None else {})}
            return {name: column_at(column, rows) for name, column in columns.items()}
        first = self.store.windows.history(model, stored.valid_from, _REFERENCE_WINDOWS)
        if not first:
            msg = "the reference's windows have expired"
            raise Unavailable(msg)
        whole = together([profile for each in first for (_, segment), profile in each.profiles.items() if segment == ""])
        return self._read(model, whole, Window(first[0].window.start, first[-1].window.end), schema, "")


def _has_own_file(settings: Watched, version: str) -> bool:
    """Whether *version* has a reference file of its very own: that outranks what was accepted."""
    path = settings.reference.path if isinstance(settings.reference, FileReference) else ""
    return "{version}" in path and Path(path.replace("{version}", version)).is_file()


def _last(past: Sequence[ClosedRow], live: str, binning: str) -> list[ClosedRow]:
    """The newest windows that *live* served under *binning*, oldest first, until they hold enough rows."""
    chosen: list[ClosedRow] = []
    rows = 0
    for each in reversed(past):
        profile = each.profiles.get((live, ""))
        if profile is None or profile.binning != binning:
            continue
        chosen.append(each)
        rows += profile.rows
        if rows >= LEAST_ROWS:
            break
    return chosen[::-1]


def table_of(subjects: Sequence[str], rows: PredictionBatch | Mapping[str, Column]) -> Table:
    """The columns of *subjects* in *rows*, as Evidently knows them."""
    columns: dict[str, Column] = dict(rows.features) if isinstance(rows, PredictionBatch) else dict(rows)
    if isinstance(rows, PredictionBatch) and rows.prediction is not None:
        columns[PREDICTION] = rows.prediction
    return Table({named(subject): columns[subject] for subject in subjects if subject in columns})


def with_others(done: EvidentlyReport, subjects: Sequence[str], binning: Binning) -> EvidentlyReport:
    """*done* over *subjects*, and of the others why it says nothing of them."""
    given = set(subjects)
    others = {named(each): Opinion(reason=_TOO_MANY) for each in binning.subjects if each not in given}
    return replace(done, opinions={**others, **done.opinions})


def _beside(lines: Sequence[FeatureLine], done: EvidentlyReport, binning: Binning) -> Iterator[FeatureLine]:
    """Each line with Evidently's opinion, and why it differs."""
    kinds = dict(zip(binning.subjects, binning.types, strict=True))
    for line in lines:
        theirs = done.opinions.get(named(line.subject))
        yield line if theirs is None else replace(line, theirs=theirs, differs=why(line, theirs, kinds[line.subject]))
