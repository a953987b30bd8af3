"""The JSON Schema of a native message."""

from collections.abc import Mapping

NAME = {"type": "string", "minLength": 1, "maxLength": 200}
TIME = {"description": "ISO 8601 (UTC where no zone is given), or seconds (milliseconds from 1e11 on) since 1970", "type": ["string", "number", "null"]}
SCALAR = {"type": ["string", "number", "boolean", "null"]}
MILLISECONDS = {"type": ["number", "null"]}


def _each(schema: Mapping[str, object]) -> dict[str, object]:
    """One for all rows, or a list with one for each."""
    return {"anyOf": [schema, {"type": "array", "items": schema}]}


def schema_message() -> dict[str, object]:
    """Draft 2020-12; lists where a scalar stands are allowed in messages with `rows` only, each of that length."""
    text: dict[str, object] = {"type": ["string", "null"]}
    properties: dict[str, object] = {
        "rows": {"type": "integer", "minimum": 1, "maximum": 100_000, "description": "makes the message a batch: every list has this length"},
        "model": {**NAME, "description": "the model's name"},
        "version": {**_each({"type": ["string", "number", "null"]}), "default": "0", "description": "numbers are read as written"},
        "id": {**_each({"type": ["string", "number", "null"]}), "description": "the request's id, by which labels find their prediction"},
        "time": {**_each(TIME), "description": "when the prediction was made; left out: the message's timestamp"},
        "features": {"type": ["object", "null"], "description": "by name: numbers, texts, booleans, or lists of numbers (embeddings)"},
        "prediction": {"description": "what the model answered; null is an answer that is missing"},
        "status": {**_each(text), "default": "ok", "description": "ok, or what went wrong"},
        "error": {**_each(text), "description": "what went wrong, in words; makes the status error where that is left out"},
        "latency_ms": _each(MILLISECONDS),
        "queue_ms": _each(MILLISECONDS),
        "compute_ms": _each(MILLISECONDS),
        "instance": {**_each(text), "description": "who answered"},
        "role": {**_each({"enum": ["served", "shadow", "mirror", "probe", None]}), "default": "served"},
        "sampling": {
            **_each({"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 1}),
            "default": 1,
            "description": "share of the traffic that is logged",
        },
        "gpu": {
            "type": ["object", "null"],
            "properties": {
                "device": _each({"type": ["string", "integer", "null"]}),
                "utilization": {**_each({"type": ["number", "null"]}), "description": "share, 0 to 1"},
                "memory_used_bytes": _each({"type": ["number", "null"]}),
            },
        },
        "tags": {"type": ["object", "null"], "additionalProperties": _each(SCALAR)},
        "trace_id": _each(text),
        "label": {
            "anyOf": [SCALAR, {"type": "array"}, {"type": "object", "additionalProperties": {"type": "number", "minimum": 0}}],
            "description": "without features and prediction: the truth for the prediction with this id; of a ranking the relevant id, a list, or gains by id",
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A message of Watchtower's native log format (watchtower_json)",
        "type": "object",
        "required": ["model"],
        "anyOf": [{"required": ["features"]}, {"required": ["prediction"]}, {"required": ["id", "label"]}],
        "properties": properties,
    }
