"""What input may look like, and how what is wrong with it is told."""

from collections.abc import Iterator
from typing import Annotated

import pytest
from django.urls import get_resolver
from pydantic import BaseModel, Field, ValidationError

from chatify.common.errors import InvalidInput
from chatify.common.inputs import Body, ClientMessageId, Content, Line, Query, check, check_query


class Inner(Body):
    """Below the top."""

    line: Annotated[str, Line] = ""


class Sample(Body):
    """One of each."""

    content: Content = "x"
    line: Annotated[str, Line] | None = None
    id: ClientMessageId | None = None
    number: Annotated[int, Field(ge=0)] = 0
    inner: list[Inner] = []


class Search(Query):
    """A query string."""

    limit: Annotated[int, Field(ge=1)] = 50


def wrong(value: object) -> set[tuple[str, str]]:
    with pytest.raises(InvalidInput) as raised:
        check(Sample, value)
    return {(error.field, error.code) for error in raised.value.errors}


@pytest.mark.parametrize("content", [" a ", "\n.", "a" * 8000, "🦊" * 8000, "\ufeff", "\u200b"])
def test_content_is_kept_as_it_is(content: str):
    assert check(Sample, {"content": content}).content == content


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "too_short"), (" ", "blank"), ("\u2028\u3000\t", "blank"), ("a" * 8001, "too_long"), (None, "wrong_type"),
        (b"x", "wrong_type"), ("a\x00", "bad_characters"),
    ],
)  # fmt: skip
def test_content_that_is_none_is_refused(content: object, code: str):
    assert wrong({"content": content}) == {("content", code)}


@pytest.mark.parametrize("line", ["a\nb", "a\rb", "\t", "\x00", "\x7f", "\x85", "\u2028", "\u2029", "\x1b[0m"])
def test_line_breaks_and_controls_do_not_fit_a_line(line: str):
    assert wrong({"line": line}) == {("line", "not_single_line")}


def test_lone_surrogate_does_not_fit_a_line():
    assert wrong({"line": "\ud800"}) == {("line", "bad_characters")}


def test_types_are_exact():
    for value in ("1", 1.0, True, None, [1]):
        assert wrong({"number": value}) == {("number", "wrong_type")}


def test_all_wrong_fields_are_named_with_their_paths():
    value = {"content": 1, "inner": [{}, {"line": "a\nb"}, {"x": 1}], "surprise": 2, "id": ""}
    assert wrong(value) == {
        ("content", "wrong_type"), ("inner.1.line", "not_single_line"), ("inner.2.x", "unknown_field"),
        ("surprise", "unknown_field"), ("id", "too_short"),
    }  # fmt: skip


@pytest.mark.parametrize("value", [[], "x", None, 5])
def test_only_objects_are_bodies(value: object):
    assert wrong(value) == {("", "wrong_type")}


def test_name_that_cannot_be_stored_is_not_repeated():
    assert wrong({"a\x00": 1}) == {("", "unknown_field")}


def test_input_is_not_repeated_in_the_answer():
    with pytest.raises(InvalidInput) as raised:
        check(Sample, {"number": "my secret", "line": "my\nsecret"})
    assert "secret" not in repr((raised.value.detail, raised.value.errors))


def test_query_strings_are_converted():
    assert check_query(Search, {"limit": "7"}).limit == 7
    for bad in ({"limit": "x"}, {"limit": ""}, {"limit": "0"}, {"other": "1"}):
        with pytest.raises(InvalidInput):
            check_query(Search, bad)


def models(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for model in base.__subclasses__():
        yield from (model, *models(model))


def test_length_of_a_text_is_told_in_characters() -> None:
    get_resolver().url_patterns  # noqa: B018 - all views and their bodies are read
    fields = [(model, name) for base in (Body, Query) for model in models(base) for name in model.model_fields]
    told = [f"{model.__name__}.{name}: {text}" for model, name in fields for text in texts_about(model, name)]
    assert len(told) > 20
    assert not [text for text in told if " items" in text]


def texts_about(model: type[BaseModel], name: str) -> list[str]:
    """What is said of a text that is too long, whatever else the model wants."""
    with pytest.raises(ValidationError) as raised:
        model.model_validate({name: "x" * 30_000, "no such": 1})
    return [error["msg"] for error in raised.value.errors() if error["loc"] == (name,) and "at most" in error["msg"]]
