"""Log lines: what opens something, or names somebody, is masked."""

import pytest

from chatify.operations.logs import mask_paths


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/api/v1/users/ada@example.com/", "/api/v1/users/<external_id>/"),
        ("/api/v1/users/a/b/export/", "/api/v1/users/<external_id>/export/"),
        ("/password/reset/MTIz/c4-7f/", "/password/reset/<link>/"),
        ("/password/reset/", "/password/reset/"),
        ("/api/v1/auth/password/reset/confirm/", "/api/v1/auth/password/reset/confirm/"),
        ("/api/v1/sessions/", "/api/v1/sessions/"),
    ],
)
def test_path_is_masked_in_every_line(path: str, shown: str) -> None:
    assert mask_paths(None, "", {"path": path, "event": "request"}) == {"path": shown, "event": "request"}
    assert mask_paths(None, "", {"event": f"Not Found: {path}"}) == {"event": f"Not Found: {shown}"}
