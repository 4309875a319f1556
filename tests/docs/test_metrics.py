"""Metrics: docs/operations.md has every one of ours."""

import re

from tests.conftest import MakeClient
from tests.docs.documents import DOCS, first_cells, section
from tests.services.server import Server


def test_document_lists_every_metric(embedded_server: Server, make_client: MakeClient) -> None:
    text = make_client(embedded_server, key="").get("/metrics").text
    names = set(re.findall(r"^# HELP (chatify_\w+) ", text, re.MULTILINE))
    assert {name for name in names if not name.endswith("_created")} == first_cells(
        section(DOCS / "operations.md", "Metrics")
    )
