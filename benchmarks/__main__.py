"""`python -m benchmarks`: Chatify beside a bare relay, on this machine, in a few minutes."""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import orjson

from benchmarks.command import carry_out, say
from benchmarks.load import Assignment
from benchmarks.report import Round, build_rows, find_faults, render_table
from benchmarks.services import BenchmarkError, open_workshop, read_tail
from benchmarks.systems import START, Surroundings, System, build_surroundings, environment, python
from benchmarks.tokens import MAX_TOKENS

NOISY_CORES = 0.3
WARM_UP_SESSIONS = 20
CONNECT_ALL_SECONDS = 180


def count(text: str) -> int:
    """A whole number above 0."""
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def counts(text: str) -> list[int]:
    """Whole numbers above 0 with commas between them."""
    return [count(part) for part in text.split(",")]


def systems(text: str) -> list[str]:
    """Names of systems with commas between them."""
    names = text.split(",")
    if unknown := set(names) - set(START):
        raise argparse.ArgumentTypeError(f"no such system: {', '.join(sorted(unknown))}")
    return names


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--sessions", type=counts, default=[100, 500], metavar="N,N", help="chat sessions (100,500)")
    parser.add_argument("--rounds", type=count, default=2, help="rounds of each system at each N (2)")
    parser.add_argument("--turns", type=count, default=3, help="turns of each chat session (3)")
    parser.add_argument("--tokens", type=count, default=40, help="tokens of a reply (40)")
    parser.add_argument("--gap", type=float, default=20, help="milliseconds between tokens (20)")
    parser.add_argument("--ttft", type=float, default=200, help="milliseconds to the model's first token (200)")
    parser.add_argument("--systems", type=systems, default=["relay", "chatify"], help="relay,chatify")
    parser.add_argument(
        "--json", type=lambda text: Path(text).resolve(), metavar="FILE", help="write every figure of every round there"
    )
    parser.add_argument(
        "--check", type=float, metavar="RATIO", help="fail on lost turns or a higher ratio at the first N"
    )
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder with the logs behind")
    options = parser.parse_args(arguments)
    if options.tokens > MAX_TOKENS:
        parser.error(f"--tokens is at most {MAX_TOKENS}")
    return options


def plan(around: Surroundings, system: System, options: argparse.Namespace, sessions: int, turns: int) -> Assignment:
    """The load's assignment for one round."""
    model_seconds = (options.ttft + options.tokens * options.gap) / 1000
    return Assignment(
        system.name, system.port, system.key, sessions, turns, options.tokens, model_seconds, around.pids(system)
    )


def measure(around: Surroundings, system: System, assignment: Assignment) -> Round:
    """Play one assignment in a process of its own.

    Raises:
        BenchmarkError: the load itself broke, or the server is gone.
    """
    limit = assignment.limit_seconds + CONNECT_ALL_SECONDS
    command = python("-m", "benchmarks.load")
    try:
        done = subprocess.run(
            command,
            input=orjson.dumps(asdict(assignment)),
            capture_output=True,
            timeout=limit,
            env=environment(),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BenchmarkError(f"The load did not end within {limit:.0f} s.\n{read_tail(system.server.log)}") from error
    if done.returncode:
        raise BenchmarkError(f"The load failed.\n{done.stderr.decode(errors='replace')[-3000:]}")
    if system.server.process.poll() is not None:
        raise BenchmarkError(f"{system.name} ended under load.\n{read_tail(system.server.log)}")
    found: Round = orjson.loads(done.stdout)
    return found


def measure_quietly(around: Surroundings, system: System, assignment: Assignment) -> Round:
    """Play an assignment, once more when other programs used much CPU meanwhile; the quieter of the two counts.

    Noise excuses bad figures, not lost turns: a round that lost some always counts.
    """
    found = measure(around, system, assignment)
    if found["foreign_cores"] > NOISY_CORES and not is_lossy(found):
        say(f"  {system.name}: other programs used {found['foreign_cores']} cores, once more")
        again = measure(around, system, assignment)
        found = again if is_lossy(again) or again["foreign_cores"] < found["foreign_cores"] else found
    return found


def is_lossy(found: Round) -> bool:
    """Whether a turn was lost."""
    return bool(found["ok"] < found["turns"])


def run_rounds(
    around: Surroundings, contenders: list[System], options: argparse.Namespace
) -> dict[tuple[int, str], list[Round]]:
    """All rounds. The systems take turns, and the order turns round, so that drift of the machine hits all alike."""
    results: dict[tuple[int, str], list[Round]] = {}
    for sessions in options.sessions:
        results.update({(sessions, system.name): [] for system in contenders})
        for number in range(options.rounds):
            for system in contenders if number % 2 == 0 else reversed(contenders):
                found = measure_quietly(around, system, plan(around, system, options, sessions, options.turns))
                results[sessions, system.name].append(found)
                tell(number + 1, found)
    return results


def tell(number: int, found: Round) -> None:
    """One round in a line, with what went wrong in it."""
    cpu = found["cpu_per_1000_turns"]["server"]
    say(f"  {found['system']} N={found['sessions']} round {number}: {found['success_percent']:.5g} %, {cpu:.2f} CPU s")
    for reason, times in found["failures"].items():
        say(f"    {times} x {reason}")


def warm_up(around: Surroundings, contenders: list[System], options: argparse.Namespace) -> None:
    """Let each system import, connect and fill its pools before it is measured."""
    for system in contenders:
        tell(0, measure(around, system, plan(around, system, options, WARM_UP_SESSIONS, 1)))


def benchmark(options: argparse.Namespace) -> int:
    """Start everything, measure, print the table; the exit status."""
    with open_workshop(is_kept=options.keep) as workshop:
        say(f"Logs: {workshop.folder}" if options.keep else "Starting PostgreSQL, Redis, the model stub")
        around = build_surroundings(workshop, ttft=options.ttft, tokens=options.tokens, gap=options.gap)
        say(f"Starting {', '.join(options.systems)}; then a warm-up (round 0) and the rounds")
        contenders = [START[name](around) for name in options.systems]
        warm_up(around, contenders, options)
        rows = build_rows(run_rounds(around, contenders, options))
    print(render_table(rows))
    if options.json:
        settings = {**vars(options), "json": str(options.json), "at": time.strftime("%FT%T%z"), "cores": os.cpu_count()}
        options.json.write_text(json.dumps({"settings": settings, "rows": [row.as_json() for row in rows]}, indent=2))
    faults = find_faults(rows, options.check) if options.check is not None else []
    for fault in faults:
        say(f"FAILED: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    options = parse_options()
    sys.exit(carry_out(lambda: benchmark(options)))
