"""The log: a line an event, to stderr."""

import json
import logging
import sys
from typing import Literal


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """time, level, event and, where there is one, the error."""
        line = {"time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"), "level": record.levelname.lower(), "event": record.getMessage(), "from": record.name}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


def configure(form: Literal["text", "json"], level: int = logging.INFO) -> None:
    """Ours at *level*, libraries from warnings on."""
    out = logging.StreamHandler(sys.stderr)
    out.setFormatter(JsonLines() if form == "json" else logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[out], force=True)
    logging.getLogger("watchtower").setLevel(level)
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
