"""A matchmaker of an application's, as tests drive it: it signs what it sends, or does it wrong on purpose."""

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
from standardwebhooks import Webhook

from tests.client import ApiClient

SOURCES = "/api/v1/webhooks/sources/"
PATH = "/api/v1/webhooks/matchmaking/"
FALLBACK = "chatbot_fallback_triggered"


def at(seconds: float = 0) -> datetime:
    """So many seconds from now."""
    return datetime.fromtimestamp(time.time() + seconds, UTC)


def event(type: str, external_id: str, **data: Any) -> dict[str, Any]:
    """An event about somebody; `user` is their profile."""
    user = {"external_id": external_id, **data.pop("user", {})}
    return {"type": type, "timestamp": "2026-11-21T12:00:00Z", "data": {"user": user, **data}}


@dataclass
class Matchmaker:
    """One source, with its secret."""

    client: ApiClient
    id: str
    secret: str

    def headers(self, body: bytes, webhook_id: str = "", when: datetime | None = None) -> dict[str, str]:
        """Right headers for a body."""
        webhook_id, when = webhook_id or f"msg_{uuid4().hex}", when or at()
        return {
            "content-type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(when.timestamp())),
            "webhook-signature": Webhook(self.secret).sign(webhook_id, when, body.decode()),
        }

    def post(self, body: bytes, headers: dict[str, str], **query: str) -> httpx.Response:
        """Send this and nothing else: there is no key."""
        with httpx.Client(base_url=self.client.url, trust_env=False, timeout=30) as http:
            return http.post(PATH, content=body, headers=headers, params={"source": self.id, **query})

    def send(self, body: dict[str, Any], webhook_id: str = "", when: datetime | None = None) -> httpx.Response:
        """Send an event, signed."""
        raw = json.dumps(body).encode()
        return self.post(raw, self.headers(raw, webhook_id, when))

    def tell(self, type: str, external_id: str, webhook_id: str = "", **data: Any) -> dict[str, Any]:
        """Send an event that is taken; gives the answer."""
        response = self.send(event(type, external_id, **data), webhook_id)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer


def make_matchmaker(client: ApiClient, name: str = "matchmaker") -> Matchmaker:
    """A source of the client's tenant."""
    response = client.post(SOURCES, {"name": name})
    assert response.status_code == 201, response.text
    made = response.json()
    return Matchmaker(client, made["source"]["id"], made["secret"])
