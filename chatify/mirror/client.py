"""The connection to Firestore, made where it is used: gRPC does not survive a fork."""

from __future__ import annotations

import os
from threading import Lock
from typing import Any, NamedTuple

import firebase_admin
import google.auth.credentials
from django.conf import settings
from firebase_admin import credentials, firestore
from google.cloud.firestore import Client

_lock = Lock()


class _Made(NamedTuple):
    """A client, and the process that it works in."""

    pid: int
    app: firebase_admin.App
    client: Client


_made: _Made | None = None


class MirrorOff(RuntimeError):
    """There is no FIREBASE_PROJECT_ID, so nothing is mirrored."""

    def __init__(self) -> None:
        super().__init__("The mirror is off: set FIREBASE_PROJECT_ID, and credentials or FIRESTORE_EMULATOR_HOST.")


class _Anonymous(credentials.Base):  # type: ignore[misc]  # firebase_admin ships no types
    """The emulator asks for none, but the SDK would look for some."""

    def get_credential(self) -> google.auth.credentials.Credentials:
        return google.auth.credentials.AnonymousCredentials()  # type: ignore[no-untyped-call]


def client() -> Client:
    """The client of this process, for all its threads. Raises MirrorOff, or ValueError, OSError, GoogleAuthError."""
    global _made
    if not settings.FIRESTORE_IS_ON:
        raise MirrorOff
    with _lock:
        if _made is None or _made.pid != os.getpid():
            _made = _make()
        return _made.client


def close() -> None:
    """Let the connection go; the next `client()` makes another one."""
    global _made
    with _lock:
        if _made is not None and _made.pid == os.getpid():
            _close_channel(_made.client)
            firebase_admin.delete_app(_made.app)
        _made = None


def interrupt() -> None:
    """Let calls that other threads are waiting for fail at once; waits for nobody itself."""
    made = _made
    if made is not None and made.pid == os.getpid():
        _close_channel(made.client)


def is_closed(error: Exception) -> bool:
    """Whether a call failed because this side has closed the connection: gRPC has no error of its own for that."""
    return isinstance(error, ValueError) and str(error).startswith("Cannot invoke RPC")


def _close_channel(made: Client) -> None:
    """The library's own `close` leaves the channel open, and calls on it go on."""
    api = made._firestore_api_internal
    if api is not None:
        api.transport.close()


def _make() -> _Made:
    app = _make_app()
    try:
        return _Made(os.getpid(), app, firestore.client(app))  # credentials are looked for here
    except BaseException:
        firebase_admin.delete_app(app)
        raise


def _make_app() -> firebase_admin.App:
    options: dict[str, Any] = {"projectId": settings.FIREBASE_PROJECT_ID}
    found: credentials.Base
    if settings.FIRESTORE_EMULATOR_HOST:
        os.environ["FIRESTORE_EMULATOR_HOST"] = settings.FIRESTORE_EMULATOR_HOST  # it may come from .env
        found = _Anonymous()
    else:
        if settings.GOOGLE_APPLICATION_CREDENTIALS:
            os.environ["GOOGLE_APPLICATION_CREDENTIALS"] = settings.GOOGLE_APPLICATION_CREDENTIALS
        found = credentials.ApplicationDefault()
    return firebase_admin.initialize_app(found, options, name=f"chatify-{os.getpid()}")
