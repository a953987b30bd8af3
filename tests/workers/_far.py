"""A target that is a variable, as strict as a real one, which counts what is asked of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from watchtower.rollback_targets import State, Switch
from watchtower.rollback_targets._errors import Moved


@dataclass
class Far:
    """A target that is a variable; counts what is asked of it. *breaks* is raised at the next call."""

    names: str | None = "2"
    looks: int = 0
    switches: int = 0
    writes: int = 0
    breaks: Exception | None = None
    keys: list[str] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)

    def current(self) -> str | None:
        self.looks += 1
        if self.breaks is not None:
            raise self.breaks
        return self.names

    def state(self) -> State:
        version = self.current()
        return State(version, f"{version} after {self.writes}")

    def ready(self, candidate: str) -> Sequence[str]:
        return () if candidate else ("no version",)

    def switch_to(self, candidate: str, *, expected: str | None, token: str = "", key: str = "", dry_run: bool = False) -> Switch:
        assert not dry_run
        assert key
        self.keys.append(key)
        before = self.current()
        if before == candidate:
            return Switch(before, candidate, changed=False)
        if before != expected or (token and token != f"{before} after {self.writes}"):
            where = "far"
            raise Moved(where, expected, before)
        self.names = candidate
        self.switches += 1
        return Switch(before, candidate, changed=True)

    def abort(self, canary: str, *, stable: str, key: str = "", dry_run: bool = False) -> Switch:
        assert not dry_run
        assert key
        changed = canary not in self.aborted
        self.aborted += [canary] if changed else []
        return Switch(canary, stable, changed=changed)

    def close(self) -> None:
        """Holds nothing."""
