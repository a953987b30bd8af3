"""NannyML's CBPE over windows of scores: reads a table of JSON from standard input, writes its estimates. Runs under NannyML's own Python."""

import contextlib
import io
import json
import sys

import numpy as np
import pandas as pd

with contextlib.redirect_stdout(io.StringIO()):
    import nannyml


def main() -> None:
    """One chunk a window."""
    asked = json.load(sys.stdin)
    with contextlib.redirect_stdout(io.StringIO()):
        estimator = nannyml.CBPE(
            problem_type="classification_binary",
            y_pred_proba="p",
            y_pred="answer",
            y_true="label",
            metrics=["accuracy", "f1", "roc_auc"],
            chunk_size=asked["rows"],
        )
        estimator.fit(_table(asked["reference"], asked["labels"]))
        found = {name: _estimated(estimator, scores) for name, scores in asked["windows"].items()}
    json.dump({"version": nannyml.__version__, "windows": found}, sys.stdout)


def _table(scores: list[float], labels: list[int] | None) -> pd.DataFrame:
    p = np.array(scores)
    table = pd.DataFrame({"p": p, "answer": (p > 0.5).astype(int)})
    return table if labels is None else table.assign(label=labels)


def _estimated(estimator: "nannyml.CBPE", scores: list[float]) -> dict[str, list[float]]:
    frame = estimator.estimate(_table(scores, None)).filter(period="analysis").to_df()
    return {name: frame[name, "value"].tolist() for name in ("accuracy", "f1", "roc_auc")}


if __name__ == "__main__":
    main()
