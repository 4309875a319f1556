"""Ids of end users in paths. They may hold slashes, escaped or not."""

from __future__ import annotations

from django.http import HttpRequest
from drf_spectacular.utils import OpenApiParameter

from chatify.accounts.profile import UserInput
from chatify.common.inputs import check

EXTERNAL_ID = OpenApiParameter(
    "external_id", str, OpenApiParameter.PATH, description="The tenant's id of the user. Write a slash in it as `%2F`."
)


def checked_external_id(external_id: str) -> str:
    """An id out of a path. Raises InvalidInput."""
    return check(UserInput, {"external_id": external_id}).external_id or ""


def ends_in(request: HttpRequest, tail: str) -> bool:
    """Whether the path ends like this as it was sent: Django's routes see escaped slashes as slashes like others."""
    raw_path: bytes = getattr(request, "scope", {}).get("raw_path") or tail.encode()
    return raw_path.endswith(tail.encode())
