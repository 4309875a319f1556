"""The API's routes as Django knows them, so that no test of "every route" can forget one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.urls import URLPattern, URLResolver, get_resolver

_METHODS = ("get", "post", "put", "patch", "delete")

# What makes a call right, where a body is needed. A new route that needs one has to come in here.
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("PATCH", "auth-me"): {"name": "Changed"},
    ("PATCH", "memory-detail"): {"text": "sister Anna"},
    ("PATCH", "session-detail"): {"title": "changed"},
    ("PATCH", "template-detail"): {"description": "Changed."},
    ("PATCH", "tenant-detail"): {"name": "Changed"},
    ("PATCH", "user-detail"): {"style": "changed"},
    ("POST", "key-list"): {"name": "Another"},
    ("POST", "match-ticket-accept"): {"proposal": str(UUID(int=0))},
    ("POST", "match-ticket-stay"): {"proposal": str(UUID(int=0))},
    ("POST", "message-list"): {"content": "hello"},
    ("POST", "session-connect"): {"user": {"external_id": "alice"}},
    ("POST", "session-feedback"): {"rating": 1},
    ("POST", "session-report"): {"reason": "spam"},
    ("POST", "session-switch"): {"template": "dating_advice"},
    ("POST", "template-list"): {"name": "Ada", "system_prompt": "You are an AI companion. Be brief."},
    ("PATCH", "webhook-endpoint-detail"): {"description": "Changed."},
    ("PATCH", "webhook-source-detail"): {"name": "Changed"},
    ("POST", "webhook-source-list"): {"name": "Another"},
    ("POST", "webhook-endpoint-list"): {"url": "https://app.example.com/chatify"},
    ("POST", "token-list"): {"user": {"external_id": "alice"}},
}


@dataclass(frozen=True)
class Route:
    """One method of one route."""

    method: str
    name: str
    pattern: str

    def __str__(self) -> str:
        return f"{self.method} {self.name}"

    @property
    def body(self) -> dict[str, Any]:
        """A right body for it."""
        return BODIES.get((self.method, self.name), {})

    def path(self, **values: str) -> str:
        """Its path with these ids."""
        return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda match: values[match[1]], self.pattern)


def api_routes() -> list[Route]:
    """All methods of all routes below /api/v1/."""
    return [route for route in _walk(get_resolver(), "") if route.pattern.startswith("api/v1/")]


def object_routes() -> list[Route]:
    """Those of one chat session."""
    return [route for route in api_routes() if "chat_session_id" in route.pattern]


def _walk(resolver: URLResolver, prefix: str) -> Iterator[Route]:
    for entry in resolver.url_patterns:
        pattern = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _walk(entry, pattern)
        elif isinstance(entry, URLPattern) and (view := getattr(entry.callback, "cls", None)) is not None:
            yield from (Route(name.upper(), entry.name or "", pattern) for name in _METHODS if hasattr(view, name))
