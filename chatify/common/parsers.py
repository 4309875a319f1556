"""How REST bodies are parsed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.parsers import BaseParser

from chatify.common.inputs import MAX_BODY
from chatify.common.strict_json import parse


class StrictJSONParser(BaseParser):
    """JSON by the house's one parser; the view's `max_body` says how many bytes it takes."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        """The parsed body. Raises TooLarge or InvalidInput."""
        view = (parser_context or {}).get("view")
        limit = getattr(view, "max_body", MAX_BODY)
        return parse(stream.read(limit + 1), max_bytes=limit)
