"""How to get in."""

from pathlib import Path
from typing import Literal, Self

from pydantic import SecretStr, model_validator

from watchtower.nouns.errors import Unavailable
from watchtower.nouns.written import Frozen, PathText


class Security(Frozen):
    """Encryption and identity towards the brokers."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    """SASL mechanism; needed with the SASL protocols."""
    username: str | None = None
    password: SecretStr | None = None
    password_file: PathText | None = None
    """A file that holds the password; read again at every connection."""
    ca_file: PathText | None = None
    """Certificates (PEM) that the brokers' are signed by; left out: the system's."""
    certificate_file: PathText | None = None
    key_file: PathText | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.protocol.startswith("SASL"):
            if self.mechanism is None or self.username is None:
                msg = f"{self.protocol} needs mechanism and username"
                raise ValueError(msg)
            if (self.password is None) == (self.password_file is None):
                msg = "give one of password and password_file"
                raise ValueError(msg)
        return self

    def secret(self) -> str | None:
        """The password as it is now; Unavailable where its file cannot be read."""
        if self.password_file is None:
            return self.password.get_secret_value() if self.password else None
        try:
            return Path(self.password_file).read_text().strip()
        except OSError as error:
            msg = f"cannot read {self.password_file}: {error.strerror}"
            raise Unavailable(msg) from error
