"""What turns report to Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from chatify.turns.spec import Outcome

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)

messages_accepted = Counter("chatify_messages_accepted_total", "User messages that were stored.")
replies_running = Gauge("chatify_replies_running", "Replies that this process writes.", multiprocess_mode="livesum")
followers = Gauge(
    "chatify_followers", "REST calls and streams that follow a chat session.", multiprocess_mode="livesum"
)
_ended = Counter("chatify_replies_total", "Replies that ended.", ["status", "code"])
_first_token = Histogram("chatify_reply_first_token_seconds", "Provider called until first token.", buckets=_SECONDS)
_latency = Histogram("chatify_reply_seconds", "Provider called until the reply's end.", buckets=_SECONDS)
_tokens = Counter("chatify_tokens_total", "Tokens of replies.", ["kind"])
_prompt, _completion = _tokens.labels("prompt"), _tokens.labels("completion")


def reply_ended(outcome: Outcome | None) -> None:
    """Count a reply's end; None is one that another process took over."""
    if outcome is None:
        _ended.labels("lost", "").inc()
        return
    _ended.labels(outcome.status, outcome.error_code).inc()
    _latency.observe(outcome.latency_ms / 1000)
    if outcome.first_token_ms is not None:
        _first_token.observe(outcome.first_token_ms / 1000)
    if outcome.usage is not None:
        _prompt.inc(outcome.usage.prompt_tokens)
        _completion.inc(outcome.usage.completion_tokens)
