"""The demo: real models, real requests, the daemon as in production, and the story of what it makes of them.

*scene* says what is played, *applicants* and *models* make what it is about, *files* writes it, *service* and *traffic* are the world,
*follow* asks the daemon, *story* tells, *stage* plays.
"""

from pathlib import Path


def run(seed: int, scenario: str, *, keep: bool, folder: Path) -> int:
    """Plays *scenario* (`rollback` or `data-drift`) in *folder*, which is made anew; the exit code. ConfigError where the folder is not ours."""
    from rich.console import Console  # noqa: PLC0415  the service is a module of this package and does without

    from watchtower.programs.demo.scene import Scenario, Scene  # noqa: PLC0415
    from watchtower.programs.demo.stage import perform  # noqa: PLC0415

    return perform(Scene(seed=seed, scenario=Scenario(scenario)), folder, Console(highlight=False), keep=keep)
