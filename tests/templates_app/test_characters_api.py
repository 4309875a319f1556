"""A tenant's own personalities over REST, each test with a tenant of its own."""

from uuid import uuid4

import pytest

from templates_app.objects import CharacterObject
from tests.accounts.signups import audit_of, end_user_token, rows
from tests.api.checks import fields_of, on_sqlite, outcome, path_of
from tests.client import ApiClient
from tests.conftest import MakeClient
from tests.services.server import Server
from tests.templates_app.characters import (
    OFFERED,
    PROMPT,
    SESSIONS,
    TEMPLATES,
    WRITTEN,
    KeyOf,
    at_once,
    change,
    copied,
    create,
    detail,
    made,
    slugs,
)


# Making -------------------------------------------------------------------------------------------
def test_new_character_is_what_was_given(owner: ApiClient):
    given = {
        "name": "Captain Ina", "description": "Salt and stories.", "greeting": "Ahoy, {{ user.name }}!",
        "system_prompt": PROMPT, "temperature": 1, "max_tokens": 300, "personality_traits": ["salty", "kind"],
        "adult_only": False, "is_active": True,
    }  # fmt: skip
    found = made(owner, **given, slug="ina")
    assert set(found) == OFFERED | WRITTEN
    assert {**found, **given, "greeting": "Ahoy, there!"} == found
    assert (found["slug"], found["greeting_source"], found["model"]) == ("ina", given["greeting"], "")
    assert (found["version"], found["is_own"], found["is_default"]) == (1, True, False)
    assert detail(owner, "ina").json() == found
    assert CharacterObject.model_validate(found).model_dump(mode="json") == found


def test_what_is_left_out_has_a_default_and_null_is_left_out(owner: ApiClient):
    found = made(owner, description=None, temperature=None, personality_traits=None, slug=None, copy_of=None)
    assert (found["description"], found["greeting"], found["personality_traits"]) == ("", "", [])
    assert (found["temperature"], found["max_tokens"], found["model"]) == (0.8, 400, "")
    assert (found["adult_only"], found["is_active"]) == (False, True)


@pytest.mark.parametrize("field", ["name", "system_prompt"])
@on_sqlite
def test_name_and_prompt_are_required(owner: ApiClient, field: str):
    answer = create(owner, **{field: None})
    assert outcome(answer) == (400, "invalid_input")
    assert fields_of(answer) == [(field, "required")]
    assert slugs(owner, own=True) == []


def test_texts_are_stored_with_plain_newlines_and_traits_tidy(owner: ApiClient):
    found = made(owner, system_prompt="You are Ina.\r\nYou sail.\r", personality_traits=["very  salty ", "very salty"])
    assert found["system_prompt"] == "You are Ina.\nYou sail.\n"
    assert found["personality_traits"] == ["very salty"]
    assert change(owner, found["slug"], system_prompt="You are Ina.\r\nYou sail.\n").json()["version"] == 1


def test_conversation_is_had_with_it(owner: ApiClient):
    made(owner, slug="ina", greeting="Ahoy, {{ user.name }}!")
    chat = owner.start("ina", name="Ada")
    assert (chat["template"], chat["template_version"], chat["greeting"]) == ("ina", 1, "Ahoy, Ada!")
    assert chat["disclosure"] == "You are talking to Captain Ina, an AI. It is not a human being."
    assert owner.send(chat["id"], "hello")["reply"]["sender"] == {"kind": "ai", "name": "Captain Ina"}


# Copying ------------------------------------------------------------------------------------------
def test_copy_begins_as_the_other_and_what_is_given_wins(owner: ApiClient):
    source = detail(owner, "dating_advice").json()
    copy = copied(owner, "dating_advice", name="Nele", temperature=0.3).json()
    assert (copy["slug"], copy["name"], copy["temperature"]) == ("nele", "Nele", 0.3)
    assert {field: copy[field] for field in ("description", "greeting", "personality_traits")} == {
        field: source[field] for field in ("description", "greeting", "personality_traits")
    }
    assert copy["system_prompt"].startswith("You are Nora")
    assert (copy["version"], copy["is_own"]) == (1, True)


def test_copy_without_anything_else_has_the_name(owner: ApiClient):
    answers = [copied(owner, "casual_chat").json() for _ in range(2)]
    assert [(one["name"], one["slug"]) for one in answers] == [("Milo", "milo"), ("Milo", "milo-2")]


def test_own_one_is_copied_with_its_variables(owner: ApiClient):
    texts = {
        "greeting": "Ahoy, {{ user.name }}!",
        "welcome_back": "You again!",
        "goodbye": "Fair winds, {{ user.name }}!",
    }
    made(owner, slug="ina", **texts, personality_traits=["salty"], max_tokens=77)
    copy = copied(owner, "ina", slug="second").json()
    assert (copy["welcome_back"], copy["goodbye"]) == (texts["welcome_back"], texts["goodbye"])
    assert (copy["greeting_source"], copy["personality_traits"]) == ("Ahoy, {{ user.name }}!", ["salty"])
    assert (copy["system_prompt"], copy["max_tokens"]) == (PROMPT, 77)


def test_unknown_one_cannot_be_copied(owner: ApiClient, stranger: ApiClient):
    theirs = made(stranger, slug=f"theirs-{uuid4().hex[:8]}")["slug"]
    made(owner, slug="asleep", is_active=False)
    for slug in ("no-such", theirs, "asleep"):
        answer = copied(owner, slug, name="X")
        assert outcome(answer) == (400, "unknown_template")
        assert fields_of(answer) == [("copy_of", "unknown_template")]
    assert slugs(owner, own=True) == ["asleep"]


# Slugs --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "expected"),
    [("Captain  Ina!", "captain-ina"), ("Zoë", "zoe"), ("船長", "character"), ("casual_chat", "casual_chat-2"),
     ("n" * 80, "n" * 42), ("-_-", "character")],
)  # fmt: skip
@on_sqlite
def test_slug_is_made_of_the_name(owner: ApiClient, name: str, expected: str):
    assert made(owner, name=name)["slug"] == expected
    number = int(expected[-1]) + 1 if expected[-1].isdigit() else 2
    assert made(owner, name=name)["slug"] == f"{expected.removesuffix('-2')}-{number}"


def test_slug_that_the_tenant_uses_is_taken(owner: ApiClient):
    made(owner, slug="ina")
    made(owner, slug="asleep", is_active=False)
    for slug in ("ina", "asleep"):
        assert outcome(create(owner, slug=slug, name="Another")) == (409, "slug_taken")
    assert detail(owner, "ina").json()["name"] == "Captain Ina"


@pytest.mark.parametrize("slug", ["__x__", "____", "__all-1__"])
def test_slug_that_firestore_reserves_is_refused(owner: ApiClient, slug: str):
    answer = create(owner, slug=slug)
    assert outcome(answer) == (400, "reserved")
    assert fields_of(answer) == [("slug", "reserved")]
    assert slug not in slugs(owner, own=True)


def test_slug_may_begin_or_end_with_underscores(owner: ApiClient):
    for slug in ("__x", "x__", "_x_", "___"):
        assert made(owner, slug=slug)["slug"] == slug


def test_tenants_may_use_the_same_slug(owner: ApiClient, stranger: ApiClient):
    slug = f"s-{uuid4().hex[:8]}"
    assert made(owner, slug=slug, name="Mine")["name"] == "Mine"
    assert made(stranger, slug=slug, name="Theirs")["name"] == "Theirs"
    assert detail(owner, slug).json()["name"] == "Mine"


def test_own_one_hides_the_shared_one_of_its_slug(owner: ApiClient, stranger: ApiClient):
    made(owner, slug="dating_advice", name="Mine")
    assert slugs(owner).count("dating_advice") == 1
    chat = owner.start("dating_advice")
    assert chat["disclosure"].startswith("You are talking to Mine, an AI.")
    assert detail(stranger, "dating_advice").json()["name"] == "Nora"
    assert owner.delete(f"{TEMPLATES}dating_advice/").status_code == 204
    assert detail(owner, "dating_advice").json()["name"] == "Nora"


@pytest.mark.parametrize("slug", ["", "a b", "é", "x" * 51, "a/b", 7, "a\n"])
@on_sqlite
def test_bad_slug_is_refused(owner: ApiClient, slug: object):
    answer = create(owner, slug=slug)
    assert outcome(answer) == (400, "invalid_input")
    assert [field for field, _ in fields_of(answer)] == ["slug"]


def test_one_slug_at_once_is_made_once(owner: ApiClient):
    answers = at_once(*[lambda n=n: create(owner, slug="ina", name=f"Ina {n}") for n in range(8)])
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 7]
    assert {outcome(answer) for answer in answers if answer.status_code != 201} == {(409, "slug_taken")}
    assert slugs(owner, own=True) == ["ina"]


def test_one_name_at_once_gets_many_slugs(owner: ApiClient):
    answers = at_once(*[lambda: create(owner) for _ in range(8)])
    assert {answer.status_code for answer in answers} == {201}
    expected = {"captain-ina", *(f"captain-ina-{number}" for number in range(2, 9))}
    assert {answer.json()["slug"] for answer in answers} == expected == set(slugs(owner, own=True))


# For adults ---------------------------------------------------------------------------------------
def test_copy_of_one_for_adults_stays_for_adults(owner: ApiClient):
    copy = copied(owner, "flirty_chat", name="Ria", slug="ria", system_prompt="You are Ria.").json()
    assert copy["adult_only"] is True
    refused = [copied(owner, "flirty_chat", adult_only=False), copied(owner, "ria", name="B", adult_only=False)]
    refused.append(change(owner, "ria", adult_only=False))
    assert {outcome(answer) for answer in refused} == {(400, "adult_only_stays")}
    assert fields_of(refused[2]) == [("adult_only", "adult_only_stays")]
    assert detail(owner, "ria").json()["adult_only"] is True
    assert slugs(owner, own=True) == ["ria"]
    young = {"template": "ria", "user": {"external_id": "kim", "age": 17}}
    assert outcome(owner.post(SESSIONS, young)) == (403, "age_restricted")


def test_copy_can_become_one_for_adults(owner: ApiClient):
    assert copied(owner, "casual_chat", adult_only=True).json()["adult_only"] is True
    assert change(owner, "milo", adult_only=True).status_code == 200


def test_change_to_one_for_adults_holds_in_running_conversations(owner: ApiClient):
    made(owner, slug="ina")
    chat = owner.start("ina", age=17)["id"]
    assert change(owner, "ina", adult_only=True).json()["version"] == 1
    answer = owner.post(path_of(chat, "messages/"), {"content": "hello"})
    assert outcome(answer) == (403, "age_restricted")


# Changing -----------------------------------------------------------------------------------------
def test_changed_prompt_is_a_version_and_running_conversations_keep_theirs(owner: ApiClient):
    first = made(owner, slug="ina", greeting="Ahoy, {{ user.name }}!")
    running = owner.start("ina")["id"]
    second = change(owner, "ina", system_prompt="You are Ina, and you rhyme.", temperature=0.1).json()
    assert (second["version"], second["temperature"]) == (2, 0.1)
    kept = ("greeting_source", "name", "max_tokens", "personality_traits", "created_at")
    assert {field: second[field] for field in kept} == {field: first[field] for field in kept}
    assert owner.get(path_of(running)).json()["template_version"] == 1
    assert owner.start("ina")["template_version"] == 2
    assert detail(owner, "ina").json() == second


def test_changed_words_about_it_are_no_version(owner: ApiClient):
    made(owner, slug="ina")
    found = change(owner, "ina", name="Ina", description="Salt.", greeting="Hi!", is_active=False).json()
    assert (found["version"], found["name"], found["is_active"]) == (1, "Ina", False)
    assert (found["description"], found["greeting"]) == ("Salt.", "Hi!")


def test_change_of_nothing_changes_nothing(owner: ApiClient, tenant_id: str, server: Server):
    before = made(owner, slug="ina", personality_traits=["salty"])
    for body in ({}, {"name": "Captain Ina", "personality_traits": ["salty"]}, {"system_prompt": None}):
        assert change(owner, "ina", **body).json() == before
    assert audit_of(server, tenant_id).count("template.changed") == 0


@on_sqlite
def test_slug_does_not_change(owner: ApiClient):
    made(owner, slug="ina")
    for field in ("slug", "copy_of"):
        answer = change(owner, "ina", **{field: "other"})
        assert fields_of(answer) == [(field, "unknown_field")]


def test_shared_one_is_not_changed_but_copied(owner: ApiClient):
    before = detail(owner, "casual_chat").json()
    answers = [change(owner, "casual_chat", name="Mine"), owner.delete(f"{TEMPLATES}casual_chat/")]
    assert {outcome(answer) for answer in answers} == {(403, "shared_personality")}
    assert "copy_of" in answers[0].json()["detail"]
    assert detail(owner, "casual_chat").json() == before


def test_unknown_one_is_not_found(owner: ApiClient, stranger: ApiClient):
    theirs = made(stranger, slug=f"theirs-{uuid4().hex[:8]}")["slug"]
    for slug in ("no-such", theirs):
        answers = [detail(owner, slug), change(owner, slug, name="X"), owner.delete(f"{TEMPLATES}{slug}/")]
        assert {outcome(answer) for answer in answers} == {(404, "unknown_template")}
    assert detail(stranger, theirs).json()["name"] == "Captain Ina"


def test_changes_at_once_lose_nothing(owner: ApiClient):
    made(owner, slug="ina")
    fields = {"temperature": 0.5, "max_tokens": 99, "system_prompt": "You are Ina.", "personality_traits": ["salty"]}
    answers = at_once(*[lambda f=f, v=v: change(owner, "ina", **{f: v}) for f, v in [*fields.items(), ("name", "I")]])
    assert {answer.status_code for answer in answers} == {200}
    found = detail(owner, "ina").json()
    assert {field: found[field] for field in fields} == fields
    assert (found["name"], found["version"]) == ("I", 5)


# Deleting -----------------------------------------------------------------------------------------
def test_deleted_one_is_gone_and_its_slug_is_free(owner: ApiClient):
    made(owner, slug="ina")
    assert owner.delete(f"{TEMPLATES}ina/").status_code == 204
    assert "ina" not in [*slugs(owner), *slugs(owner, own=True)]
    answers = [detail(owner, "ina"), change(owner, "ina", name="X"), owner.delete(f"{TEMPLATES}ina/")]
    assert {outcome(answer) for answer in answers} == {(404, "unknown_template")}
    start = owner.post(SESSIONS, {"template": "ina", "user": {"external_id": "kim"}})
    assert outcome(start) == (400, "unknown_template")
    assert outcome(copied(owner, "ina", name="X")) == (400, "unknown_template")
    assert (made(owner, slug="ina", name="Next")["version"], detail(owner, "ina").json()["name"]) == (1, "Next")


def test_running_conversation_goes_on_with_a_deleted_one(owner: ApiClient):
    made(owner, slug="ina")
    chat = owner.start("ina")["id"]
    owner.send(chat, "hello")
    owner.delete(f"{TEMPLATES}ina/").raise_for_status()
    made(owner, slug="ina", name="Next", system_prompt="You are somebody else.")
    found = owner.get(path_of(chat)).json()
    assert (found["template"], found["template_version"], found["status"]) == ("ina", 1, "active")
    assert "Captain Ina" in found["disclosure"]
    reply = owner.send(chat, "still there?")["reply"]
    assert (reply["status"], reply["sender"]["name"]) == ("complete", "Captain Ina")
    failed = owner.send(chat, "and now? [[500]]")["reply"]["id"]
    again = owner.post(path_of(chat, f"messages/{failed}/retry/"))
    assert (again.status_code, again.json()["reply"]["sender"]["name"]) == (200, "Captain Ina")
    assert [one["id"] for one in owner.get(SESSIONS).json()["results"]] == [chat]


# Reading ------------------------------------------------------------------------------------------
def test_prompt_is_shown_to_who_writes_it_only(
    owner: ApiClient, key_of: KeyOf, server: Server, make_client: MakeClient
):
    made(owner, slug="ina", greeting="Ahoy, {{ user.name }}!")
    chatting = [key_of("chat"), make_client(server, key=end_user_token(owner, "kim"))]
    for client in chatting:
        found = detail(client, "ina").json()
        assert set(found) == OFFERED
        assert (found["is_own"], found["greeting"]) == (True, "Ahoy, there!")
        assert PROMPT.splitlines()[0] not in client.get(TEMPLATES).text
    assert set(detail(key_of("templates"), "ina").json()) == OFFERED | WRITTEN
    assert set(detail(owner, "casual_chat").json()) == OFFERED
    assert all(set(one) == OFFERED for one in owner.get(TEMPLATES).json()["results"])


def test_list_says_whose_they_are(owner: ApiClient):
    made(owner, slug="ina")
    own = {one["slug"]: one["is_own"] for one in owner.get(TEMPLATES).json()["results"]}
    expected = ["casual_chat", "dating_advice", "general_conversation", "flirty_chat"]
    assert own == dict.fromkeys(expected, False) | {"ina": True}
    assert slugs(owner, own=False) == list(own)


def test_inactive_one_is_for_who_writes_it(owner: ApiClient, key_of: KeyOf):
    made(owner, slug="ina", is_active=False)
    made(owner, slug="dating_advice", name="Mine", is_active=False)
    assert "ina" not in slugs(owner)
    found = owner.get(TEMPLATES, params={"own": "true"}).json()["results"]
    assert [(one["slug"], one["is_active"]) for one in found] == [("ina", False), ("dating_advice", False)]
    assert detail(owner, "dating_advice").json()["name"] == "Mine"
    chatting = key_of("chat")
    assert outcome(detail(chatting, "ina")) == (404, "unknown_template")
    assert detail(chatting, "dating_advice").json()["name"] == "Nora"
    start = owner.post(SESSIONS, {"template": "ina", "user": {"external_id": "kim"}})
    assert outcome(start) == (400, "unknown_template")
    assert change(owner, "ina", is_active=True).status_code == 200
    assert "ina" in slugs(chatting)


def test_own_ones_come_in_pages(owner: ApiClient, stranger: ApiClient):
    made(stranger, slug=f"theirs-{uuid4().hex[:8]}")
    names = [made(owner)["slug"] for _ in range(3)]
    first = owner.get(TEMPLATES, params={"own": "true", "limit": 2}).json()
    second = owner.get(first["next"]).json()
    assert [one["slug"] for one in first["results"] + second["results"]] == names
    assert second["next"] is None


@on_sqlite
def test_bad_query_is_refused(owner: ApiClient):
    assert fields_of(owner.get(TEMPLATES, params={"own": "perhaps"}))[0][0] == "own"
    assert fields_of(owner.get(TEMPLATES, params={"mine": "true"})) == [("mine", "unknown_field")]


# Who may ------------------------------------------------------------------------------------------
@on_sqlite
def test_only_keys_that_are_for_it_write(owner: ApiClient, key_of: KeyOf, server: Server, make_client: MakeClient):
    made(owner, slug="ina")
    token = make_client(server, key=end_user_token(owner, "kim"))
    for client in (key_of("chat"), key_of("knowledge", "admin"), token):
        answers = [create(client), change(client, "ina", name="X"), client.delete(f"{TEMPLATES}ina/")]
        answers += [change(client, "casual_chat", name="X"), client.get(TEMPLATES, params={"own": "true"})]
        assert {outcome(answer) for answer in answers} == {(403, "missing_scope")}
    assert slugs(owner, own=True) == ["ina"]
    assert outcome(key_of("admin").get(TEMPLATES)) == (403, "missing_scope")


@on_sqlite
def test_key_for_templates_alone_writes_but_does_not_chat(key_of: KeyOf):
    writer = key_of("templates")
    slug = made(writer)["slug"]
    assert slug in slugs(writer)
    assert change(writer, slug, name="Ina").status_code == 200
    assert outcome(writer.post(SESSIONS, {"template": slug, "user": {"external_id": "kim"}})) == (403, "missing_scope")
    assert writer.delete(f"{TEMPLATES}{slug}/").status_code == 204


# The default --------------------------------------------------------------------------------------
def test_own_one_in_place_of_the_default_answers_when_nobody_chose(owner: ApiClient, stranger: ApiClient):
    made(owner, slug="casual_chat", name="Mine")
    made(owner, slug="another")
    assert "Mine" in owner.start(None)["disclosure"]
    assert "Milo" in stranger.start(None)["disclosure"]


def test_one_for_adults_is_never_the_default(owner: ApiClient):
    copied(owner, "flirty_chat", slug="casual_chat").raise_for_status()
    assert owner.start(None)["template"] == "dating_advice"


# Who did what -------------------------------------------------------------------------------------
def test_audit_log_says_what_a_key_did(owner: ApiClient, tenant_id: str, server: Server):
    made(owner, slug="ina")
    change(owner, "ina", system_prompt="You are Ina, and you rhyme.")
    change(owner, "ina", name="Ina")
    owner.delete(f"{TEMPLATES}ina/")
    asked = "select action, actor_kind, details, subject_id, actor_id from accounts_auditentry"
    found = rows(server, f"{asked} where tenant_id = ? order by id", tenant_id)
    assert [action.removeprefix("template.") for action, *_ in found] == ["created", "changed", "changed", "deleted"]
    assert {kind for _, kind, *_ in found} == {"api_key"}
    assert [str(details).replace("'", '"') for _, _, details, *_ in found] == [
        f'{{"slug": "ina", "version": {number}}}' for number in (1, 2, 2, 2)
    ]
    assert len({subject for *_, subject, _ in found}) == len({actor for *_, actor in found}) == 1
    (keys,) = rows(server, "select count(*) from accounts_apikey where id = ?", str(found[0][4]))
    assert keys == (1,)
