"""`watchtower replay`: the same line over files."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from watchtower.cli.options import Config, Json

FIRED = 10


def replay(  # noqa: PLR0913  the words of the command line
    files: Annotated[list[Path], typer.Argument(help="Prediction logs, read in this order as one.")],
    config: Config = Path("watchtower.yaml"),
    as_json: Json = False,
    scores: Annotated[bool, typer.Option("--scores", help="Tell every score of every window too.")] = False,
    trial: Annotated[bool, typer.Option("--trial", help="Run shadow trials, and tell what they decide. Nothing is switched.")] = False,
    by_time: Annotated[bool, typer.Option("--by-time", help="Merge the files by event time.")] = False,
    source: Annotated[str | None, typer.Option("--source", help="Whose format the files have, where there are several sources.")] = None,
) -> None:
    """Run the line over files: what would have fired, and when. Acts on nothing; exits 10 if something fired."""
    from watchtower.cli.lines import alert_line, decision_line, score_lines
    from watchtower.config.reader import read_settings
    from watchtower.nouns.plan import Decision, Evaluation
    from watchtower.nouns.window import Window
    from watchtower.programs.replay import Replay

    def as_lines(_model: str, _window: Window, evaluation: Evaluation, decisions: Sequence[Decision]) -> None:
        lines = [*score_lines(evaluation.board)] if scores else []
        lines += [alert_line(change) for change in evaluation.changes] + [decision_line(each) for each in decisions]
        if lines:
            print("\n".join(lines))

    if as_json:
        done = Replay(read_settings(config), files, as_lines, source=source, trial=trial, by_time=by_time).run()
        told = {"predictions": done.predictions, "rejected": done.rejected, "late": done.late, "windows": done.windows, "seconds": done.seconds}
        print(json.dumps({"type": "summary", **told}))
    else:
        done = _shown(config, files, scores=scores, trial=trial, by_time=by_time, source=source)
    raise typer.Exit(FIRED if done.fired else 0)
