"""What matchmaking reports to Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

waiting = Gauge(
    "chatify_match_waiting", "People who wait for somebody, as last seen by a process.", multiprocess_mode="livemax"
)
tickets = Counter("chatify_match_tickets_total", "Match tickets that came to a status in this process.", ["status"])
overshoot = Histogram(
    "chatify_match_overshoot_seconds",
    "From a ticket's deadline until its personality.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 64),
)
wait = Histogram(
    "chatify_match_wait_seconds",
    "From joining the queue until somebody was there.",
    ["by"],
    buckets=(0.1, 0.25, 0.5, 1, 2, 4, 6, 8, 10, 12, 16, 32, 64, 256),
)
unserved = Counter("chatify_match_unserved_total", "Tries to find a personality that failed.", ["code"])
failures = Counter(
    "chatify_match_failures_total", "Steps of a look that failed for one ticket, or two, by what nobody expected."
)
look = Histogram(
    "chatify_match_look_seconds", "How long one look at the queue took.", buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 1, 4)
)

STATUS_OF = {
    "match.joined": "waiting",
    "match.chatbot": "with_chatbot",
    "match.matched": "matched_human",
    "match.cancelled": "cancelled",
    "match.expired": "expired",
    "match.closed": "closed",
}
"""What an event says of its ticket."""
