"""Inputs of models and kept rows that cannot serve a trial."""

from collections.abc import Iterator
from difflib import get_close_matches

from watchtower.config.document import Document
from watchtower.config.settings import ModelSettings
from watchtower.core.trialling import LOOKS
from watchtower.nouns.errors import Problem


def input_warnings(document: Document, name: str, model: ModelSettings) -> Iterator[Problem]:
    """Inputs that take features which there are none of; kept rows that lack what is taken, or are fewer than a trial takes."""
    for spec, own in model.inputs.items() if model.features else ():
        for feature in (*own.features, *((own.image.feature,) if own.image is not None else ())):
            if feature not in model.features:
                near = get_close_matches(feature, sorted(model.features), 1)
                place = document.place(("models", name, "inputs", spec))
                yield Problem(place, f"input {spec} takes feature {feature}, which features: lacks", f"did you mean {near[0]}?" if near else "add it there")
    lacking = sorted(model.kept.left_out & model.taken) if model.kept is not None else []
    if lacking:
        what = f"kept rows lack {', '.join(lacking)}: no trial can use them"
        yield Problem(document.place(("models", name, "keep")), what, "say keep: raw of each, or under inputs: which features the model takes")
    per_window = -(-model.shadow.rows // LOOKS)
    if model.keep == "raw" and model.keep_rows < per_window:
        what = f"a trial takes about {per_window:,} rows of a window, and {model.keep_rows:,} are kept"
        yield Problem(document.place(("models", name, "keep")), what, f"say keep_rows: {3 * per_window}")
