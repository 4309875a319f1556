"""Hearing of edits in Firestore: a listener on all personalities, and a full look every minute for what it missed."""

from __future__ import annotations

from collections.abc import Iterable
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, NamedTuple

import structlog
from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore import Client

from chatify.mirror.comparing import DIGEST, Outcome, is_untouched
from chatify.mirror.paths import TEMPLATES, DocKey, Kind, path_of
from chatify.mirror.payloads import places, template_payload
from chatify.mirror.taking import Document, Taker, note_deletion, write_again
from chatify.mirror.watching import CalmWatch, unwatch, watch
from templates_app.models import PromptTemplate

REFRESH_SECONDS = 60.0
AWAY_SECONDS = 5.0
"""So long after a look that failed, or the last one before the listener ended, there is another one."""

READ_SECONDS = 20.0
_NEWS = (Outcome.EDIT, Outcome.CONFLICT, Outcome.NEW, Outcome.REFUSED)
_ERRORS = (GoogleAPICallError, RetryError, GoogleAuthError)
log = structlog.get_logger(__name__)


class _Change(NamedTuple):
    document: Document
    is_removal: bool


class Inbound:
    """Edits of personalities in Firestore. Its methods belong to one thread: the one that holds the relay's lease.

    The listener's own threads only put what they hear into a queue. It ends with its connection, and it can go deaf
    without a word; so after a look it is made anew, if it has ended, or has not told what the look has found.
    """

    def __init__(self, *, refresh_seconds: float = REFRESH_SECONDS) -> None:
        self._refresh_seconds = refresh_seconds
        self._pause = min(AWAY_SECONDS, refresh_seconds)
        self._refresh_at = self._looked_at = float("-inf")
        self._queue: SimpleQueue[_Change] = SimpleQueue()
        self._taker = Taker()
        self._there: dict[str, str] = {}
        self._watch: CalmWatch | None = None
        self._client: Client | None = None

    @property
    def is_listening(self) -> bool:
        """Whether edits are heard at once. Else they are found by the next look."""
        return self._watch is not None and self._watch.is_active

    def step(self, client: Client) -> int:
        """Take what has come in, and look at everything when it is time to. Gives the number of news.

        Firestore being away is no error here: then there is nothing to hear.
        """
        if self._client is not client or not self.is_listening:
            self._unlisten()
            self._client = client
            self._refresh_at = min(self._refresh_at, self._looked_at + self._pause)
        news = sum(self._hear(client, change) for change in self._heard())
        if monotonic() >= self._refresh_at:
            news += self._refresh(client)
        return news

    def look(self, client: Client, paths: Iterable[str]) -> None:
        """Take what somebody has written into these documents, before they are overwritten.

        Raises Firestore's errors: who cannot look must not write.
        """
        references = [client.document(path) for path in paths]
        for snapshot in client.get_all(references, retry=None, timeout=READ_SECONDS) if references else ():
            if snapshot.exists:
                self._take(document_of(snapshot))

    def close(self) -> None:
        """Stop listening; `step` would begin again. What nobody took so far is another one's, or found by the look."""
        self._unlisten()
        self._queue = SimpleQueue()
        self._refresh_at = self._looked_at = float("-inf")

    # The listener ---------------------------------------------------------------------------------

    def _listen(self, client: Client) -> None:
        """Only when Firestore has just answered: a listener ends with its connection."""
        queue = self._queue

        def tell(documents: Any, changes: Iterable[Any], read_time: Any) -> None:
            for change in changes:
                queue.put(_Change(document_of(change.document), change.type.name == "REMOVED"))

        self._watch = watch(client, TEMPLATES, tell)

    def _unlisten(self) -> None:
        heard, self._watch = self._watch, None
        if heard is not None:
            unwatch(heard)

    def _heard(self) -> Iterable[_Change]:
        while True:
            try:
                yield self._queue.get_nowait()
            except Empty:
                return

    def _hear(self, client: Client, change: _Change) -> bool:
        if not change.is_removal:
            return self._take(change.document) in _NEWS
        try:
            snapshot = client.document(change.document.path).get(retry=None, timeout=READ_SECONDS)
        except _ERRORS as error:
            self._put_off(error)  # the look will find it missing
            return False
        if snapshot.exists:
            return self._take(document_of(snapshot)) in _NEWS
        is_news = note_deletion(change.document)
        self._there.pop(change.document.path, None)
        return is_news

    def _take(self, document: Document) -> Outcome | None:
        self._there[document.path] = document.stamp
        return self._taker.take(document)

    # The look at everything -----------------------------------------------------------------------

    def _refresh(self, client: Client) -> int:
        try:
            stream = client.collection_group(TEMPLATES).stream(retry=None, timeout=READ_SECONDS)
            found = {document.path: document for document in map(document_of, stream)}
        except _ERRORS as error:
            self._put_off(error)
            return 0
        ours = _ours()
        news = sum(self._compare(document, ours.get(path)) for path, document in found.items())
        news += sum(self._miss(path, template) for path, template in ours.items() if path not in found)
        self._there = {path: document.stamp for path, document in found.items()}
        if news and self._watch is not None:
            log.info("firestore_listener_missed", news=news)
            self._unlisten()
        self._looked_at = monotonic()
        self._refresh_at = self._looked_at + self._refresh_seconds
        if self._watch is None:
            self._listen(client)
            self._refresh_at = self._looked_at + self._pause  # what happened before it began to listen
        return news

    def _compare(self, document: Document, template: PromptTemplate | None) -> bool:
        """Whether it was news. What is as it should be costs no query."""
        payload = None if template is None else template_payload(template)
        if payload is not None and is_untouched(document.fields) and document.fields[DIGEST] == payload[DIGEST]:
            return False
        outcome = self._taker.take(document)
        if outcome is Outcome.STALE and template is not None:
            write_again(template)
        return outcome in _NEWS

    def _miss(self, path: str, template: PromptTemplate) -> bool:
        """A document that should be there is not: deleted, or not yet mirrored. Whether it was deleted just now."""
        stamp = self._there.get(path)
        if stamp is not None and note_deletion(Document(path, {}, stamp)):
            return True
        write_again(template)
        return False

    def _put_off(self, error: Exception) -> None:
        log.info("firestore_not_looked_at", reason=f"{type(error).__name__}: {error}"[:200])
        self._looked_at = monotonic()
        self._refresh_at = self._looked_at + self._pause


def document_of(snapshot: Any) -> Document:
    """A snapshot of the client library."""
    return Document(snapshot.reference.path, snapshot.to_dict() or {}, _stamp(snapshot.update_time))


def _stamp(time: Any) -> str:
    """Listeners and queries give the time of the last change as different types."""
    if hasattr(time, "timestamp_pb"):
        time = time.timestamp_pb()
    return f"{time.seconds}.{time.nanos:09}" if hasattr(time, "seconds") else str(time)


def _ours() -> dict[str, PromptTemplate]:
    """All of ours, by the paths of their documents."""
    rows = list(
        PromptTemplate.objects.existing()
        .filter(current_version__isnull=False)
        .select_related("current_version", "tenant")
    )
    where = places(row.tenant_id for row in rows if row.tenant_id is not None)
    return {path_of(DocKey(Kind.TEMPLATE, row.tenant_id, row.slug), where): row for row in rows}
