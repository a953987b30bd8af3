"""`watchtower`: finds the command, and turns what goes wrong into a sentence and an exit code.

A command is a function in a module of this room, named in :data:`COMMANDS`; its docstring's first line is its help. Only the command
that was asked for is imported.
"""

import ast
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import typer

from watchtower import __version__
from watchtower.nouns.errors import ConfigError, WatchtowerError

COMMANDS = MappingProxyType(
    {
        "run": "run",
        "demo": "demo",
        "check": "check",
        "replay": "replay",
        "reference": "reference",
        "calibrate": "calibrate",
        "backtest": "backtest",
        "test": "test",
        "status": "status",
        "incidents": "status",
        "rollback": "rollback",
        "approve": "approve",
        "reject": "approve",
        "freeze": "freeze",
        "thaw": "freeze",
        "clear": "clear",
        "audit": "audit",
        "windows": "windows",
        "shadow": "shadow",
        "schema": "schema",
        "dashboards": "dashboards",
    }
)
"""Command -> the module of this room that holds a function of its name."""
ERROR = 1
USAGE = 64
DEBUG = "--debug"
_TYPERS_USAGE = 2


def main(words: Sequence[str] | None = None) -> None:
    """Runs the command line *words* and exits: 0 fine, 1 error, 64 wrong usage, or what the command says."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small matrices only: threads would spin (7 µs a message instead of 3) and take memory
    given = list(sys.argv[1:] if words is None else words)
    end = given.index("--") if "--" in given else len(given)
    debug = DEBUG in given[:end]
    kept = [word for word in given[:end] if word != DEBUG] + given[end:]
    try:
        build(kept)(args=kept, prog_name="watchtower")
    except SystemExit as asked:
        sys.exit(USAGE if asked.code == _TYPERS_USAGE else asked.code)
    except BrokenPipeError:
        _stop_writing()
    except WatchtowerError as wrong:
        if debug:
            raise
        _complain(str(wrong), several=isinstance(wrong, ConfigError))
    except Exception as wrong:
        if debug:
            raise
        _complain(f"{type(wrong).__name__}: {wrong}; `watchtower {DEBUG} …` shows where", several=False)
    sys.exit(ERROR)


def build(words: Sequence[str]) -> typer.Typer:
    """The command line, with the function of each command that *words* name; the others have only their help."""
    app = typer.Typer(name="watchtower", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.callback()(_watchtower)
    for command, module in COMMANDS.items():
        name = f"{__package__}.{module}"
        if command in words:
            app.command(command)(getattr(import_module(name), command))
        else:
            told = _help(name, command)
            app.command(command, help=told, short_help=told)(_not_asked_for)
    return app


def _tell_version(asked: bool) -> None:  # noqa: FBT001  typer calls it so
    if asked:
        typer.echo(f"watchtower {__version__}")
        raise typer.Exit


def _watchtower(
    version: Annotated[bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Tell the version.")] = False,
    debug: Annotated[bool, typer.Option(DEBUG, help="Show the traceback of an error.")] = False,
) -> None:
    """Watches machine-learning models in production: drift, latency, errors, GPUs; proves that going back helps, and goes back."""


def _not_asked_for() -> None:
    """Stands for a command that was not asked for."""


def _help(module: str, function: str) -> str:
    """The first line of *function*'s docstring, read without importing *module*."""
    found = find_spec(module)
    tree = ast.parse(Path(found.origin).read_text(encoding="utf-8")) if found and found.origin else ast.Module([], [])
    docs = (ast.get_docstring(node) for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function)
    return (next(docs, None) or "").partition("\n")[0]


def _complain(sentence: str, *, several: bool) -> None:
    """Says what is wrong on stderr; *several* lines stand as they are, so that editors find their places."""
    with suppress(BrokenPipeError):
        print(sentence if several else f"watchtower: {sentence}", file=sys.stderr)


def _stop_writing() -> None:
    """Whoever read our output has gone (`| head`): nothing is to be written when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
