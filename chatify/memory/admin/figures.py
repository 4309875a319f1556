"""What was used for remembering, in words for staff."""

from __future__ import annotations

from chatify.memory.summarizing import EXTRACTIVE
from sessions.models import Summary

STYLES = {"all": ["accounts/admin.css", "templates_app/admin.css", "memory/admin.css"]}


def maker_in_words(summary: Summary) -> str:
    """The model and its prompt; without a model the sentences were picked."""
    if summary.model == EXTRACTIVE:
        return "picked sentences, no model"
    prompt = f"prompt {summary.prompt_version}" if summary.prompt_version else "built-in prompt"
    return f"{summary.model} · {prompt}"


def tokens_in_words(summary: Summary) -> str:
    """Those of the prompt and of the text."""
    tokens = summary.prompt_tokens + summary.completion_tokens
    about = "about " if summary.is_usage_estimated and tokens else ""
    return f"{about}{tokens:,}"


def cost_in_words(summary: Summary) -> str:
    """In US dollars, if somebody said what the model costs."""
    if summary.cost is None:
        return "unknown"
    return f"${summary.cost.normalize():f}" if summary.cost else "$0"
