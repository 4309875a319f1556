"""Links: every document, image and heading that a document points to is there."""

from pathlib import Path

import pytest

from tests.docs.documents import DOCS, DOCUMENTS, ROOT, anchors, name_of, relative_links


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    for link in relative_links(document):
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{name_of(document)}: {link} is not there"
        assert not anchor or anchor in anchors(target), f"{name_of(document)}: {link} has no such heading"


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        document = waiting.pop()
        reached.add(document)
        paths = [(document.parent / link.partition("#")[0]).resolve() for link in relative_links(document)]
        waiting += [path for path in paths if path.suffix == ".md" and path not in reached]
    assert set(DOCS.rglob("*.md")) <= reached
