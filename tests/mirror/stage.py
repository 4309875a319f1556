"""A database, a Firestore and relays as processes of their own, for tests that kill them."""

from __future__ import annotations

import itertools
import json
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg

from tests.mirror.emulator import MortalFirestore
from tests.services.process import Process
from tests.services.server import ROOT, base_env, run_python
from tests.waiting import wait_until

RELAY = [sys.executable, "manage.py", "firestore_relay"]
_OWNER = {"Authorization": "Bearer owner"}
_numbers = itertools.count(1)


class Documents:
    """What is in a project of the emulator, read without the client that wrote it."""

    def __init__(self, host: str, project: str) -> None:
        self._url = f"http://{host}/v1/projects/{project}/databases/(default)/documents"

    def said(self, chat: str) -> list[tuple[int, str]]:
        """`seq` and content of the messages of a chat session, as they are in this moment."""
        found = self._list(f"conversation_history/{chat}/messages", orderBy="seq")
        return [(int(one["seq"]["integerValue"]), one["content"]["stringValue"]) for one in found]

    def counted(self, chats: list[str]) -> dict[str, int]:
        """What the documents of chat sessions give as the number of their messages."""
        found = {one["session_id"]["stringValue"]: one for one in self._list("chatbot_sessions")}
        return {chat: int(found[chat]["message_count"]["integerValue"]) for chat in chats}

    def some_chats(self, count: int) -> list[str]:
        """Chat sessions that are in Firestore."""
        return [one["session_id"]["stringValue"] for one in self._list("chatbot_sessions")[:count]]

    def templates(self) -> int:
        """How many personalities are in Firestore."""
        return len(self._list("prompt_templates"))

    def delivered(self) -> int:
        """How many messages are in Firestore."""
        everywhere = {"from": [{"collectionId": "messages", "allDescendants": True}]}
        body = {
            "structuredAggregationQuery": {"structuredQuery": everywhere, "aggregations": [{"count": {}, "alias": "n"}]}
        }
        url = f"{self._url}:runAggregationQuery"
        answer = httpx.post(url, json=body, headers=_OWNER, timeout=30, trust_env=False).raise_for_status().json()
        return int(answer[0]["result"]["aggregateFields"]["n"]["integerValue"])

    def _list(self, path: str, **query: str) -> list[dict[str, Any]]:
        query, found = {"pageSize": "300", **query}, []
        while True:
            answer = httpx.get(f"{self._url}/{path}", params=query, headers=_OWNER, timeout=30, trust_env=False)
            page = answer.raise_for_status().json()
            found += [document["fields"] for document in page.get("documents", ())]
            if not page.get("nextPageToken"):
                return found
            query["pageToken"] = page["nextPageToken"]


class Stage:
    """What the tests of the relay play on."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self.project = f"stage-{uuid4().hex[:8]}"
        self.firestore = MortalFirestore().start()
        self.documents = Documents(self.firestore.host, self.project)
        self.env = base_env(
            DATABASE_URL=database_url,
            FIREBASE_PROJECT_ID=self.project,
            FIRESTORE_EMULATOR_HOST=self.firestore.host,
        )
        self._database_url, self._folder = database_url, folder
        self._programs: list[Process] = []

    # Programs -------------------------------------------------------------------------------------
    def start_relay(self) -> Process:
        """Start another relay."""
        return self._start("relay", RELAY)

    def start_crowd(self, sessions: int, turns: int) -> Process:
        """Start people who talk."""
        return self._start("crowd", [sys.executable, "-m", "tests.mirror.crowd", str(sessions), str(turns)])

    def talk(self, sessions: int, turns: int) -> list[str]:
        """Let people talk, and wait until all is said. Gives the ids of the chat sessions."""
        done = run_python("-m", "tests.mirror.crowd", str(sessions), str(turns), env=self.env)
        return said_in(done.stdout)

    def _start(self, name: str, command: list[str]) -> Process:
        log = self._folder / f"{name}-{next(_numbers)}.log"
        self._programs.append(Process(command, log=log, env=self.env, cwd=ROOT))
        return self._programs[-1]

    # Database -------------------------------------------------------------------------------------
    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement and give its rows, if it has some."""
        if self._database_url.startswith("sqlite"):
            connection: Any = sqlite3.connect(self._database_url.removeprefix("sqlite:///"), timeout=20)
        else:
            connection = psycopg.connect(self._database_url)
        try:
            with connection:
                cursor = connection.execute(statement)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def waiting(self) -> int:
        """How many rows are not delivered."""
        return int(self.sql("SELECT count(*) FROM events_outboxrow")[0][0])

    def wait_delivered(self, timeout: float = 60) -> None:
        """Until no row is left."""
        try:
            wait_until(lambda: self.waiting() == 0, timeout, "all rows delivered")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.waiting()} left\n{self.log_text()[-4000:]}") from None

    def wait_quiet(self) -> None:
        """Until nobody writes to Firestore any more; who might has been stopped."""
        seen = [-1]

        def is_quiet() -> bool:
            seen.append(self.documents.delivered())
            return seen[-1] == seen[-2] and not self.firestore.is_asked()

        wait_until(is_quiet, 30)

    def log_text(self) -> str:
        """What the programs have printed."""
        return "".join(program.log_text() for program in self._programs)

    def close(self) -> None:
        """End everything."""
        for program in self._programs:
            program.signal(signal.SIGCONT)
            program.kill()
        self.firestore.close()


def whole(turns: int) -> list[tuple[int, str]]:
    """What somebody of the crowd has said and heard after so many turns."""
    words = [word for turn in range(1, turns + 1) for word in (f"question {turn}", f"answer {turn}")]
    return list(enumerate(words, start=1))


def said_in(output: str) -> list[str]:
    """The ids that the crowd has printed."""
    ids: list[str] = json.loads(output.splitlines()[-1])
    return ids
