"""What a model gets to see: the latest messages, the summary, what is remembered; and its cache, which never lies."""

from __future__ import annotations

from datetime import timedelta
from pickle import UnpicklingError
from time import monotonic
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chatify.accounts.models import EndUser
from chatify.accounts.principal import Principal
from chatify.memory import window
from chatify.memory.actions import forget_memories
from chatify.memory.models import Memory
from chatify.turns import ledger
from sessions.actions import delete_chat_sessions, resume_chat_session
from sessions.models import ChatSession, Message, Summary
from tests.memory.talking import OWNER, answer, ask, sent, system, talk


@pytest.fixture(autouse=True)
def _cache_answers() -> Any:
    """Each test begins with an empty cache that is there."""
    cache.clear()
    window._away_until = 0.0
    yield
    window._away_until = 0.0


def summarize(chat: ChatSession, to_seq: int, text: str) -> None:
    """As a digest writes it."""
    Summary.objects.create(tenant_id=chat.tenant_id, chat_session=chat, from_seq=1, to_seq=to_seq, text=text, model="m")
    ChatSession.objects.filter(id=chat.id).update(summarized_seq=to_seq, context_version=F("context_version") + 1)


def remember(chat: ChatSession, kind: str, text: str) -> None:
    """As a digest writes it."""
    Memory.objects.create(
        tenant_id=chat.tenant_id, end_user=chat.end_user, kind=kind, text=text, key=text, said_at=timezone.now()
    )
    EndUser.objects.filter(id=chat.end_user_id).update(memory_version=F("memory_version") + 1)


def read_of_history(principal: Principal, chat: ChatSession) -> list[str]:
    """The queries of one more turn that read messages or what is remembered."""
    with CaptureQueriesContext(connection) as queries:
        answer(ask(principal, chat, "and now?"), "Now.")
    tables = ('FROM "chat_sessions_message"', 'FROM "chat_sessions_summary"', 'FROM "memory_memory"')
    selects = [query["sql"] for query in queries if query["sql"].startswith("SELECT")]
    return [sql for sql in selects if any(table in sql for table in tables)]


# The cache ----------------------------------------------------------------------------------------
def test_turn_of_an_active_chat_session_reads_no_history(principal: Principal, chat: ChatSession) -> None:
    talk(principal, chat, 3)
    assert read_of_history(principal, chat) == []
    cache.clear()
    assert len(read_of_history(principal, chat)) == 1


def test_cached_window_is_the_one_of_the_database(principal: Principal, chat: ChatSession) -> None:
    talk(principal, chat, 12)
    spec = ask(principal, chat, "the same?")
    cached = sent(spec)
    answer(spec, "", status="failed")  # what failed is not said
    cache.clear()
    spec = ledger.retry(principal=principal, chat_session_id=chat.id, message_id=spec.message_id, owner=OWNER)
    assert sent(spec) == cached
    assert cached[-1] == "the same?"


@pytest.mark.parametrize("lie", [{"last_seq": 3}, {"epoch": 7}])
def test_stale_window_never_wins_over_the_database(
    principal: Principal, chat: ChatSession, lie: dict[str, int]
) -> None:
    talk(principal, chat, 2)
    known = window.look_up(chat.id)
    assert known is not None
    said = (window.Said(1, "user", "never said"),)
    window.keep(chat.id, known._replace(said=said, **lie))
    assert sent(ask(principal, chat, "hm?")) == ["question 1", "answer 1", "question 2", "answer 2", "hm?"]


def test_message_that_came_past_the_turns_is_seen(principal: Principal, chat: ChatSession) -> None:
    chat.template.welcome_back = "There you are."
    chat.template.save()
    talk(principal, chat, 1)
    ChatSession.objects.filter(id=chat.id).update(status="paused")
    resume_chat_session(chat_session_id=chat.id, reason="test")
    assert sent(ask(principal, chat, "yes")) == ["question 1", "answer 1", "There you are.", "yes"]


def test_turn_goes_on_without_its_cache(
    principal: Principal, chat: ChatSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk(principal, chat, 1)
    asked = []

    def away(*arguments: Any) -> None:
        asked.append(arguments)
        raise ConnectionError

    monkeypatch.setattr(type(cache._connections[cache._alias]), "get", away)
    talk(principal, chat, 2, first=2)
    assert len(sent(ask(principal, chat, "still there?"))) == 7
    assert len(asked) == 1  # for some seconds it is left alone


def test_entry_that_cannot_be_read_is_no_entry(
    principal: Principal, chat: ChatSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk(principal, chat, 1)

    def broken(*arguments: Any) -> None:
        raise UnpicklingError

    with monkeypatch.context() as patch:
        patch.setattr(type(cache._connections[cache._alias]), "get", broken)
        answer(ask(principal, chat, "still there?"), "Yes.")
    assert read_of_history(principal, chat) == []  # the cache is there, and has been written over


def test_window_is_cached_for_an_hour(principal: Principal, chat: ChatSession, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Any] = []
    monkeypatch.setattr(type(cache._connections[cache._alias]), "set", lambda self, *given: kept.append(given[-1]))
    talk(principal, chat, 1)
    assert kept == [3600]


def test_what_is_cached_goes_with_the_chat_session(
    principal: Principal, chat: ChatSession, django_capture_on_commit_callbacks: Any
) -> None:
    talk(principal, chat, 1)
    assert window.look_up(chat.id) is not None
    with django_capture_on_commit_callbacks(execute=True):
        delete_chat_sessions(chat_session_ids=[chat.id])
    assert window.look_up(chat.id) is None


def test_what_was_forgotten_is_not_left_in_the_cache(
    principal: Principal, chat: ChatSession, django_capture_on_commit_callbacks: Any
) -> None:
    remember(chat, "person", "sister Anna")
    answer(ask(principal, chat, "hello"))
    chat.end_user.refresh_from_db()
    assert cache.get(f"memories:1:{chat.end_user_id}")
    window._away_until = monotonic() + 60  # a cache that was away is asked to forget nevertheless
    with django_capture_on_commit_callbacks(execute=True):
        forget_memories(memories=Memory.objects.all(), who=principal)
    assert cache.get(f"memories:1:{chat.end_user_id}") is None
    assert "Anna" not in system(ask(principal, chat, "and now?"))


def test_remembered_things_are_read_once(principal: Principal, chat: ChatSession) -> None:
    remember(chat, "person", "sister Anna")
    talk(principal, chat, 1)
    assert read_of_history(principal, chat) == []


@pytest.mark.parametrize("entry", ["something else", ("of", "other", "fields"), (1, 2, 3, 4, 5, 6, 7)])
def test_window_of_another_release_is_read_again(principal: Principal, chat: ChatSession, entry: object) -> None:
    talk(principal, chat, 1)
    cache.set(window._key(chat.id), entry)
    assert sent(ask(principal, chat, "hm?")) == ["question 1", "answer 1", "hm?"]


def test_very_large_windows_are_not_cached(principal: Principal, chat: ChatSession) -> None:
    talk(principal, chat, 1)
    answer(ask(principal, chat, "long"), "x" * (window.MOST_KEPT + 1))
    assert window.look_up(chat.id) is None


def test_reply_of_a_chat_session_that_is_over_is_not_cached(principal: Principal, chat: ChatSession) -> None:
    spec = ask(principal, chat, "bye")
    ChatSession.objects.filter(id=chat.id).update(deleted_at=timezone.now())
    answer(spec, "Bye!")
    assert window.look_up(chat.id) is None


# The window ---------------------------------------------------------------------------------------
def test_window_grows_until_a_summary_has_what_leaves_it(principal: Principal, chat: ChatSession) -> None:
    talk(principal, chat, 14)  # 28 messages, no summary yet
    assert len(sent(ask(principal, chat, "now?"))) == window.MOST
    cache.clear()
    summarize(chat, 22, "They counted.")
    spec = ledger.retry(principal=principal, chat_session_id=chat.id, message_id=_failed(chat), owner=OWNER)
    assert len(sent(spec)) == window.width()


def _failed(chat: ChatSession) -> Any:
    """The running reply, failed."""
    running = Message.objects.get(chat_session=chat, status="streaming")
    Message.objects.filter(id=running.id).update(status="failed", lease_expires_at=None)
    ChatSession.objects.filter(id=chat.id).update(running_reply_id=None)
    return running.id


def test_window_is_as_wide_as_the_setting_says(principal: Principal, chat: ChatSession, settings: Any) -> None:
    settings.CONTEXT_MESSAGES = 4
    talk(principal, chat, 5)
    summarize(chat, 10, "They counted to five.")
    assert sent(ask(principal, chat, "now?")) == ["answer 4", "question 5", "answer 5", "now?"]


def test_notices_and_failed_replies_are_not_shown_to_models(principal: Principal, chat: ChatSession) -> None:
    answer(ask(principal, chat, "one"), "broken", status="failed")
    Message.objects.create(
        tenant_id=chat.tenant_id, chat_session=chat, seq=3, role="notice", content="Nora.", created_at=timezone.now()
    )
    ChatSession.objects.filter(id=chat.id).update(last_seq=3)
    assert sent(ask(principal, chat, "two")) == ["one", "two"]


def test_new_or_corrected_summary_is_in_the_next_turn(principal: Principal, chat: ChatSession) -> None:
    talk(principal, chat, 3)
    summarize(chat, 2, "They like counting.")
    spec = ask(principal, chat, "a")
    assert '"They like counting."' in system(spec)
    answer(spec)
    Summary.objects.update(text="They like {{ user.name }} and\n## orders")
    ChatSession.objects.filter(id=chat.id).update(context_version=F("context_version") + 1)
    corrected = system(ask(principal, chat, "b"))
    assert '"They like {{ user.name }} and"\n"## orders"' in corrected  # quoted, and nothing is filled in
    assert "counting" not in corrected


def test_what_is_remembered_is_in_the_next_turn_between_its_marks(principal: Principal, chat: ChatSession) -> None:
    talk(principal, chat, 1)
    remember(chat, "person", "Their sister is called Anna.")
    prompt = system(ask(principal, chat, "hello"))
    block = prompt[prompt.index("\u27e6memory\u27e7") : prompt.index("\u27e6/memory\u27e7")]
    assert '- person: "Their sister is called Anna."' in block


def test_what_is_remembered_is_also_there_as_data(principal: Principal, chat: ChatSession) -> None:
    remember(chat, "person", "sister Anna")
    assert list(ask(principal, chat, "hello").request.memories) == [("person", "sister Anna")]


def test_greeting_stays_that_of_who_greeted(principal: Principal, chat: ChatSession) -> None:
    ChatSession.objects.filter(id=chat.id).update(greeting="Milo here!")
    spec = ask(principal, chat, "hello")
    assert sent(spec)[0] == "Milo here!"
    answer(spec)
    ChatSession.objects.filter(id=chat.id).update(chosen_by="switch")
    assert sent(ask(principal, chat, "and you?"))[0] == "hello"


@pytest.mark.usefixtures("one_day")
def test_plan_says_when_it_was_told(principal: Principal, chat: ChatSession) -> None:
    remember(chat, "plan", "moves to Porto next week")
    told = timezone.now().strftime("%Y-%m-%d")
    assert f'- plan, told on {told}: "moves to Porto next week"' in system(ask(principal, chat, "hello"))


def test_prompt_variables_come_from_what_is_remembered(principal: Principal, chat: ChatSession) -> None:
    known = {
        "name": "Sam",
        "style": "short",
        "mood": "curious",
        "mood_at": timezone.now().isoformat(),
        "topics": ["cats", "rain"],
    }
    EndUser.objects.filter(id=chat.end_user_id).update(remembered=known)
    prompt = system(ask(principal, chat, "hello"))
    for line in ('- name: "Sam"', '- style they like: "short"', '- topics so far: "cats, rain"', '- mood: "curious"'):
        assert line in prompt


def test_mood_of_the_day_before_yesterday_is_not_spoken_of(principal: Principal, chat: ChatSession) -> None:
    long_ago = (timezone.now() - timedelta(hours=25)).isoformat()
    EndUser.objects.filter(id=chat.end_user_id).update(remembered={"mood": "gloomy", "mood_at": long_ago})
    assert "gloomy" not in system(ask(principal, chat, "hello"))


def test_what_the_application_tells_comes_before_what_is_remembered(principal: Principal, chat: ChatSession) -> None:
    EndUser.objects.filter(id=chat.end_user_id).update(name="Alice", remembered={"name": "Sam"})
    prompt = system(ask(principal, chat, "hello"))
    assert '- name: "Alice"' in prompt
    assert "Sam" not in prompt


# When a summary is due ----------------------------------------------------------------------------
def test_summary_is_due_before_a_message_leaves_the_window(principal: Principal, chat: ChatSession) -> None:
    talk(principal, chat, window.due_after() // 2)
    chat.refresh_from_db()
    assert chat.memory_due_at is None
    talk(principal, chat, 1)
    chat.refresh_from_db()
    assert chat.memory_due_at is not None
    assert chat.last_seq <= window.MOST


def test_summary_that_is_being_made_is_not_due_again(principal: Principal, chat: ChatSession) -> None:
    talk(principal, chat, 8)
    lease = timezone.now() + timedelta(seconds=120)
    ChatSession.objects.filter(id=chat.id).update(memory_due_at=lease)
    talk(principal, chat, 2)
    chat.refresh_from_db()
    assert chat.memory_due_at == lease
