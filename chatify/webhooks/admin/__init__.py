"""Staff's pages for webhooks."""

from chatify.webhooks.admin import deliveries, endpoints, sources

__all__ = ["deliveries", "endpoints", "sources"]
