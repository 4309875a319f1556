"""One JSON line per event, from structlog and from the standard library alike."""

from __future__ import annotations

import logging
import logging.config
import re
import sys
from typing import Any

import structlog

_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    # Not structlog's rich traceback: it prints local variables, and with them what people wrote.
    structlog.processors.format_exc_info,
]
_QUIET = ("uvicorn", "celery", "httpx2", "openai", "asyncio", "daphne", "django.channels", "httpcore2")

# A stranger who sends a wrong Host header would fill the log with tracebacks; the 400 is logged as a request.
_QUIETER = {"kombu": {"level": "ERROR"}, "django.security.DisallowedHost": {"level": "CRITICAL"}}


# Who a path is about: "/api/v1/users/<external_id>/", in our own lines and in "Not Found: <path>" of Django's.
_USER_PATH = re.compile(
    r"(/api/.*/users/+).+?(/+(?:export|memories(?:/+[0-9a-f-]{36})?)/*|/*)$", re.IGNORECASE | re.DOTALL
)
# The link of a mail: whoever reads it can set somebody's password.
_RESET_PATH = re.compile(r"(?<!/auth)(/password/reset/).+?(/*)$", re.IGNORECASE | re.DOTALL)


def mask_paths(logger: Any, name: str, line: dict[str, Any]) -> dict[str, Any]:
    """A processor of structlog's: applications' ids of people, and links that open something, are not logged."""
    for field in ("event", "path"):
        text = line.get(field)
        if isinstance(text, str) and "/" in text:
            line[field] = _RESET_PATH.sub(r"\1<link>\2", _USER_PATH.sub(r"\1<external_id>\2", text))
    return line


def configure(level: str) -> None:
    """Set up logging to stderr for the whole process. `level` is a name such as INFO."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": _SHARED,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            mask_paths,
            structlog.processors.JSONRenderer(),
        ],
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": formatter},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "stream": sys.stderr, "formatter": "json"}},
            "root": {"handlers": ["stderr"], "level": level},
            "loggers": {**{name: {"level": "WARNING"} for name in _QUIET}, **_QUIETER},
        }
    )
