"""The relay as a process: killed in the middle, twice at once, told to stop. Nothing is lost, nothing out of order."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.mirror.stage import Stage, said_in, whole
from tests.services.postgres import Postgres
from tests.services.process import Process
from tests.services.server import Prepared, base_env, copy_sqlite, run_python
from tests.waiting import wait_until

LEASES_RUN_OUT = "UPDATE events_sinklease SET expires_at = '2020-01-01 00:00:00'"
STOP_SECONDS = 8.0


@pytest.fixture(params=["sqlite", "postgres"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """On both databases."""
    if request.param == "sqlite":
        prepared: Prepared = request.getfixturevalue("prepared_sqlite")
        database_url = copy_sqlite(prepared, tmp_path)
    else:
        prepared = request.getfixturevalue("prepared_postgres")
        postgres: Postgres = request.getfixturevalue("postgres")
        database_url = postgres.create_database(f"stage_{tmp_path.name}", template=prepared.database)
    request.getfixturevalue("firestore")  # skips where there is none
    made = Stage(database_url, tmp_path)
    yield made
    made.close()


on_sqlite = pytest.mark.parametrize("stage", ["sqlite"], indirect=True)
on_postgres = pytest.mark.parametrize("stage", ["postgres"], indirect=True)


def check_all_there(stage: Stage, chats: list[str], turns: int) -> None:
    """Every message is in Firestore, as it was said."""
    with ThreadPoolExecutor(4) as pool:
        found = dict(zip(chats, pool.map(stage.documents.said, chats), strict=True))
    assert {chat: said for chat, said in found.items() if said != whole(turns)} == {}
    assert set(stage.documents.counted(chats).values()) == {2 * turns}


def is_started(relay: Process) -> bool:
    return "firestore_relay_started" in relay.log_text()


def owner(stage: Stage) -> str:
    """Who has the lease."""
    return "".join(row[0] for row in stage.sql("SELECT owner FROM events_sinklease"))


# Killed -------------------------------------------------------------------------------------------
@on_postgres
def test_relay_that_is_killed_in_the_middle_of_a_commit_loses_nothing(stage: Stage) -> None:
    relay = stage.start_relay()
    wait_until(stage.documents.templates, 30, "it is connected")
    relay.signal(signal.SIGSTOP)
    chats = stage.talk(5, 4)
    stage.firestore.freeze()
    relay.signal(signal.SIGCONT)
    wait_until(lambda: stage.firestore.is_asked(5000), 30, "a commit is on its way")
    assert stage.waiting() > 0
    relay.kill()
    stage.firestore.thaw()
    stage.sql(LEASES_RUN_OUT)
    stage.start_relay()
    stage.wait_delivered()
    check_all_there(stage, chats, 4)


@on_sqlite
def test_second_relay_stands_by_and_takes_over(stage: Stage) -> None:
    first = stage.start_relay()
    wait_until(lambda: owner(stage), 30, "the lease is taken")
    second = stage.start_relay()
    wait_until(lambda: is_started(second), 30)
    chats = stage.talk(2, 2)
    stage.wait_delivered()
    first.kill()
    stage.sql(LEASES_RUN_OUT)
    chats += stage.talk(2, 2)
    stage.wait_delivered()
    check_all_there(stage, chats, 2)
    assert f":{second.pid}:" in owner(stage)
    assert second.stop(STOP_SECONDS) == 0
    assert owner(stage) == "", "given back"


# Stopped ------------------------------------------------------------------------------------------
@on_sqlite
def test_relay_stops_within_seconds_also_when_firestore_hangs(stage: Stage) -> None:
    stage.talk(1, 1)
    stage.firestore.freeze()
    relay = stage.start_relay()
    wait_until(stage.firestore.is_asked, 30)
    asked_at = time.monotonic()
    assert relay.stop(STOP_SECONDS) == 0
    assert time.monotonic() - asked_at < STOP_SECONDS
    assert "Traceback" not in relay.log_text()
    assert stage.waiting() > 0


def test_relay_says_that_the_mirror_is_off() -> None:
    done = run_python("manage.py", "firestore_relay", env=base_env(DATABASE_URL="sqlite://:memory:"), check=False)
    assert done.returncode == 1
    assert "The mirror is off: set FIREBASE_PROJECT_ID" in done.stderr


# Everything at once -------------------------------------------------------------------------------
def check_order(stage: Stage, chats: list[str]) -> None:
    """What is there at any moment has no gaps and begins at the beginning."""
    for chat in chats:
        said = stage.documents.said(chat)
        assert [seq for seq, _ in said] == list(range(1, len(said) + 1))


def kill_firestore(stage: Stage, relay: Process, meanwhile: Callable[[], Process]) -> Process:
    """Nobody writes while it is exported. The relay finds it gone and backs off, with more to deliver all the time."""
    relay.signal(signal.SIGSTOP)
    stage.wait_quiet()
    stage.firestore.kill(stage.project)
    crowd = meanwhile()
    relay.signal(signal.SIGCONT)
    wait_until(lambda: "firestore_away" in relay.log_text(), 60, "the relay notices")
    stage.firestore.start()
    return crowd


def live_through(stage: Stage, sessions: int, turns: int) -> None:
    """Four times so many people talk, and meanwhile the relay is killed twice, and Firestore."""
    relay, crowds = stage.start_relay(), []
    for _ in range(2):
        before = stage.documents.delivered()
        crowds.append(stage.start_crowd(sessions, turns))
        wait_until(lambda before=before: stage.documents.delivered() > before + sessions, 60, "the first ones arrive")
        relay.kill()
        stage.sql(LEASES_RUN_OUT)
        relay = stage.start_relay()
        wait_until(partial(is_started, relay), 60)
        crowds.append(kill_firestore(stage, relay, lambda: stage.start_crowd(sessions, turns)))
        check_order(stage, stage.documents.some_chats(5))
    wait_until(lambda: not any(crowd.is_running for crowd in crowds), 600, "all is said")
    chats = [chat for crowd in crowds for chat in said_in(crowd.log_text())]
    check_order(stage, chats[-5:])
    stage.wait_delivered(300)
    assert len(chats) == 4 * sessions
    check_all_there(stage, chats, turns)
    run_python("manage.py", "firestore_sync", "--verify", env=stage.env)


@on_sqlite
def test_everything_arrives_while_all_is_killed(stage: Stage) -> None:
    live_through(stage, sessions=5, turns=8)


@pytest.mark.soak
@on_sqlite
def test_what_waited_is_delivered_soon_after_a_long_absence(stage: Stage) -> None:
    """gRPC by itself would stay away for up to two minutes more."""
    relay = stage.start_relay()
    wait_until(stage.documents.templates, 30)
    relay.signal(signal.SIGSTOP)
    stage.wait_quiet()
    stage.firestore.kill(stage.project)
    relay.signal(signal.SIGCONT)
    chats = stage.talk(5, 4)
    wait_until(lambda: '"again_in": 16.0' in relay.log_text(), 60, "it has been away for half a minute")
    stage.firestore.start()
    stage.wait_delivered(20)
    check_all_there(stage, chats, 4)


@pytest.mark.soak
def test_ten_thousand_messages_arrive_while_all_is_killed(stage: Stage) -> None:
    live_through(stage, sessions=50, turns=25)
