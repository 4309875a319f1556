"""Reading the documents: fenced blocks, tables, headings, links."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")
_FIRST_CELL = re.compile(r"^\|\s*((?:`[^`]+`(?:,\s*)?)+)\s*\|", re.MULTILINE)


@dataclass(frozen=True)
class Fence:
    """A fenced block of a document."""

    document: Path
    language: str
    text: str
    number: int


def name_of(document: Path) -> str:
    """A document's path inside the project, for test ids."""
    return str(document.relative_to(ROOT))


def fences(document: Path, *languages: str) -> list[Fence]:
    """The fenced blocks in these languages, in order."""
    found = [Fence(document, *match, number) for number, match in enumerate(_FENCE.findall(document.read_text()), 1)]
    return [fence for fence in found if fence.language in languages]


def section(document: Path, heading: str) -> str:
    """The text below a heading, up to the next one of its level or above. Raises AssertionError without it."""
    match = re.search(rf"^(#+) {re.escape(heading)}$", document.read_text(), re.MULTILINE)
    assert match, f"{name_of(document)} has no heading {heading!r}"
    rest = document.read_text()[match.end() :]
    return re.split(rf"^#{{1,{len(match[1])}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def first_cells(text: str) -> set[str]:
    """What stands in backticks in the first cells of the tables of a text."""
    return {name for cell in _FIRST_CELL.findall(text) for name in re.findall(r"`([^`]+)`", cell)}


def row_of(text: str, name: str) -> str:
    """The table row whose first cell is this name."""
    return next(line for line in text.splitlines() if line.startswith(f"| `{name}`"))


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub makes of the headings."""
    plain = _FENCE.sub("", document.read_text())
    kept = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(plain)]
    return {heading.replace(" ", "-") for heading in kept}


def relative_links(document: Path) -> list[str]:
    """The links and images that lead to something in the project."""
    plain = _FENCE.sub("", document.read_text())
    links = [first or second for first, second in _LINK.findall(plain)]
    return [link for link in links if not re.match(r"[a-z]+:|/", link)]


@cache
def openapi() -> dict[str, Any]:
    """The committed OpenAPI document."""
    loaded: dict[str, Any] = yaml.safe_load((DOCS / "openapi.yaml").read_text())
    return loaded
