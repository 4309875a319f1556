"""Hearing of edits in Firestore: a listener on all personalities, and now and then a full look for what it missed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore import Client

from chatify.mirror.comparing import DIGEST, Outcome, is_untouched
from chatify.mirror.paths import TEMPLATES, DocKey, Kind, path_of
from chatify.mirror.payloads import mirrored_templates, places, template_payload
from chatify.mirror.taking import Document, Taker, note_deletion, write_again
from chatify.mirror.watching import CalmWatch, unwatch, watch
from templates_app.models import PromptTemplate

CALM_SECONDS = 600.0
"""So often there is a full look while the listener is there."""

REFRESH_SECONDS = 60.0
"""And so often while it is not."""

AWAY_SECONDS = 5.0
"""So long after the first look that failed, or that found the listener gone, there is another one."""

PAGE = 300
READ_SECONDS = 20.0
_NEWS = (Outcome.EDIT, Outcome.CONFLICT, Outcome.NEW, Outcome.REFUSED)
_ERRORS = (GoogleAPICallError, RetryError, GoogleAuthError)
log = structlog.get_logger(__name__)


class _Change(NamedTuple):
    document: Document
    is_removal: bool


class _Ours(NamedTuple):
    """A personality of ours, and what says whether it is as it was."""

    id: UUID
    updated_at: datetime
    version_id: UUID | None


class Inbound:
    """Edits of personalities in Firestore. Its methods belong to one thread: the one that holds the relay's lease.

    The listener's own threads only put what they hear into a queue. It ends with its connection, and it can go deaf
    without a word; so after a look it is made anew, if it has ended, or has not told what the look has found.
    """

    def __init__(self, *, refresh_seconds: float = REFRESH_SECONDS, calm_seconds: float = CALM_SECONDS) -> None:
        self._refresh_seconds, self._calm_seconds = refresh_seconds, calm_seconds
        self._troubles = 0  # looks in a row that failed, or found no listener
        self._refresh_at = self._looked_at = float("-inf")
        self._queue: SimpleQueue[_Change] = SimpleQueue()
        self._taker = Taker()
        self._there: dict[str, str] = {}
        self._same: dict[str, tuple[str, _Ours]] = {}  # what was as it should be when it was last looked at
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
            self._refresh_at = min(self._refresh_at, self._looked_at + self._pause())
        news = sum(self._hear(client, change) for change in self._heard())
        if monotonic() >= self._refresh_at:
            news += self._refresh(client)
        return news

    def look(self, client: Client, paths: Iterable[str]) -> set[str]:
        """Take what somebody has written into these documents, before they are overwritten.

        Gives those that could not be taken at the moment. Raises Firestore's errors. What nobody could look at must not
        be written.
        """
        references, untaken = [client.document(path) for path in paths], set[str]()
        for start in range(0, len(references), PAGE):
            some = references[start : start + PAGE]
            for snapshot in client.get_all(some, retry=None, timeout=READ_SECONDS):
                if snapshot.exists and self._take(document_of(snapshot)) is None:
                    untaken.add(snapshot.reference.path)
        return untaken

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
        self._troubles = 0 if self._watch is not None else self._troubles + 1
        self._looked_at = monotonic()
        self._refresh_at = self._looked_at + self._pause()  # whatever comes of this look: not at once again
        try:
            news = self._look_at_all(client)
        except _ERRORS as error:
            self._put_off(error)
            return 0
        if news and self._watch is not None:
            log.info("firestore_listener_missed", news=news)
            self._unlisten()
        self._looked_at = monotonic()
        self._refresh_at = self._looked_at + self._calm_seconds
        if self._watch is None:
            self._listen(client)
            self._refresh_at = self._looked_at + self._pause()  # what happened before it began to listen
        return news

    def _pause(self) -> float:
        """The more in a row have come to nothing, the longer: a listener may be out of the question here."""
        doublings = min(max(0, self._troubles - 1), 10)
        return min(self._refresh_seconds, AWAY_SECONDS * 2.0**doublings)

    def _look_at_all(self, client: Client) -> int:
        """Documents and personalities page by page. Raises Firestore's errors, after the news of the pages before."""
        ours, there, news = _index(), dict[str, str](), 0
        for page in _pages(client):
            news += self._look_through(page, ours)
            there |= {document.path: document.stamp for document in page}
        missing = [path for path in ours if path not in there]
        for start in range(0, len(missing), PAGE):
            news += self._miss_all({path: ours[path] for path in missing[start : start + PAGE]})
        self._there = there
        self._same = {path: same for path, same in self._same.items() if path in there}
        return news

    def _look_through(self, page: Sequence[Document], ours: dict[str, _Ours]) -> int:
        """What has changed on neither side costs nothing."""
        known = {document.path: (document.stamp, ours[document.path]) for document in page if document.path in ours}
        changed = [one for one in page if one.path not in known or self._same.get(one.path) != known[one.path]]
        templates = _templates(known[one.path][1].id for one in changed if one.path in known)
        news = 0
        for document in changed:
            self._same.pop(document.path, None)
            own = known.get(document.path)
            template = templates.get(own[1].id) if own else None
            if template is not None and own is not None and _is_same(document, template):
                self._same[document.path] = own
            else:
                news += self._compare(document, template)
        return news

    def _compare(self, document: Document, template: PromptTemplate | None) -> bool:
        """Whether it was news."""
        outcome = self._taker.take(document)
        if outcome is Outcome.STALE and template is not None:
            write_again(template)
        return outcome in _NEWS

    def _miss_all(self, ours: dict[str, _Ours]) -> int:
        templates = _templates(one.id for one in ours.values())
        return sum(self._miss(path, templates[one.id]) for path, one in ours.items() if one.id in templates)

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
        self._refresh_at = self._looked_at + self._pause()


def document_of(snapshot: Any) -> Document:
    """A snapshot of the client library."""
    return Document(snapshot.reference.path, snapshot.to_dict() or {}, _stamp(snapshot.update_time))


def _stamp(time: Any) -> str:
    """Listeners and queries give the time of the last change as different types."""
    if hasattr(time, "timestamp_pb"):
        time = time.timestamp_pb()
    return f"{time.seconds}.{time.nanos:09}" if hasattr(time, "seconds") else str(time)


def _is_same(document: Document, template: PromptTemplate) -> bool:
    """Whether it is as we wrote it, and would write it now."""
    payload = template_payload(template)
    return payload is not None and is_untouched(document.fields) and document.fields[DIGEST] == payload[DIGEST]


def _pages(client: Client) -> Iterator[list[Document]]:
    """All documents of personalities, wherever they are."""
    query = client.collection_group(TEMPLATES).order_by("__name__").limit(PAGE)
    while page := list(query.stream(retry=None, timeout=READ_SECONDS)):
        yield [document_of(snapshot) for snapshot in page]
        if len(page) < PAGE:
            return
        query = query.start_after(page[-1])


def _index() -> dict[str, _Ours]:
    """All of ours, by the paths of their documents."""
    found = mirrored_templates().filter(current_version__isnull=False)
    rows = list(found.only("id", "tenant", "slug", "updated_at", "current_version"))  # no texts
    where = places(row.tenant_id for row in rows if row.tenant_id is not None)
    return {
        path_of(DocKey(Kind.TEMPLATE, row.tenant_id, row.slug), where): _Ours(
            row.id, row.updated_at, row.current_version_id
        )
        for row in rows
    }


def _templates(ids: Iterable[UUID]) -> dict[UUID, PromptTemplate]:
    """Those of these that are there."""
    rows = mirrored_templates().filter(id__in=list(ids), current_version__isnull=False)
    return {row.id: row for row in rows.select_related("current_version", "tenant")}
