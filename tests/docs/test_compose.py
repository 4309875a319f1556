"""docker-compose.yml: a mirror for a project or for the emulator when somebody asks for one, and else none."""

from typing import Any

import pytest
import yaml

from tests.docs.documents import ROOT


@pytest.fixture
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


def test_mirror_and_emulator_are_started_when_asked_for(services: dict[str, Any]) -> None:
    asked = {name: service["profiles"] for name, service in services.items() if "profiles" in service}
    assert asked == {"mirror": ["firestore", "emulator"], "firestore": ["emulator"]}


def test_project_and_credentials_come_from_the_environment(services: dict[str, Any]) -> None:
    file = "/run/firebase.json"
    for name in ("migrate", "web", "worker", "beat", "mirror"):
        given = services[name]["environment"]
        assert given["FIREBASE_PROJECT_ID"] == "${FIREBASE_PROJECT_ID:-}"
        assert given["FIRESTORE_EMULATOR_HOST"] == "${FIRESTORE_EMULATOR_HOST:-}"
        assert given["GOOGLE_APPLICATION_CREDENTIALS"] == f"${{GOOGLE_APPLICATION_CREDENTIALS:+{file}}}"
        assert services[name]["volumes"] == [f"${{GOOGLE_APPLICATION_CREDENTIALS:-/dev/null}}:{file}:ro"]
