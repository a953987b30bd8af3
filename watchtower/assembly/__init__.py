"""Settings to running parts: the only room that knows every room."""

from watchtower.assembly.daemon import DaemonParts, Ears, build_daemon
from watchtower.assembly.replaying import ReplayEars, ReplayParts, build_replay
from watchtower.assembly.routes import build_routes

__all__ = ["DaemonParts", "Ears", "ReplayEars", "ReplayParts", "build_daemon", "build_replay", "build_routes"]
