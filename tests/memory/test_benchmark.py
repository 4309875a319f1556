"""The memory benchmark: its small version passes, its conversations are fair, and its checks can fail."""

import os
import subprocess
import sys

import pytest

from benchmarks.memory.report import Findings, find_faults
from benchmarks.memory.scripts import FOLDER, Conversation, Exchange, Fact, read_conversation, read_conversations
from benchmarks.memory.scripts import find_faults as find_unfairness
from benchmarks.memory.talks import Lost, Mode, Played
from tests.services.server import ROOT, Prepared

PUPPY = Fact("name", (("dog", "puppy"), ("Pickle",)), ("Waffles",))


def played(**changes: object) -> Findings:
    conversation = Conversation("talk", "A talk", (), {})
    one = Played(conversation, asked=20, prompt_tokens=[100])
    for name, value in changes.items():
        setattr(one, name, value)
    return Findings({Mode("by a model", 6_000): [one]}, {"by a model": [{"message": 50, "tokens": 1000.0}]})


def test_small_version_of_benchmark_finds_every_fact_within_budget(prepared_sqlite: Prepared) -> None:
    command = [sys.executable, "-m", "benchmarks.memory", "--quick"]
    command += ["--database", prepared_sqlite.database, prepared_sqlite.key]
    env = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    done = subprocess.run(command, cwd=ROOT, env=env, check=False, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("| 100 %") >= 2, done.stdout


def test_conversations_are_many_fair_and_not_all_english() -> None:
    found = read_conversations()  # raises ScriptError for an unfair one
    assert len(found) >= 12
    assert found[0].messages >= 60
    assert found[-1].messages == 400
    assert sum(len(one.facts) for one in found) >= 100
    assert any(not one.exchanges[0].said.isascii() for one in found)


@pytest.mark.parametrize(
    ("texts", "is_told"),
    [
        (["The dog is called Pickle."], True),
        (["The dog is asleep."], False),
        ([f"The dog is asleep.{' We went out.' * 40} Pickle was there."], False),
        (["The dog is called Waffles.", "The dog is Pickle now, not Waffles."], True),
        (["The dog is Pickle now.", "Her name is Waffles."], False),
        (["The dog", "Pickle"], False),
    ],
)
def test_fact_is_told_by_all_its_words_together_and_not_after_correction(texts: list[str], is_told: bool) -> None:
    assert PUPPY.is_told_by(texts) is is_told


def test_fact_that_is_told_again_before_it_is_asked_is_unfair() -> None:
    plant, idle = Exchange("Our puppy is Pickle", "Ah", plants=("name",)), Exchange("Rain again", "Yes")
    again = Exchange("The dog, Pickle, is asleep", "Good")
    talk = [plant, *[idle] * 20, again, *[idle] * 10, Exchange("What is she called?", "Well", asks="name")]
    assert any(
        "told again" in fault for fault in find_unfairness(Conversation("t", "T", tuple(talk), {"name": PUPPY}), 66)
    )


def test_same_files_give_same_conversation() -> None:
    path = FOLDER / "conversations" / "puppy.txt"
    assert read_conversation(path) == read_conversation(path)


def test_lost_facts_are_a_fault() -> None:
    lost = [Lost("talk", "name", "Our puppy is Pickle", "What is she called?", "")]
    assert find_faults(played(lost=lost)) == []
    assert "90 % of the facts" in find_faults(played(lost=lost * 2))[0]


def test_turn_over_budget_is_a_fault() -> None:
    assert "over the budget of 6000" in find_faults(played(over_budget=["talk, turn 3: 6001 tokens"]))[0]


def test_growing_cost_is_a_fault() -> None:
    findings = played()
    findings.points["by a model"].append({"message": 10_000, "tokens": 1101.0})
    assert "1.10 times the tokens" in find_faults(findings)[0]
