"""From rounds to a table: medians, and Chatify's cost as a multiple of the relay's."""

import statistics
from collections.abc import Callable
from typing import Any

Round = dict[str, Any]
Column = tuple[str, Callable[["Row"], str]]


class Row:
    """All rounds of one system at one number of chat sessions."""

    def __init__(self, system: str, sessions: int, rounds: list[Round], yardstick: list[Round]) -> None:
        self.system, self.sessions, self.rounds = system, sessions, rounds
        self.ratios = [
            server_cpu(own) / server_cpu(relay)
            for own, relay in zip(rounds, yardstick, strict=False)
            if server_cpu(relay)
        ]

    @property
    def ratio(self) -> float | None:
        """The median of the rounds' ratios to the relay; None without a relay."""
        return float(statistics.median(self.ratios)) if self.ratios else None

    @property
    def success(self) -> float:
        """Percent of the turns, of all rounds, that ended as they should."""
        return float(100 * sum(one["ok"] for one in self.rounds) / sum(one["turns"] for one in self.rounds))

    def median(self, read: Callable[[Round], float | None]) -> float | None:
        """The median of one figure over the rounds that have it."""
        values = [value for value in map(read, self.rounds) if value is not None]
        return float(statistics.median(values)) if values else None

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "system": self.system,
            "sessions": self.sessions,
            "success_percent": self.success,
            "cpu_per_1000_turns": self.median(server_cpu),
            "ratio": self.ratio,
            "ratios": self.ratios,
            "rounds": self.rounds,
        }


def server_cpu(one: Round) -> float:
    """CPU seconds of the server for 1,000 turns."""
    return float(one["cpu_per_1000_turns"]["server"])


def database_cpu(one: Round) -> float:
    """CPU seconds of PostgreSQL and Redis for 1,000 turns."""
    costs = one["cpu_per_1000_turns"]
    return float(costs["postgres"] + costs["redis"])


def build_rows(results: dict[tuple[int, str], list[Round]]) -> list[Row]:
    """One row for each number of chat sessions and system, in the order of the results."""
    return [
        Row(system, sessions, rounds, results.get((sessions, "relay"), []))
        for (sessions, system), rounds in results.items()
    ]


def with_spread(values: list[float]) -> str:
    """A median with the lowest and highest value."""
    if not values:
        return "-"
    middle = f"{statistics.median(values):.2f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.2f}-{max(values):.2f})"


def number(value: float | None, digits: int = 1) -> str:
    """A figure, or a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def first_token_added(row: Row) -> str:
    """p50 / p95 / p99, each the median of the rounds."""

    def read(percentile: str) -> str:
        return number(row.median(lambda one: one["ttft_added_ms"][percentile]))

    return " / ".join(map(read, ("p50", "p95", "p99")))


def percent(value: float) -> str:
    """Two digits, cut off: what is not quite all must not read as 100."""
    return f"{int(value * 100) / 100:g}"


COLUMNS: list[Column] = [
    ("system", lambda row: row.system),
    ("N", lambda row: str(row.sessions)),
    ("success %", lambda row: percent(row.success)),
    ("turns/s", lambda row: number(row.median(lambda one: one["turns_per_second"]))),
    ("CPU s/1000 turns", lambda row: with_spread([server_cpu(one) for one in row.rounds])),
    ("x relay", lambda row: with_spread(row.ratios)),
    ("TTFT added ms p50/p95/p99", first_token_added),
    ("DB CPU s/1000", lambda row: number(row.median(database_cpu), 2)),
    ("RSS MiB", lambda row: number(row.median(lambda one: one["rss_peak_mib"]["server"]), 0)),
    ("foreign cores", lambda row: number(max(one["foreign_cores"] for one in row.rounds), 2)),
]


def render_table(rows: list[Row]) -> str:
    """The table as aligned Markdown."""
    cells = [[title for title, _ in COLUMNS], *([read(row) for _, read in COLUMNS] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def find_faults(rows: list[Row], limit: float) -> list[str]:
    """What a check against `limit` has to complain about: lost turns anywhere, a ratio at the first N above it."""
    faults = [f"{row.system} at {row.sessions}: {percent(row.success)} % success" for row in rows if row.success < 100]
    for row in rows:
        is_judged = row.system != "relay" and row.sessions == rows[0].sessions
        if is_judged and row.ratio is not None and row.ratio > limit:
            faults.append(f"{row.system} at {row.sessions}: {row.ratio:.2f} times the relay's CPU, {limit:g} allowed")
    return faults
