"""Error codes: docs/api.md has every one that the code can answer with."""

import ast
from collections.abc import Iterator
from typing import get_args

from pydantic_core import core_schema
from rest_framework import exceptions

from chatify.common.inputs import _CODES
from chatify.llm import errors as llm_errors
from sessions.objects import ERROR_TEXTS
from tests.docs.documents import DOCS, ROOT, first_cells, section

API = DOCS / "api.md"
_FOLDERS = ("chatify", "sessions", "templates_app")
# What Django REST framework raises by itself on the way to a view of ours.
_FRAMEWORK = (
    exceptions.MethodNotAllowed,
    exceptions.NotAcceptable,
    exceptions.PermissionDenied,
    exceptions.UnsupportedMediaType,
)


def test_document_has_every_error_code() -> None:
    documented = first_cells(section(API, "Codes"))
    expected = {*_codes_in_code(), *_CODES.values(), *(str(error.default_code) for error in _FRAMEWORK)}
    assert expected <= documented, f"missing in docs/api.md: {sorted(expected - documented)}"


def test_document_has_no_error_code_that_does_not_exist() -> None:
    possible = {*_codes_in_code(), *_CODES.values(), *(str(error.default_code) for error in _FRAMEWORK)}
    possible |= set(get_args(core_schema.ErrorType))
    assert first_cells(section(API, "Codes")) <= possible


def test_document_has_every_reason_for_which_a_reply_fails() -> None:
    of_providers = {error.code for error in vars(llm_errors).values() if hasattr(error, "code")} - {"provider_error"}
    assert of_providers <= set(ERROR_TEXTS)
    assert first_cells(section(API, "Why a reply failed")) == set(ERROR_TEXTS)


def _codes_in_code() -> set[str]:
    found = set()
    for folder in _FOLDERS:
        for file in (ROOT / folder).rglob("*.py"):
            found |= set(_codes(ast.parse(file.read_text())))
    return found - {error.code for error in vars(llm_errors).values() if hasattr(error, "code")}


def _codes(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield from (_text(one.value) for one in node.body if _is_code(one))
        elif isinstance(node, ast.Call):
            yield from (_text(word.value) for word in node.keywords if word.arg == "code")
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            place = {"at": 1, "PydanticCustomError": 0}.get(name)
            if place is not None and len(node.args) > place:
                yield _text(node.args[place])


def _is_code(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", "") == "code"


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else "invalid_input"
