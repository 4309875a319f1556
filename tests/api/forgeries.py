"""Credentials that nobody was given: each differs in one thing only from one that opens everything of its kind."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import jwt

_WRONG_KEY = "another-key-" * 4


@dataclass(frozen=True)
class Good:
    """A good token, and the key that signed it."""

    token: str
    key: str

    @property
    def claims(self) -> dict[str, Any]:
        """What it says."""
        return jwt.decode(self.token, options={"verify_signature": False})

    @property
    def signature(self) -> str:
        """Its last part."""
        return self.token.rpartition(".")[2]

    def saying(self, **changes: Any) -> str:
        """The same, rightly signed, with these changes."""
        return jwt.encode({**self.claims, **changes}, self.key, "HS256")

    def without(self, name: str) -> str:
        """The same, rightly signed, without one claim."""
        return jwt.encode({key: value for key, value in self.claims.items() if key != name}, self.key, "HS256")

    def signed_by(self, key: str, algorithm: str = "HS256", **changes: Any) -> str:
        """The same, signed by a key in a way."""
        return jwt.encode({**self.claims, **changes}, key, algorithm)

    def unsigned(self, algorithm: str = "none") -> str:
        """The same, not signed, as the header says."""
        payload = jwt.encode(self.claims, None, "none").split(".")[1]
        header = jwt.utils.base64url_encode(json.dumps({"alg": algorithm, "typ": "JWT"}).encode()).decode()
        return f"{header}.{payload}."

    def of_long_ago(self) -> str:
        """The same, rightly signed, but its time is over."""
        return self.saying(iat=int(time.time()) - 7200, exp=int(time.time()) - 3600)

    def with_payload(self, **changes: Any) -> str:
        """Another payload under the good signature."""
        return self.signed_by(_WRONG_KEY, **changes).rpartition(".")[0] + f".{self.signature}"


_Forge = Callable[[Good], str]
_OF_ACCESS_TOKENS: dict[str, _Forge] = {
    "access token, expired": lambda good: good.of_long_ago(),
    "access token, alg none": lambda good: good.unsigned(),
    "access token, wrong key": lambda good: good.signed_by(_WRONG_KEY),
    "access token, wrong audience": lambda good: good.saying(aud="somebody-else"),
    "access token, wrong issuer": lambda good: good.saying(iss="somebody-else"),
    "access token, alg HS512": lambda good: good.signed_by(good.key, "HS512"),
    "access token, alg NONE": lambda good: good.unsigned("NONE"),
    "access token, alg none but signed": lambda good: good.unsigned() + good.signature,
    "access token, without signature": lambda good: good.token.removesuffix(good.signature),
    "access token, other payload": lambda good: good.with_payload(sid=str(uuid4())),
    "access token, no audience": lambda good: good.without("aud"),
    "access token, no issuer": lambda good: good.without("iss"),
    "access token, unknown sign-in": lambda good: good.saying(sid=str(uuid4())),
    "access token, no sign-in": lambda good: good.without("sid"),
    "access token, sign-in is a number": lambda good: good.saying(sid=7),
    "access token, of no kind": lambda good: good.without("token_type"),
    "token that holds a list": lambda good: jwt.PyJWS().encode(b'["chatify"]', good.key, "HS256"),
}
_OF_END_USER_TOKENS: dict[str, _Forge] = {
    "end-user token, expired": lambda good: good.of_long_ago(),
    "end-user token, alg none": lambda good: good.unsigned(),
    "end-user token, wrong key": lambda good: good.signed_by(_WRONG_KEY),
    "end-user token, wrong audience": lambda good: good.saying(aud="somebody-else"),
    "end-user token, wrong issuer": lambda good: good.saying(iss="somebody-else"),
    "end-user token, as access token": lambda good: good.saying(token_type="access"),
    "end-user token, of another tenant": lambda good: good.saying(tid=str(uuid4())),
    "end-user token, user is no id": lambda good: good.saying(sub="alice"),
    "end-user token, tenant is a number": lambda good: good.saying(tid=7),
    "end-user token, epoch is nothing": lambda good: good.saying(epoch=None),
    "end-user token, epoch is huge": lambda good: good.saying(epoch=10**40),
    "end-user token, unknown key": lambda good: good.saying(key=str(uuid4())),
    "end-user token, chat session is no id": lambda good: good.saying(chat="x"),
}
_OF_KEYS: dict[str, Callable[[str], str]] = {
    "key, made up": lambda good: "ck_abcdefgh_" + "x" * 40,
    "key, wrong secret": lambda good: good[:-1] + ("a" if good[-1] != "a" else "b"),
    "key, cut off": lambda good: good[:-1],
    "key, in capitals": lambda good: good.upper(),
    "key, prefix only": lambda good: good[:12],
    "key, not ASCII": lambda good: good[:-1] + "é",
    "garbage": lambda good: "garbage",
    "dots": lambda good: "a.b.c",
    "very long": lambda good: "x" * 5000,
}
FORGERIES = (*_OF_ACCESS_TOKENS, *_OF_END_USER_TOKENS, *_OF_KEYS)
"""Their names."""


def forge(*, access_token: str, end_user_token: str, api_key: str, signing_key: str) -> dict[str, str]:
    """Bad ones by name, made of good ones."""
    access, end_user = Good(access_token, signing_key), Good(end_user_token, signing_key)
    return {
        **{name: make(access) for name, make in _OF_ACCESS_TOKENS.items()},
        **{name: make(end_user) for name, make in _OF_END_USER_TOKENS.items()},
        **{name: make(api_key) for name, make in _OF_KEYS.items()},
    }
