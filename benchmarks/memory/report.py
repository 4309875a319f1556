"""From what was played to tables, and to what a check complains about."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.memory.talks import Mode, Played

LEAST_RECALL = 0.95
MOST_GROWTH = 1.1


@dataclass
class Findings:
    """All that was measured: the conversations of each mode, and by who summarises, the points of the long session."""

    played: dict[Mode, list[Played]] = field(default_factory=dict)
    points: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def recall(results: Sequence[Played]) -> float:
    """The share of the facts that were in the context when they were asked for."""
    return sum(one.found for one in results) / sum(one.asked for one in results)


def render(findings: Findings) -> str:
    """All tables, as Markdown."""
    return "\n\n".join([_render_modes(findings), _render_conversations(findings), _render_points(findings)])


def find_faults(findings: Findings) -> list[str]:
    """What is not as it should be."""
    faults = []
    for mode, results in findings.played.items():
        if mode.has_recall_checked and (share := recall(results)) < LEAST_RECALL:
            faults.append(f"{mode.name}: {_percent(share)} of the facts, {_percent(LEAST_RECALL)} wanted")
        faults += [
            f"{mode.name}: over the budget of {mode.budget}: {turn}" for one in results for turn in one.over_budget
        ]
    for who, points in findings.points.items():
        if (growth := points[-1]["tokens"] / points[0]["tokens"]) > MOST_GROWTH:
            faults.append(f"{who}: {growth:.2f} times the tokens at message {points[-1]['message']}")
    return faults


def describe_losses(findings: Findings) -> list[str]:
    """Which facts were not there, each with the message that told it."""
    return [
        f"{mode.name}: {lost.conversation}/{lost.fact} was lost: {lost.planted:.160}"
        for mode, results in findings.played.items()
        for one in results
        for lost in one.lost
    ]


def as_json(findings: Findings) -> dict[str, Any]:
    """For machines; with the summaries in which facts were missing."""
    modes = {mode.name: [_conversation_as_json(one) for one in results] for mode, results in findings.played.items()}
    return {"modes": modes, "cost": findings.points}


def _conversation_as_json(one: Played) -> dict[str, Any]:
    return {
        "name": one.conversation.name,
        "messages": one.conversation.messages,
        "asked": one.asked,
        "found": one.found,
        "lost": [vars(lost) for lost in one.lost],
        "prompt_tokens": one.prompt_tokens,
        "over_budget": one.over_budget,
    }


# Tables -------------------------------------------------------------------------------------------


def _render_modes(findings: Findings) -> str:
    titles = [
        "summaries",
        "facts asked",
        "in the context",
        "turns",
        "prompt tokens: median",
        "most",
        "budget",
        "over it",
    ]
    return _table(titles, [_mode_row(mode, results) for mode, results in findings.played.items()])


def _mode_row(mode: Mode, results: Sequence[Played]) -> list[str]:
    tokens = [count for one in results for count in one.prompt_tokens]
    return [
        mode.name,
        str(sum(one.asked for one in results)),
        _percent(recall(results)),
        _number(len(tokens)),
        _number(statistics.median(tokens)),
        _number(max(tokens)),
        _number(mode.budget),
        str(sum(len(one.over_budget) for one in results)),
    ]


def _render_conversations(findings: Findings) -> str:
    titles = ["conversation", "messages", *(f"facts: {mode.name}" for mode in findings.played)]
    rows = []
    for same in zip(*findings.played.values(), strict=True):
        conversation = same[0].conversation
        rows.append([conversation.title, str(conversation.messages), *(f"{one.found}/{one.asked}" for one in same)])
    return _table(titles, rows)


def _render_points(findings: Findings) -> str:
    titles = [
        "summaries",
        "from message",
        "prompt tokens",
        "ratio",
        "CPU ms",
        "ms",
        "CPU ms without cache",
        "ms without",
    ]
    rows = []
    for who, points in findings.points.items():
        for point in points:
            times = [point[f"{clock}_{cache}_ms"] for cache in ("warm", "cold") for clock in ("cpu", "wall")]
            ratio = point["tokens"] / points[0]["tokens"]
            figures = [_number(point["message"]), _number(point["tokens"]), f"{ratio:.2f}"]
            rows.append([who, *figures, *(f"{ms:.1f}" for ms in times)])
    return _table(titles, rows)


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [titles, *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _percent(share: float) -> str:
    """Cut off, not rounded: what is not quite enough must not read as if it were."""
    return f"{int(share * 1000) / 10:g} %"


def _number(value: float) -> str:
    return f"{round(value):,}"
