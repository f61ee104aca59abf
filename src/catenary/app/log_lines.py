"""What processes say of themselves on stderr: lines for people, or a JSON object a line for programs."""

from __future__ import annotations

import json
import logging.config
import sys
import time
from typing import Any, Final, Literal, TextIO

Form = Literal["plain", "json"]

NAME: Final = "catenary"


def configuration(form: Form) -> dict[str, Any]:
    """A configuration of `logging`, for this process or one that it starts.

    Args:
        form: of the lines.
    """
    plain = {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": plain if form == "plain" else {"()": JsonLines}},
        "handlers": {"stderr": {"()": Stderr, "formatter": "line"}},
        "loggers": {
            NAME: {"handlers": ["stderr"], "level": "INFO", "propagate": False},
            # What a client of a server does wrong is worth no line.
            "uvicorn": {"handlers": ["stderr"], "level": "ERROR", "propagate": False},
            "asyncio": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        },
    }


def configure(form: Form) -> None:
    """Let this process say what it has to say."""
    logging.config.dictConfig(configuration(form))


class Stderr(logging.StreamHandler[TextIO]):
    """Writes to what is stderr at the time, which tests and notebooks change."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        self.stream = sys.stderr
        super().emit(record)


class JsonLines(logging.Formatter):
    """A record as a JSON object: time, level, logger, message, and what `extra=` gave in `facts`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)
