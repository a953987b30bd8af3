"""Who types a command, and from where: what the audit keeps of it."""

import getpass
import os
import socket


def who() -> str:
    """``ana@host``; a user without a name is told by number."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def origin() -> str:
    """``cli host``."""
    return f"cli {socket.gethostname()}"
