"""`watchtower replay`: the same line over files."""

import json
from pathlib import Path
from typing import Annotated

import typer

from watchtower.cli.options import Config, Json

FIRED = 10


def replay(  # noqa: PLR0913, PLR0917  the words of the command line
    files: Annotated[list[Path], typer.Argument(help="Prediction logs, read in this order as one.")],
    config: Config = Path("watchtower.yaml"),
    as_json: Json = False,
    scores: Annotated[bool, typer.Option("--scores", help="Tell every score of every window too.")] = False,
    trial: Annotated[bool, typer.Option("--trial", help="Run shadow trials, and tell what they decide. Nothing is switched.")] = False,
    by_time: Annotated[bool, typer.Option("--by-time", help="Merge the files by event time.")] = False,
    report: Annotated[Path | None, typer.Option("--report", help="Write a page: each feature beside its reference, and Evidently's opinion.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="Whose format the files have, where there are several sources.")] = None,
) -> None:
    """Run the line over files: what would have fired, and when. Acts on nothing; exits 10 if something fired."""
    from watchtower.cli.lines import as_lines, as_sentences, watched
    from watchtower.config.reader import read_settings
    from watchtower.programs.replay import Replay

    heard = as_lines(scores=scores) if as_json else as_sentences(scores=scores)
    asked = Replay(read_settings(config), files, heard, source=source, trial=trial, by_time=by_time, report=report)
    done = asked.run() if as_json else watched(asked)
    told = {"predictions": done.predictions, "rejected": done.rejected, "late": done.late, "windows": done.windows, "seconds": done.seconds}
    if as_json:
        print(json.dumps({"type": "summary", **told}))
    else:
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in sorted(done.reasons.items()))
        print(", ".join(f"{name} {value:,}{f' ({reasons})' if name == 'rejected' and reasons else ''}" for name, value in told.items()))
        if report is not None:
            print(f"report written to {report}")
    raise typer.Exit(FIRED if done.fired else 0)
