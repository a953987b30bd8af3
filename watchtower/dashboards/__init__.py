"""The builder of the Grafana dashboards; what it writes is committed in /dashboards."""

from pathlib import Path

from watchtower.nouns.errors import ConfigError, Problem
from watchtower.nouns.place import Place


def write(folder: Path) -> list[Path]:
    """Writes the dashboards and the Prometheus rules into *folder*, which is made where it is missing; ConfigError without grafana-foundation-sdk."""
    try:
        from watchtower.dashboards.grafana import model_dashboard  # noqa: PLC0415  an extra
    except ModuleNotFoundError as problem:
        advice = "install it: pip install 'watchtower-ml[dashboards]'"
        raise ConfigError([Problem(Place("dashboards"), "the package grafana-foundation-sdk is missing", advice)]) from problem
    from watchtower.dashboards.rules import prometheus_rules  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    files = {"watchtower-model.json": model_dashboard(), "watchtower-rules.yml": prometheus_rules()}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in files]
