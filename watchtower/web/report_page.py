"""A report as one page that needs nothing beside it: to be mailed, kept, opened without a network."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from watchtower import __version__
from watchtower.nouns.report import ModelReport
from watchtower.web.templating import templates

_ALONE = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'unsafe-inline'; font-src data:; img-src data: blob:\">"
    "<script>try{localStorage}catch{Object.defineProperty(window,'localStorage',{value:{getItem:()=>null,setItem(){},removeItem(){}}})}</script>"
)
"""Put into Evidently's page: it runs in a frame of no origin, asks nobody for anything, and finds a storage that keeps nothing (it ends without one)."""


def page(title: str, reports: Sequence[ModelReport], lacking: Sequence[tuple[str, str]] = ()) -> str:
    """The page over *reports*; *lacking* are (model, why there is none)."""
    environment = templates()
    environment.filters |= {"when": _when, "alone": _alone}
    style = (Path(__file__).parent / "static" / "style.css").read_text(encoding="utf-8")
    shown = {"title": title, "reports": reports, "lacking": lacking, "style": style, "version": __version__}
    return environment.get_template("report.html").render(shown)


def _alone(html: str) -> str:
    return html.replace("<head>", f"<head>{_ALONE}", 1)


def _when(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
