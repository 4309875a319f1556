"""What is not signed by a source of ours, now, is refused, and nobody learns why."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatify.accounts.actions import ensure_tenant
from chatify.common.errors import NotAuthenticated
from chatify.webhooks import sources, verifying
from chatify.webhooks.models import WebhookSource
from tests.api.checks import on_sqlite, outcome
from tests.client import ApiClient
from tests.conftest import MakeClient
from tests.limits.tenants import execute, make_tenant
from tests.services.server import Server
from tests.webhooks_in.matchmakers import FALLBACK, SOURCES, Matchmaker, at, event, make_matchmaker
from tests.webhooks_in.test_events import counts_of

BAD_SIGNATURE, OLD = (401, "bad_signature"), (401, "old_timestamp")
Headers = dict[str, str]


@pytest.fixture
def raw(alice: ApiClient) -> bytes:
    """A right body."""
    return json.dumps(event(FALLBACK, alice.external_id)).encode()


def without(name: str) -> Callable[[Headers], Headers]:
    return lambda headers: {key: value for key, value in headers.items() if key != name}


def with_(name: str, change: Callable[[str], str]) -> Callable[[Headers], Headers]:
    return lambda headers: {**headers, name: change(headers[name])}


SIGNATURE, TIME, ID = "webhook-signature", "webhook-timestamp", "webhook-id"
WRONG = {
    **{f"no {name}": without(name) for name in (SIGNATURE, TIME, ID)},
    **{f"empty {name}": with_(name, lambda _: "") for name in (SIGNATURE, TIME, ID)},
    "other id": with_(ID, lambda value: value + "x"),
    "other second": with_(TIME, lambda value: str(int(value) + 1)),
    "time as 1e9": with_(TIME, lambda value: f"{value}e0"),
    "time as 1_0": with_(TIME, lambda value: f"{value[:1]}_{value[1:]}"),
    "time with a fraction": with_(TIME, lambda value: f"{value}.5"),
    "time with a plus": with_(TIME, lambda value: f"+{value}"),
    "time is nan": with_(TIME, lambda _: "nan"),
    "time is a word": with_(TIME, lambda _: "now"),
    "time of 400 digits": with_(TIME, lambda _: "9" * 400),
    "signature of zeros": with_(SIGNATURE, lambda _: "v1," + "A" * 43 + "="),
    "half a signature": with_(SIGNATURE, lambda value: value[:20]),
    "no version": with_(SIGNATURE, lambda value: value.partition(",")[2]),
    "other version": with_(SIGNATURE, lambda value: value.replace("v1,", "v2,")),
    "two commas": with_(SIGNATURE, lambda value: value.replace(",", ",,")),
    "no base64": with_(SIGNATURE, lambda _: "v1,x"),
    "no ASCII": with_(SIGNATURE, lambda _: "v1,\u00e9\u00e9\u00e9\u00e9"),
    "garbage before": with_(SIGNATURE, lambda value: "garbage " + value),
    "64 KB": with_(SIGNATURE, lambda _: "v1," + "A" * 30_000),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
@on_sqlite
def test_wrong_headers_are_refused(
    server: Server, matchmaker: Matchmaker, raw: bytes, change: Callable[[Headers], Headers]
):
    before = counts_of(server)
    headers = {key: value.encode("latin-1") for key, value in change(matchmaker.headers(raw)).items()}
    assert outcome(matchmaker.post(raw, headers)) == BAD_SIGNATURE  # type: ignore[arg-type]
    assert counts_of(server) == before


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff\xfe", b'{"type": "user_left"}'])
@on_sqlite
def test_other_body_is_refused(matchmaker: Matchmaker, raw: bytes, body: bytes):
    assert outcome(matchmaker.post(body, matchmaker.headers(raw))) == BAD_SIGNATURE


@on_sqlite
def test_one_more_space_is_another_body(matchmaker: Matchmaker, raw: bytes):
    assert outcome(matchmaker.post(raw + b" ", matchmaker.headers(raw))) == BAD_SIGNATURE


@pytest.mark.parametrize("seconds", [-310, 310, -86_400, 86_400])
@on_sqlite
def test_other_times_are_refused(matchmaker: Matchmaker, raw: bytes, seconds: int):
    assert outcome(matchmaker.post(raw, matchmaker.headers(raw, when=at(seconds)))) == OLD


@pytest.mark.parametrize("seconds", [-290, 290])
@on_sqlite
def test_five_minutes_are_allowed(matchmaker: Matchmaker, raw: bytes, seconds: int):
    assert matchmaker.post(raw, matchmaker.headers(raw, when=at(seconds))).status_code == 200


@on_sqlite
def test_one_right_signature_among_others_is_enough(matchmaker: Matchmaker, raw: bytes):
    headers = matchmaker.headers(raw)
    headers[SIGNATURE] = f"v1a,YWJj v1,{'A' * 43}= {headers[SIGNATURE]}"
    assert matchmaker.post(raw, headers).status_code == 200


# Sources ------------------------------------------------------------------------------------------
@on_sqlite
def test_source_that_is_not_there_looks_like_a_wrong_signature(matchmaker: Matchmaker, raw: bytes):
    answers = [matchmaker.post(raw, {**matchmaker.headers(raw), SIGNATURE: "v1,AAAA"})]
    answers += [matchmaker.post(raw, matchmaker.headers(raw), source=str(uuid4()))]
    answers += [matchmaker.post(raw, matchmaker.headers(raw), source=one) for one in ("", "x", "\u00e9", "x" * 3000)]
    assert {outcome(answer) for answer in answers} == {BAD_SIGNATURE}
    assert len({json.dumps({**answer.json(), "request_id": ""}) for answer in answers}) == 1


@on_sqlite
def test_source_given_twice_or_not_at_all_is_none(matchmaker: Matchmaker, raw: bytes):
    for query in ({}, {"source": [matchmaker.id, matchmaker.id]}):
        response = matchmaker.client.http.post(
            "/api/v1/webhooks/matchmaking/", content=raw, headers=matchmaker.headers(raw), params=query
        )
        assert outcome(response) == BAD_SIGNATURE


@on_sqlite
def test_key_opens_nothing(matchmaker: Matchmaker, raw: bytes):
    response = matchmaker.client.http.post(f"/api/v1/webhooks/matchmaking/?source={matchmaker.id}", content=raw)
    assert outcome(response) == BAD_SIGNATURE


@on_sqlite
def test_inactive_source_is_refused_until_it_is_active_again(matchmaker: Matchmaker, raw: bytes):
    path = f"{SOURCES}{matchmaker.id}/"
    for is_active, status in ((False, 401), (True, 200)):
        assert matchmaker.client.patch(path, {"is_active": is_active}).status_code == 200
        assert matchmaker.post(raw, matchmaker.headers(raw)).status_code == status


@on_sqlite
def test_deleted_source_is_refused(matchmaker: Matchmaker, raw: bytes):
    assert matchmaker.client.delete(f"{SOURCES}{matchmaker.id}/").status_code == 204
    assert outcome(matchmaker.post(raw, matchmaker.headers(raw))) == BAD_SIGNATURE


@on_sqlite
def test_source_of_a_deleted_tenant_is_refused(server: Server, make_client: MakeClient, raw: bytes):
    tenant = make_tenant(server)
    matchmaker = make_matchmaker(make_client(server, key=tenant.key))
    execute(server, "update accounts_tenant set deleted_at = created_at where id = ?", tenant.id)
    assert outcome(matchmaker.post(raw, matchmaker.headers(raw))) == BAD_SIGNATURE


@on_sqlite
def test_other_tenants_source_reaches_its_own_people_only(
    server: Server, alice: ApiClient, mallory: ApiClient, matchmaker: Matchmaker
):
    ours = matchmaker.tell(FALLBACK, alice.external_id)["session"]["id"]
    theirs = make_matchmaker(mallory)
    assert theirs.tell("user_left", alice.external_id) == {"session": None}
    assert theirs.tell(FALLBACK, alice.external_id)["session"]["id"] != ours
    assert alice.get(f"/api/v1/sessions/{ours}/").json()["status"] == "active"


def test_requests_of_a_source_are_limited(server: Server, make_client: MakeClient, alice: ApiClient):
    tenant = make_tenant(server, key_requests_per_minute=5)
    matchmaker = make_matchmaker(make_client(server, key=tenant.key))
    raw = json.dumps(event("user_left", alice.external_id)).encode()
    for _ in range(8):  # what is not signed takes nothing from it
        assert matchmaker.post(raw, {}).status_code == 401
    answers = [matchmaker.post(raw, matchmaker.headers(raw)) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    assert answers[0].headers["X-RateLimit-Remaining"] == "4"
    assert outcome(answers[-1]) == (429, "too_fast")


# Replays ------------------------------------------------------------------------------------------
def test_the_same_sending_again_is_a_replay(matchmaker: Matchmaker, raw: bytes):
    headers = matchmaker.headers(raw)
    answers = [matchmaker.post(raw, headers) for _ in range(3)]
    assert answers[0].status_code == 200
    assert {outcome(answer) for answer in answers[1:]} == {(409, "replayed")}


REWRITTEN: dict[str, Callable[[Headers], Headers]] = {
    "base64 with a foreign character": with_(SIGNATURE, lambda value: value[:10] + "!" + value[10:]),
    "more padding": with_(SIGNATURE, lambda value: value + "="),
    "another signature beside it": with_(SIGNATURE, lambda value: f"v1,AAAA {value}"),
    "twice": with_(SIGNATURE, lambda value: f"{value} {value}"),
    "time with zeros": with_(TIME, lambda value: f"00{value}"),
}


@pytest.mark.parametrize("change", REWRITTEN.values(), ids=REWRITTEN)
@on_sqlite
def test_the_same_sending_written_otherwise_is_a_replay(
    matchmaker: Matchmaker, raw: bytes, change: Callable[[Headers], Headers]
):
    headers = matchmaker.headers(raw)
    assert matchmaker.post(raw, headers).status_code == 200
    assert outcome(matchmaker.post(raw, change(headers))) in ((409, "replayed"), BAD_SIGNATURE)


def test_replay_of_a_second_sending_is_refused_too(matchmaker: Matchmaker, raw: bytes):
    sendings = [matchmaker.headers(raw, "msg_x", at(second)) for second in (0, 3, 6)]
    assert [matchmaker.post(raw, headers).status_code for headers in sendings] == [200] * 3
    assert {outcome(matchmaker.post(raw, headers)) for headers in sendings} == {(409, "replayed")}


def test_id_with_another_body_is_refused(matchmaker: Matchmaker, alice: ApiClient):
    assert matchmaker.send(event(FALLBACK, alice.external_id), "msg_y").status_code == 200
    other = matchmaker.send(event("user_left", alice.external_id), "msg_y", at(3))
    assert outcome(other) == (409, "webhook_id_reused")
    assert alice.get("/api/v1/sessions/active/", params={"user": alice.external_id}).status_code == 200


@pytest.mark.parametrize(("webhook_id", "code"), [("x" * 129, "too_long"), ("a b", "bad_characters")])
@on_sqlite
def test_signed_id_that_is_no_good_is_refused(matchmaker: Matchmaker, raw: bytes, webhook_id: str, code: str):
    assert outcome(matchmaker.post(raw, matchmaker.headers(raw, webhook_id))) == (400, code)


# Any headers at all -------------------------------------------------------------------------------
_TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=60)
_PART = st.one_of(_TEXT, st.sampled_from(["v1,", "v1", ",", " ", "=", "v1,YWJj", "v2,YWJj", "v1a,x"]))


@pytest.mark.django_db
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(_PART, max_size=6).map("".join), _TEXT, st.one_of(_TEXT, st.just("")), st.binary(max_size=40))
def test_no_headers_get_in_by_chance(signature: str, webhook_id: str, time: str, body: bytes):
    source, _ = sources.create_source(tenant=ensure_tenant(slug="chance"), name="x", who=None)
    for when in (time, str(int(at().timestamp()))):
        headers = {SIGNATURE: signature, TIME: when, ID: webhook_id}
        with pytest.raises(NotAuthenticated) as refused:
            verifying.verify(source_id=str(source.id), headers=headers, body=body)
        assert refused.value.code in ("bad_signature", "old_timestamp")
    WebhookSource.objects.all().delete()


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["active", "rotated", "inactive", "unknown", "garbage"])
def test_whatever_the_source_is_the_same_work_is_done(kind: str, monkeypatch: pytest.MonkeyPatch):
    source, _ = sources.create_source(tenant=ensure_tenant(slug="effort"), name="x", who=None)
    if kind == "rotated":
        sources.rotate_source(source=source, who=None)
    WebhookSource.objects.filter(id=source.id).update(is_active=kind != "inactive")
    checked: list[Any] = []
    right = verifying._is_signed
    monkeypatch.setattr(verifying, "_is_signed", lambda *args: checked.append(args) or right(*args))
    wanted = {"unknown": str(uuid4()), "garbage": "x"}.get(kind, str(source.id))
    with pytest.raises(NotAuthenticated):
        verifying.verify(source_id=wanted, headers={TIME: str(int(at().timestamp()))}, body=b"{}")
    assert len(checked) == 2


@pytest.mark.django_db
def test_former_secret_is_good_for_a_day(monkeypatch: pytest.MonkeyPatch):
    source, former = sources.create_source(tenant=ensure_tenant(slug="former"), name="x", who=None)
    present = sources.rotate_source(source=source, who=None)
    assert [good_for(source, one) for one in (former, present)] == [True, True]
    WebhookSource.objects.update(former_until=timezone.now() - timedelta(seconds=1))
    assert [good_for(source, one) for one in (former, present)] == [False, True]


@pytest.mark.django_db
def test_source_whose_secret_cannot_be_read_is_refused(settings: Any):
    source, secret = sources.create_source(tenant=ensure_tenant(slug="sealed"), name="x", who=None)
    settings.ENCRYPTION_KEY = "another one"
    verifying._decoy.cache_clear()
    assert not good_for(source, secret)
    secret = sources.rotate_source(source=source, who=None)
    assert good_for(source, secret)
    verifying._decoy.cache_clear()


def good_for(source: WebhookSource, secret: str) -> bool:
    signer = Matchmaker(None, "", secret)  # type: ignore[arg-type]
    try:
        verifying.verify(source_id=str(source.id), headers=signer.headers(b"{}"), body=b"{}")
    except NotAuthenticated:
        return False
    return True
