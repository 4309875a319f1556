"""docs/openapi.yaml is what the code generates, and has every route."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from jsonschema import Draft202012Validator

from chatify.common.schema import Problem
from tests.docs.documents import DOCS, fences, openapi
from tests.services.server import base_env, run_python

_METHODS = ("get", "post", "put", "patch", "delete")


def test_committed_openapi_is_what_the_code_generates_without_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "openapi.yaml"
    done = run_python("manage.py", "spectacular", "--file", str(file), "--validate", "--fail-on-warn", env=base_env())
    assert done.stderr == ""
    assert file.read_text() == (DOCS / "openapi.yaml").read_text(), "run the command in docs/api.md"


def test_openapi_has_every_route_of_the_api_and_no_other() -> None:
    documented = {(path, method) for path, item in openapi()["paths"].items() for method in item if method in _METHODS}
    assert documented == set(_routes())


def test_every_operation_says_what_it_does() -> None:
    for path, item in openapi()["paths"].items():
        for method, operation in item.items():
            assert operation.get("description"), f"{method} {path} has no description"


@pytest.mark.parametrize(("number", "model"), [(0, "ChatSessionObject"), (1, "TurnObject"), (3, "TicketObject")])
def test_objects_shown_in_the_document_are_valid(number: int, model: str) -> None:
    shown = [json.loads(fence.text) for fence in fences(DOCS / "api.md", "json")]
    assert len(shown) == 4
    schema = {**openapi(), "$ref": f"#/components/schemas/{model}"}
    assert [error.message for error in Draft202012Validator(schema).iter_errors(shown[number])] == []


def test_problem_shown_in_the_document_is_valid() -> None:
    shown = json.loads(fences(DOCS / "api.md", "json")[2].text)
    assert Problem.model_validate(shown).model_dump() == shown


def _routes() -> Iterator[tuple[str, str]]:
    for route, callback in _patterns(get_resolver().url_patterns):
        if route.startswith("api/v1/"):
            path = "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route)
            yield from ((path, method) for method in _METHODS if hasattr(callback.view_class, method))


def _patterns(found: list[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for one in found:
        if isinstance(one, URLResolver):
            yield from _patterns(one.url_patterns, prefix + str(one.pattern))
        elif isinstance(one, URLPattern):
            yield prefix + str(one.pattern), one.callback
