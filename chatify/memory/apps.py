"""Memory: the window, summaries, long-term facts."""

from django.apps import AppConfig


class MemoryConfig(AppConfig):
    """What is remembered of conversations."""

    name = "chatify.memory"
    label = "memory"
    verbose_name = "Memory"

    def ready(self) -> None:
        """Say what is kept about end users, and forget what is cached of chat sessions that are erased."""
        from chatify.memory.holdings import register_holdings
        from chatify.memory.window import forget_erased

        register_holdings()
        forget_erased()
