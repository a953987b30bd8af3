"""Keeps secrets out of what far ends say before it is told or kept."""

from collections.abc import Iterable

HIDDEN = "(hidden)"
LEAST = 4
"""Shorter pieces of a secret are no secret, and hiding them would blot out every second word."""


class Hiding:
    """Knows secrets, and takes them out of texts. *whole* are hidden at any length, *pieces* (of which parts may be echoed) from LEAST characters on."""

    def __init__(self, whole: Iterable[str], pieces: Iterable[str] = ()) -> None:
        words = {part for each in pieces for part in (each, *each.split()) if len(part) >= LEAST}
        self._secrets = sorted({*(each for each in whole if each), *words}, key=len, reverse=True)

    def __repr__(self) -> str:
        """Says how many, never which."""
        return f"Hiding({len(self._secrets)} secrets)"

    def of(self, text: str) -> str:
        """*text* with every secret replaced."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text

    def of_tail(self, text: str) -> str:
        """As :meth:`of`, for a text whose beginning was cut off: the rest of a secret that was cut through goes too."""
        rests = [secret[at:] for secret in self._secrets for at in range(1, len(secret)) if text.startswith(secret[at:])]
        return self.of(text[len(max(rests, key=len, default="")) :])
