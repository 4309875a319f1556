"""The connection to Firestore: what goes wrong with credentials can be tried again, and hung up on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.auth.exceptions import GoogleAuthError

from chatify.mirror import client as connection


@pytest.fixture(autouse=True)
def _own_connection(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    settings.FIREBASE_PROJECT_ID, settings.FIRESTORE_IS_ON, settings.FIRESTORE_EMULATOR_HOST = "p", True, ""
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
    connection.close()
    yield
    connection.close()


@pytest.mark.parametrize("content", [None, "no json", "{}"])
def test_wrong_credentials_are_told_again_and_again(settings: Any, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "key.json"
    if content is not None:
        file.write_text(content)
    settings.GOOGLE_APPLICATION_CREDENTIALS = str(file)
    for _ in range(2):
        with pytest.raises((GoogleAuthError, OSError, ValueError)):
            connection.client()
        connection.close()


def test_mirror_that_is_off_has_no_client(settings: Any) -> None:
    settings.FIRESTORE_IS_ON = False
    with pytest.raises(connection.MirrorOff):
        connection.client()
