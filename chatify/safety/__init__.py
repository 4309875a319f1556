"""What leaves the house goes through here, and what people write is looked at."""

from __future__ import annotations


def mask(text: str) -> str:
    """A text as others may have it. Nothing is taken out of it yet."""
    return text


def moderate(text: str) -> tuple[str, ...]:
    """What somebody should look at in a message that a person sent, as words such as `hate`. Nothing yet.

    It is asked before the message is stored, on the message's way: so it has to be quick.
    """
    return ()
