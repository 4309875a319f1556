"""What a tenant may not write into a personality, told with the field and the place."""

from typing import Any

import pytest

from tests.api.checks import fields_of, on_sqlite, outcome
from tests.client import ApiClient
from tests.templates_app.characters import change, copied, create, detail, made, slugs

BAD_TEXTS = [
    ("system_prompt", "Be kind.\nYou are a real human being.", "claims_human", "Line 2, column 1: “You are a real"),
    ("system_prompt", "Say hi to {{ user.nmae }}", "unknown_variable", "Line 1, column 11: {{ user.nmae }} is not"),
    ("system_prompt", " \n ", "empty", "Line 1, column 1: A personality needs a prompt."),
    ("system_prompt", "a" * 20_001, "too_long", "Line 1, column 20001: This has 20,001 characters"),
    ("greeting", "Hi, I am a real person.", "claims_human", "Line 1, column 1: “Hi, I am a real person."),
    ("greeting", "Feeling {{ mood }}?", "unknown_variable", "Line 1, column 9: {{ mood }} is not"),
    ("description", "A real human being to talk to.", "claims_human", "Line 1, column 1:"),
    ("name", "Anna, a real person", "claims_human", "Line 1, column 1:"),
    ("goodbye", "I am human. Bye!", "claims_human", "Line 1, column 1: “I am human."),
    ("goodbye", "Goodbye!\nAnd come back.", "not_single_line", "Line 1, column 9: Line breaks"),
    ("goodbye", "Bye, {{ topics }}!", "unknown_variable", "Line 1, column 6: {{ topics }} is not"),
    ("name", "Anna\u202e", "not_single_line", "Line 1, column 5: Line breaks"),
]


@pytest.mark.parametrize(("field", "text", "code", "message"), BAD_TEXTS)
@on_sqlite
def test_bad_text_is_refused_with_its_place(owner: ApiClient, field: str, text: str, code: str, message: str):
    made(owner, slug="ina")
    for answer in (create(owner, **{field: text}), change(owner, "ina", **{field: text})):
        assert outcome(answer) == (400, "invalid_input")
        assert fields_of(answer) == [(field, code)]
        assert answer.json()["errors"][0]["message"].startswith(message)
        assert answer.json()["detail"].startswith(f"{field}: {message}")
    assert slugs(owner, own=True) == ["ina"]
    assert detail(owner, "ina").json()["version"] == 1


@on_sqlite
def test_every_bad_text_is_named(owner: ApiClient):
    body = {"system_prompt": "{{ a }}\n{{ b }}", "greeting": "{% if %}", "personality_traits": ["ok", "not a robot"]}
    expected = [
        ("greeting", "unknown_variable"), ("system_prompt", "unknown_variable"), ("system_prompt", "unknown_variable"),
        ("personality_traits.1", "claims_human"),
    ]  # fmt: skip
    assert fields_of(create(owner, **body)) == expected
    assert len(fields_of(create(owner, system_prompt="{{ a }}\n" * 50))) == 20


@on_sqlite
def test_copied_text_is_checked_with_the_rest(owner: ApiClient):
    answer = copied(owner, "casual_chat", greeting="I am human.")
    assert fields_of(answer) == [("greeting", "claims_human")]


BAD_FIELDS = [
    {"name": ""}, {"name": "  "}, {"name": "a" * 81}, {"name": "a\nb"}, {"name": 7}, {"description": "a" * 401},
    {"greeting": "a" * 1001}, {"goodbye": "a" * 301}, {"goodbye": 5},
    {"temperature": -0.1}, {"temperature": 2.1}, {"temperature": "1"}, {"temperature": True},
    {"max_tokens": 0}, {"max_tokens": 32_001}, {"max_tokens": 1.5}, {"personality_traits": "warm"},
    {"personality_traits": [str(n) for n in range(13)]}, {"model": "a" * 121}, {"adult_only": "yes"}, {"is_active": 1},
    {"system_prompt": 5}, {"is_default": True}, {"tenant": "x"}, {"id": "01a1faa2-5454-7426-8328-dea0e0448537"},
    {"deleted_at": None},
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_FIELDS, ids=lambda bad: str(bad)[:40])
@on_sqlite
def test_bad_field_is_refused(owner: ApiClient, bad: dict[str, Any]):
    made(owner, slug="ina")
    before = detail(owner, "ina").json()
    for answer in (create(owner, **bad), change(owner, "ina", **bad)):
        assert outcome(answer) == (400, "invalid_input")
        assert [field for field, _ in fields_of(answer)] == list(bad)
    assert slugs(owner, own=True) == ["ina"]
    assert detail(owner, "ina").json() == before


@pytest.mark.parametrize("trait", ["", "a" * 41, "a\nb", " ", 5])
@on_sqlite
def test_bad_trait_is_refused_with_its_place(owner: ApiClient, trait: object):
    answer = create(owner, personality_traits=["kind", trait])
    assert [field for field, _ in fields_of(answer)] == ["personality_traits.1"]


@on_sqlite
def test_only_the_model_on_offer_can_be_chosen(owner: ApiClient):
    assert made(owner, slug="ina", model="test-model")["model"] == "test-model"
    assert change(owner, "ina", model="").json()["model"] == ""
    for answer in (create(owner, model="gpt-9"), change(owner, "ina", model="gpt-9")):
        assert outcome(answer) == (400, "unknown_model")
        assert fields_of(answer) == [("model", "unknown_model")]
