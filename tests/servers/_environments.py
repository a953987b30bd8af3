"""Python environments of servers that the tests run: each from its own hashed lock, requirements/<name>.txt, made once."""

import hashlib
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = Path(__file__).parents[1] / ".cache"
WITHIN = 900


class NoEnvironmentError(RuntimeError):
    """It cannot be made here."""


def python_of(name: str) -> Path:
    """The interpreter of the environment *name*, made where it is not there; NoEnvironmentError says why it cannot be."""
    lock = ROOT / "requirements" / f"{name}.txt"
    digest = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:12]
    made = CACHE / name / digest
    if not (made / "bin" / "python").exists():
        part = CACHE / name / f"part-{uuid.uuid4().hex}"
        try:
            _make(part, lock)
            if not made.exists():
                part.rename(made)
        except (OSError, subprocess.SubprocessError) as failed:
            words = getattr(failed, "stderr", None) or str(failed)
            msg = f"the environment of {lock.name} cannot be made: {words[-500:]}"
            raise NoEnvironmentError(msg) from failed
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return made / "bin" / "python"


def _make(folder: Path, lock: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    uv = shutil.which("uv")
    python = str(folder / "bin" / "python")
    if uv is not None:
        _run(uv, "venv", "--quiet", "--python", sys.executable, str(folder))
        _run(uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", str(lock))
    else:
        _run(sys.executable, "-m", "venv", str(folder))
        _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", str(lock))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=WITHIN)
