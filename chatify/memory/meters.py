"""What the work of memory reports to Prometheus, in the process that does it."""

from __future__ import annotations

from prometheus_client import Counter

from chatify.llm.types import Usage

_steps = Counter("chatify_memory_steps_total", "Summaries and searches for facts that ended.", ["kind", "result"])
_tokens = Counter("chatify_memory_tokens_total", "Tokens that memory used.", ["kind"])


def step_ended(kind: str, result: str) -> None:
    """Count a step: `summary` or `facts`, and `done`, `failed` or `lost` (to another worker, or to a change)."""
    _steps.labels(kind, result).inc()


def tokens_used(usage: Usage) -> None:
    """Count what a call of a model has cost, whether or not its answer was of use."""
    _tokens.labels("prompt").inc(usage.prompt_tokens)
    _tokens.labels("completion").inc(usage.completion_tokens)
