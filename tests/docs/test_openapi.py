"""docs/openapi.yaml is what the code generates, and has every route."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from tests.docs.documents import DOCS, openapi
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


def test_every_operation_says_what_it_does_and_how_errors_look() -> None:
    for path, item in openapi()["paths"].items():
        for method, operation in item.items():
            assert operation.get("description"), f"{method} {path} has no description"
            assert "application/problem+json" in operation["responses"]["default"]["content"], f"{method} {path}"


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
