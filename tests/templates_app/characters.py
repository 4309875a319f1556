"""Calls that tests of a tenant's own personalities make."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from tests.client import ApiClient

TEMPLATES = "/api/v1/templates/"
SESSIONS = "/api/v1/sessions/"
PROMPT = "You are Ina, who sails.\nAsk {{ user.name }} about the sea."
OFFERED = {
    "slug", "name", "description", "greeting", "personality_traits", "adult_only", "is_default", "is_own", "is_active",
    "version", "created_at", "updated_at",
}  # fmt: skip
WRITTEN = {
    "greeting_source", "welcome_back", "goodbye", "system_prompt", "temperature", "max_tokens", "context_tokens",
    "model",
}  # fmt: skip

KeyOf = Callable[..., ApiClient]


def create(client: ApiClient, **body: Any) -> httpx.Response:
    return client.post(TEMPLATES, {"name": "Captain Ina", "system_prompt": PROMPT, **body})


def made(client: ApiClient, **body: Any) -> dict[str, Any]:
    answer = create(client, **body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def copied(client: ApiClient, copy_of: str, **body: Any) -> httpx.Response:
    return client.post(TEMPLATES, {"copy_of": copy_of, **body})


def change(client: ApiClient, which: str, **body: Any) -> httpx.Response:
    return client.patch(f"{TEMPLATES}{which}/", body)


def detail(client: ApiClient, slug: str) -> httpx.Response:
    return client.get(f"{TEMPLATES}{slug}/")


def slugs(client: ApiClient, **params: Any) -> list[str]:
    return [one["slug"] for one in client.get(TEMPLATES, params=params).json()["results"]]


def at_once(*jobs: Callable[[], httpx.Response]) -> list[httpx.Response]:
    with ThreadPoolExecutor(len(jobs)) as pool:
        return [future.result() for future in [pool.submit(job) for job in jobs]]
