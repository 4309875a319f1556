"""What is kept about end users here: how it is exported, and how it is erased."""

from __future__ import annotations


def register_holdings() -> None:
    """Said by the app when it is ready."""
