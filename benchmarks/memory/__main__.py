"""`python -m benchmarks.memory`: does Chatify remember, within its budget, at a cost that does not grow?"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from benchmarks.command import carry_out, say
from benchmarks.memory.house import Prepared, chatify_environment, copy_of, env_of, open_house, prepare
from benchmarks.memory.model import Model, serve_model
from benchmarks.memory.report import Findings, as_json, describe_losses, find_faults, render
from benchmarks.memory.scripts import Conversation, read_conversations
from benchmarks.memory.talks import Mode, play
from benchmarks.services import BenchmarkError, Workshop, open_workshop
from benchmarks.systems import python

MODES = (
    Mode("by a model", 6_000),
    Mode("extractive", 6_000, is_extractive=True),
    Mode("by a model, long messages", 1_500, has_long_messages=True, has_recall_checked=False),
)
MARATHONS = {"by a model": 10_000, "extractive": 10_000}
QUICK_MARATHONS = {"extractive": 1_000}
QUICK_CONVERSATIONS = 2
MARATHON_SECONDS = 1_200


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two conversations, and a session of 1,000 messages")
    parser.add_argument(
        "--json", type=lambda text: Path(text).resolve(), metavar="FILE", help="write all figures there"
    )
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder with logs and databases behind")
    parser.add_argument(
        "--database",
        nargs=2,
        metavar=("FILE", "KEY"),
        help="a migrated, seeded SQLite file to copy, and an API key of it",
    )
    return parser.parse_args(arguments)


def benchmark(options: argparse.Namespace) -> int:
    """Play everything, print the tables; the exit status."""
    conversations = read_conversations()
    with serve_model() as model, open_workshop(is_kept=options.keep) as workshop:
        say(f"Logs: {workshop.folder}" if options.keep else "Preparing a database")
        made = Prepared(Path(options.database[0]), options.database[1]) if options.database else None
        prepared = made or prepare(workshop, model)
        findings = Findings()
        play_all(workshop, prepared, model, conversations[: QUICK_CONVERSATIONS if options.quick else None], findings)
        run_marathons(workshop, prepared, model, QUICK_MARATHONS if options.quick else MARATHONS, findings)
    return conclude(findings, options)


def play_all(
    workshop: Workshop, prepared: Prepared, model: Model, conversations: Sequence[Conversation], findings: Findings
) -> None:
    """Every conversation in every mode, with one server."""
    with open_house(workshop, prepared, model) as house:
        for mode in MODES:
            say(f"Summaries {mode.name}, {mode.budget} tokens: {len(conversations)} conversations")
            before = model.summaries
            findings.played[mode] = play(house, model, mode, conversations, say)
            if (model.summaries == before) != mode.is_extractive:
                raise BenchmarkError(
                    f"The model wrote {model.summaries - before} summaries where they are {mode.name}."
                )


def run_marathons(
    workshop: Workshop, prepared: Prepared, model: Model, marathons: Mapping[str, int], findings: Findings
) -> None:
    """The long chat session, of so many messages by who summarises: the model, or Chatify itself.

    Raises BenchmarkError, also when the model was asked for summaries by Chatify itself, or was not by the other.
    """
    model.small_talk.clear()  # a long one is about this and that, and the summary is as full as it gets
    for name, messages in marathons.items():
        say(f"Summaries {name}: a chat session of {messages:,} messages")
        env = chatify_environment(copy_of(prepared, workshop.folder / f"marathon {name}"), model)
        is_extractive, before = name == "extractive", model.summaries
        findings.points[name] = run_marathon(env_of(env, is_extractive=is_extractive), messages)
        if (model.summaries == before) != is_extractive:
            raise BenchmarkError(f"The model wrote {model.summaries - before} summaries of the session {name}.")


def run_marathon(env: dict[str, str], messages: int) -> list[dict[str, Any]]:
    """Play one long chat session in a process of its own. Raises BenchmarkError."""
    command = python("-m", "benchmarks.memory.marathon")
    try:
        done = subprocess.run(
            command,
            input=orjson.dumps({"messages": messages}),
            capture_output=True,
            env=env,
            timeout=MARATHON_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BenchmarkError(f"{messages} messages took longer than {MARATHON_SECONDS} s.") from None
    if done.returncode:
        raise BenchmarkError(f"The long chat session failed.\n{done.stderr.decode(errors='replace')[-3000:]}")
    points: list[dict[str, Any]] = orjson.loads(done.stdout)
    return points


def conclude(findings: Findings, options: argparse.Namespace) -> int:
    """Tell what was found; the exit status."""
    print(render(findings))
    for loss in describe_losses(findings):
        say(loss)
    if options.json:
        options.json.write_text(json.dumps({"at": time.strftime("%FT%T%z"), **as_json(findings)}, indent=1))
    faults = find_faults(findings)
    for fault in faults:
        say(f"FAILED: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    options = parse_options()
    sys.exit(carry_out(lambda: benchmark(options)))
