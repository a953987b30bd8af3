"""What MLflow knows of a version, under the names that core/changes.py understands."""

from datetime import UTC, datetime, timedelta

from watchtower.edges.mlflow import Json, listed, mapping

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OURS = "mlflow."
_LONG = 2_000


def described(version: Json, run: Json | None) -> dict[str, object]:
    """Metadata of a model version (`model-versions/get`) and of its run (`runs/get`), where there is one; what is empty is left out.

    A version's tag `sha256` is its recorded digest.
    """
    info, logged, tags = mapping((run or {}).get("info")), mapping((run or {}).get("data")), _pairs(mapping((run or {}).get("data")).get("tags"))
    found: dict[str, object] = {
        "author": version.get("user_id") or info.get("user_id") or tags.get("mlflow.user"),
        "created": _moment(version.get("creation_timestamp")),
        "description": str(version.get("description") or "")[:_LONG],
        "parameters": _pairs(logged.get("params")),
        "metrics": {str(each.get("key")): each.get("value") for each in listed(logged.get("metrics"))},
        "training_data": _datasets(mapping((run or {}).get("inputs"))),
        "tags": {key: value for key, value in (tags | _pairs(version.get("tags"))).items() if not key.startswith(_OURS)},
        "code": {key.removeprefix("mlflow.source."): value for key, value in tags.items() if key.startswith("mlflow.source.")},
        "run": version.get("run_id"),
        "run_name": info.get("run_name") or tags.get("mlflow.runName"),
        "trained": _moment(info.get("end_time")),
        "registered_version": version.get("version"),
        "sha256": _pairs(version.get("tags")).get("sha256"),
    }
    return {key: value for key, value in found.items() if value not in (None, "", {}, [])}


def _datasets(inputs: Json) -> list[dict[str, object]]:
    """Name, digest, source and context (training, eval, …) of what the run read."""
    found = []
    for each in listed(inputs.get("dataset_inputs")):
        dataset = mapping(each.get("dataset"))
        told = {
            "name": dataset.get("name"),
            "digest": dataset.get("digest"),
            "source": str(dataset.get("source") or "")[:_LONG],
            "context": _pairs(each.get("tags")).get("mlflow.data.context"),
        }
        found.append({key: value for key, value in told.items() if value})
    return found


def _pairs(value: object) -> dict[str, str]:
    """[{key, value}] as a mapping."""
    return {str(each.get("key")): str(each.get("value"))[:_LONG] for each in listed(value)}


def _moment(value: object) -> str | None:
    """Milliseconds since 1970 as ISO 8601."""
    text = str(value or "")
    return (_EPOCH + timedelta(milliseconds=int(text))).isoformat() if text.isdecimal() else None
