"""Staff's pages for matchmaking."""

from chatify.matchmaking.admin import blocks, home, reports, tickets

__all__ = ["blocks", "home", "reports", "tickets"]
