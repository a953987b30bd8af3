"""The native log format: one JSON object a message, a single prediction or a batch of rows."""

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from types import NoneType
from typing import cast

import msgspec
import numpy as np
from msgspec import UNSET

from watchtower.formats import Format
from watchtower.formats._careful import read
from watchtower.formats._message import Many, Message, Single, decoders
from watchtower.formats._parsing import parsed
from watchtower.formats._rankings import label_texts
from watchtower.formats._rows import Rows, Stream, as_text, batch, meta, screened, sound_name, stream, unsound
from watchtower.formats._schema import schema_message
from watchtower.formats._times import BAD, times
from watchtower.formats._unknown import unknown
from watchtower.nouns.batch import Catalog, Decoded, Ints, Labels, Messages, PredictionBatch, Reason, Rejection, Schema

__all__ = ["WatchtowerJson", "schema_message"]


class WatchtowerJson(Format):
    """Predictions as JSON objects, one a message, or many where it has `rows`.

    `{"model": …, "version": …, "id": …, "time": …, "features": {…}, "prediction": …, "status": …, "latency_ms": …}`
    """

    def decode(self, messages: Sequence[Messages], catalog: Catalog) -> Decoded:
        """One batch a model in message order, labels, and a rejection for each message that is none; never raises for content."""
        full = [each for each in messages if len(each.values)]
        return _Reading(stream(full, catalog), catalog).decoded() if full else Decoded(predictions=())


class _Reading:
    """One call of decode: what was rejected, and which messages are labels."""

    def __init__(self, whole: Stream, catalog: Catalog) -> None:
        self.stream = whole
        self.catalog = catalog
        self.reader = decoders(catalog)
        self.rejected: dict[int, Reason] = {}
        self.labelled: dict[int, Message] = {}

    def decoded(self) -> Decoded:
        """All of it."""
        by_model = _by_model(parsed(self.stream.values, self.reader, self.catalog.max_bytes), self.rejected)
        batches = [found for model, (index, messages) in by_model.items() if (found := self._batch(model, index, messages))]
        labels = self._labels()
        return Decoded(batches, labels, [self._rejection(place) for place in sorted(self.rejected)])

    def _batch(self, model: str, index: list[int], messages: list[Message]) -> PredictionBatch | None:
        """The predictions of one model, None where nothing is left of them."""
        if not sound_name(model):
            self.rejected |= dict.fromkeys(index, Reason.BAD_NAME if model else Reason.MISSING_FIELD)
            return None
        schema = self.catalog.of(model)
        index, messages = self._served(index, self._opened(index, messages, schema))
        rows: Rows | None = Rows(messages, np.array(index, dtype=np.int64), self.stream) if index else None
        while rows:
            found = meta(rows)
            wrong = screened(rows, found)
            if not wrong:
                return replace(batch(model, rows, found, schema, self.reader), unknown=unknown(rows, schema))
            self.rejected |= wrong
            rows = rows.without(wrong)
        return None

    def _opened(self, index: list[int], messages: list[Message], schema: Schema) -> list[Message]:
        """The messages with all their features, where the schema asks for them and the catalog's struct left some out."""
        if not schema.open or self.reader.fields is None:
            return messages
        return [self._opened_one(place, each) for place, each in zip(index, messages, strict=True)]

    def _opened_one(self, place: int, message: Message) -> Message:
        value = self.stream.values[place]
        if isinstance(message.features, dict) or value is None:
            return message
        decode = self.reader.open_many.decode if isinstance(message, Many) else self.reader.open_single.decode
        try:
            return decode(value)
        except msgspec.MsgspecError:  # a value that only the catalog's struct could skip
            again = read(value, self.catalog.max_bytes)
            return message if isinstance(again, Reason) else again

    def _served(self, index: list[int], messages: list[Message]) -> tuple[list[int], list[Message]]:
        """The predictions among the messages that are in one piece; labels and what is neither are set aside."""
        if {*map(type, messages)} == {Single} and NoneType not in set(map(type, map(attrgetter("features"), messages))):
            return index, messages
        served = [(place, each) for place, each in zip(index, messages, strict=True) if self._is_served(place, each)]
        return [place for place, _ in served], [each for _, each in served]

    def _is_served(self, place: int, message: Message) -> bool:
        reason = unsound(message) if isinstance(message, Many) else None
        if reason is None and message.features is None and message.prediction is UNSET:
            one = not isinstance(message, Many) or message.rows == 1 or isinstance(message.id, list)  # a few bytes must not become 100,000 labels of one id
            if message.label is not UNSET and message.label is not None and one:
                self.labelled[place] = message
                return False
            reason = Reason.MISSING_FIELD
        if reason:
            self.rejected[place] = reason
        return reason is None

    def _labels(self) -> Labels | None:
        """The labels in message order; one without an id belongs to nothing."""
        places = sorted(self.labelled)
        if not places:
            return None
        rows = Rows([self.labelled[place] for place in places], np.array(places, dtype=np.int64), self.stream)
        when = times(rows.get("time"), rows.per_row(self.stream.appended[rows.index]))
        ids = [as_text(each) for each in rows.get("id")]
        said = label_texts([cast("str", each) for each in rows.get("model")], rows.get("label"), self.catalog)
        reasons = self._label_reasons(rows, when, ids, said)
        if reasons:
            self.rejected |= reasons
            self.labelled = {place: each for place, each in self.labelled.items() if place not in reasons}
            return self._labels()
        return Labels([cast("str", each) for each in rows.get("model")], ids, [each or "" for each in said], when)

    def _label_reasons(self, rows: Rows, when: Ints, ids: list[str], said: list[str | None]) -> dict[int, Reason]:
        places = rows.per_row(rows.index)
        late = when > rows.per_row(self.stream.latest[rows.index])
        nameless = np.array([not each for each in ids])
        shapeless = np.array([each is None for each in said])
        return {
            **dict.fromkeys(places[shapeless].tolist(), Reason.BAD_TYPE),
            **dict.fromkeys(places[late].tolist(), Reason.TIME_IN_FUTURE),
            **dict.fromkeys(places[when == BAD].tolist(), Reason.BAD_TIME),
            **dict.fromkeys(places[nameless].tolist(), Reason.MISSING_FIELD),
        }

    def _rejection(self, place: int) -> Rejection:
        whole = self.stream
        partition = whole.partitions[int(whole.partition[place])]
        return Rejection(partition, int(whole.positions[place]), self.rejected[place], int(whole.appended[place]), whole.values[place])


def _by_model(found: list[Message | Reason], rejected: dict[int, Reason]) -> dict[str, tuple[list[int], list[Message]]]:
    """Each model's messages and their places, models in the order in which they came; reasons go to *rejected*."""
    if Reason in {*map(type, found)}:
        rejected |= {place: each for place, each in enumerate(found) if isinstance(each, Reason)}
        kept = [(place, each) for place, each in enumerate(found) if not isinstance(each, Reason)]
        places, messages = [place for place, _ in kept], [each for _, each in kept]
    else:
        places, messages = list(range(len(found))), cast("list[Message]", found)
    models = list(map(attrgetter("model"), messages))
    if len(set(models)) == 1:
        return {models[0]: (places, messages)}
    groups: dict[str, tuple[list[int], list[Message]]] = {model: ([], []) for model in dict.fromkeys(models)}
    for place, model, message in zip(places, models, messages, strict=True):
        group = groups[model]
        group[0].append(place)
        group[1].append(message)
    return groups
