"""The running server does what docs/openapi.yaml says, whatever it is sent."""

import copy
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from chatify.common.schema import FieldProblem, Problem
from tests.api.tenants import insert_key, insert_tenant
from tests.client import ApiClient
from tests.conftest import MakeClient, model_of
from tests.docs.documents import openapi
from tests.services.provider import Provider
from tests.services.server import Prepared, Server, copy_sqlite

EXAMPLES = 12
STARTING = ("POST /api/v1/sessions/", "POST /api/v1/sessions/connect/")
CHECKS: list[Any] = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


def _with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """The document, in which what an operation does not describe itself is a problem document."""
    document = copy.deepcopy(document)
    schema = Problem.model_json_schema()
    schema["properties"]["errors"]["items"] = FieldProblem.model_json_schema()
    problem = {"application/problem+json": {"schema": schema}}
    for item in document["paths"].values():
        for operation in item.values():
            operation["responses"].setdefault("default", {"description": "A problem.", "content": problem})
    return document


OPERATIONS = [found.ok() for found in schemathesis.openapi.from_dict(_with_problems(openapi())).get_all_operations()]


@pytest.fixture(scope="module")
def own_server(
    prepared_sqlite: Prepared, provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server for these calls only: they sign up until they may not any more."""
    database_url = copy_sqlite(prepared_sqlite, tmp_path_factory.mktemp("conformance"))
    server = Server(prepared_sqlite, database_url, **model_of(provider))
    yield server.start()
    server.close()


@pytest.fixture
def ada(own_server: Server, make_client: MakeClient) -> ApiClient:
    """A person to run the calls on, of a tenant that they may delete."""
    return make_client(own_server, key=insert_key(own_server, insert_tenant(own_server)))


@pytest.mark.filterwarnings("ignore::Warning")  # of the tool's own libraries
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: str(operation.label))
def test_server_answers_as_the_document_says(ada: ApiClient, operation: Any, mode: GenerationMode) -> None:
    ids = {"chat_session_id": ada.start()["id"], "slug": "casual_chat"}
    if "message_id" in operation.path:
        ids["message_id"] = ada.send(ids["chat_session_id"], "Hello [[cut]]")["reply"]["id"]

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case: schemathesis.Case) -> None:
        case.path_parameters.update({name: ids[name] for name in case.path_parameters if name in ids})
        if mode is GenerationMode.POSITIVE:
            _make_acceptable(case, ada.external_id)
        case.call_and_validate(ada.url, headers={**ada.headers, **_plain(case.headers)}, checks=CHECKS, timeout=30)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run()


def _make_acceptable(case: schemathesis.Case, external_id: str) -> None:
    """Put in what no schema can tell: who the user is, and which personality there is."""
    if "user" in (case.query or {}):
        case.query["user"] = external_id
    if isinstance(case.body, dict) and case.operation.label in STARTING:
        case.body["user"] = {**(case.body.get("user") or {}), "external_id": external_id}
        case.body["template"] = "casual_chat"


def _plain(headers: Any) -> dict[str, str]:
    return {name: value for name, value in (headers or {}).items() if name.lower() != "authorization"}
