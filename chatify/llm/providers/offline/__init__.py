"""The built-in companion that answers when no model is configured: no network, no key, no model."""

from __future__ import annotations

from chatify.llm.providers.offline.companion import OfflineCompanion

__all__ = ["OfflineCompanion"]
