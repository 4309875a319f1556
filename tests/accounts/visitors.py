"""People at addresses of their own: limits on addresses would else count a whole test run as one visitor."""

import random
import re
import ssl
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

AUTH = "/api/v1/auth/"
PASSWORD = "Engine-No-9"
_TLS = ssl.create_default_context()


def fresh_address() -> str:
    """An address of this machine that no other test uses (127.0.0.0/8 is all ours, RFC 1122)."""
    return f"127.{random.randint(1, 254)}.{random.randint(0, 255)}.{random.randint(1, 254)}"


def fresh_email(name: str = "ada") -> str:
    """An address that nobody has."""
    return f"{name}-{uuid4().hex[:12]}@example.com"


class Visitor:
    """Somebody with a browser or an app. `tokens` is what the last sign-in answered."""

    def __init__(self, url: str, address: str = "") -> None:
        self.address = address or fresh_address()
        transport = httpx.HTTPTransport(local_address=self.address, verify=_TLS)
        self.http = httpx.Client(base_url=url, transport=transport, trust_env=False, timeout=60)
        self.email = fresh_email()
        self.tokens: dict[str, Any] = {}

    def post(self, path: str, **body: Any) -> httpx.Response:
        """POST below auth/, without a credential."""
        return self.http.post(AUTH + path, json=body)

    def register(self, **body: Any) -> "Visitor":
        """Become known."""
        response = self.post("register/", **{"email": self.email, "password": PASSWORD, "name": "Ada", **body})
        assert response.status_code == 201, response.text
        self.tokens = response.json()
        return self

    def login(self, **body: Any) -> httpx.Response:
        """Try to sign in."""
        response = self.post("login/", **{"email": self.email, "password": PASSWORD, **body})
        if response.status_code == 200:
            self.tokens = response.json()
        return response

    def refresh(self, token: str = "") -> httpx.Response:
        """Fresh tokens."""
        return self.post("refresh/", refresh_token=token or self.tokens["refresh_token"])

    def call(self, method: str, path: str, body: Any = None, *, token: str = "") -> httpx.Response:
        """A call below auth/ with an access token."""
        headers = {"Authorization": f"Bearer {token or self.tokens['access_token']}"}
        return self.http.request(method, AUTH + path, headers=headers, **({"json": body} if body is not None else {}))

    def is_let_in(self, token: str = "") -> bool:
        """Whether the access token works."""
        return self.call("GET", "me/", token=token).status_code == 200

    def send_form(self, path: str, **fields: str) -> httpx.Response:
        """Fill in a page's form and follow where it leads."""
        page = self.http.get(path, follow_redirects=True)
        match = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert match, page.text[:2000]
        fields = {"csrfmiddlewaretoken": match[1], **fields}
        return self.http.post(page.url, data=fields, headers={"Referer": str(page.url)}, follow_redirects=True)


def mails_in(folder: Path) -> list[str]:
    """The mails that `filemail://` has written, oldest first."""
    return [file.read_text() for file in sorted(folder.glob("*.log"))]
