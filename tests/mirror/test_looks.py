"""The full look for edits: page by page, seldom while the listener is there, and never again at once."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from google.api_core.exceptions import ServiceUnavailable
from google.cloud.firestore import Client

from chatify.mirror import listening
from chatify.mirror.listening import AWAY_SECONDS, CALM_SECONDS, REFRESH_SECONDS, Inbound
from chatify.mirror.models import InboundReport
from templates_app.models import PromptTemplate
from tests.mirror.edits import is_written_again, mirrored, personality

pytestmark = pytest.mark.django_db


class Clock:
    """Goes on when it is told to."""

    now = 1000.0

    def __call__(self) -> float:
        """As `time.monotonic`."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(listening, "monotonic", made)
    return made


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> list[float]:
    """When there was one; there is nothing to be seen."""
    times: list[float] = []

    def pages(client: Client) -> Any:
        times.append(clock.now - 1000)
        return iter([])

    monkeypatch.setattr(listening, "_pages", pages)
    return times


class Listener:
    """Listens, or has ended at once."""

    def __init__(self, *, is_active: bool) -> None:
        self.is_active = is_active

    def unsubscribe(self) -> None:
        """As the real one's."""


def live(inbound: Inbound, clock: Clock, seconds: int) -> None:
    client: Any = object()
    for _ in range(2 * seconds):
        inbound.step(client)
        clock.now += 0.5


def test_looks_are_rare_while_the_listener_is_there(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, looks: list[float]
) -> None:
    listener = Listener(is_active=True)
    monkeypatch.setattr(listening, "watch", lambda *arguments: listener)
    inbound = Inbound()
    live(inbound, clock, 1300)
    assert looks == [0, AWAY_SECONDS, AWAY_SECONDS + CALM_SECONDS, AWAY_SECONDS + 2 * CALM_SECONDS]
    listener.is_active = False
    live(inbound, clock, 1)
    assert looks[-1] == 1300, "at once: it may just have gone"


def test_looks_are_every_minute_where_listening_is_not_possible(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, looks: list[float]
) -> None:
    monkeypatch.setattr(listening, "watch", lambda *arguments: Listener(is_active=False))
    live(Inbound(), clock, 400)
    pauses = [after - before for before, after in pairwise(looks)]
    assert pauses[:4] == [5, 10, 20, 40]
    assert set(pauses[4:]) == {REFRESH_SECONDS}


@pytest.mark.parametrize("error", [ServiceUnavailable("away"), ZeroDivisionError()])
def test_look_that_failed_is_not_repeated_at_once(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, error: Exception
) -> None:
    tries: list[float] = []

    def fail(client: Client) -> Any:
        tries.append(clock.now - 1000)
        raise error

    monkeypatch.setattr(listening, "_pages", fail)
    inbound = Inbound()
    for _ in range(400):
        try:
            live(inbound, clock, 1)
        except ZeroDivisionError:
            clock.now += 0.5
    assert tries[:4] == [0, 5, 15, 35]
    assert len(tries) < 12


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_everything_is_found_page_by_page(
    mirror: Client, inbound: Inbound, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(listening, "PAGE", size)
    ours = [personality(f"p{number}") for number in range(6)]
    found = [mirrored(mirror, template) for template in ours]
    for number in (0, 3, 5):
        mirror.document(found[number]).update({"name": "Ine"})
    for number in (1, 4):
        mirror.document(found[number]).delete()
    mirror.document("prompt_templates/zoe").set({"name": "Zoe", "system_prompt": "You are Zoe, who sails."})
    assert inbound.step(mirror) == 4
    names = dict(PromptTemplate.objects.values_list("slug", "name"))
    assert names == {"p0": "Ine", "p1": "Ina", "p2": "Ina", "p3": "Ine", "p4": "Ina", "p5": "Ine", "zoe": "Zoe"}
    assert [is_written_again(template) for template in ours[1:5]] == [True, False, True, True]
    assert not InboundReport.objects.exists()


def test_what_was_the_same_is_not_compared_again(
    mirror: Client, inbound: Inbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[str] = []
    payload = listening.template_payload

    def counted(template: PromptTemplate) -> Any:
        compared.append(template.slug)
        return payload(template)

    monkeypatch.setattr(listening, "template_payload", counted)
    ours = [personality(slug) for slug in ("ada", "bob", "cleo")]
    for template in ours:
        mirrored(mirror, template)
    inbound.step(mirror)
    assert sorted(compared) == ["ada", "bob", "cleo"]
    compared.clear()
    inbound._look_at_all(mirror)
    assert compared == []
    ours[0].description = "Sails."
    ours[0].save()
    mirror.document("prompt_templates/bob").update({"greeting": "Ahoy"})
    inbound._look_at_all(mirror)
    assert sorted(compared) == ["ada", "bob"]
    assert is_written_again(ours[0]), "changed here, and nobody had told"
