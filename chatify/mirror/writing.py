"""Writing documents in batches. A batch that Firestore refuses is halved until the culprit is alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from google.api_core.exceptions import DeadlineExceeded, GoogleAPICallError, InvalidArgument, RetryError
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore import Client

from chatify.mirror.client import is_closed
from chatify.mirror.paths import DocKey, Kind
from chatify.mirror.payloads import Payload

ERRORS = (GoogleAPICallError, RetryError, GoogleAuthError)
"""What Firestore's client raises when it is not about what is written."""

REFUSALS = (InvalidArgument, ValueError, TypeError)
"""What Firestore and its client raise about what is written."""

COMMIT_SECONDS = 10.0
LIST_SECONDS = 30.0
BATCH_WRITES = 400
BATCH_BYTES, LEAST_BATCH_BYTES = 4_000_000, 50_000
"""As much as a batch may have, and as it may have at least over a line that is too slow for more."""

_WRITE_BYTES = 500
"""What a write takes beside its texts, roughly."""


class Away(RuntimeError):
    """Firestore takes nothing at the moment: it is away or overloaded, or does not let us in."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {error}"[:300])
        self.kind = type(error).__name__
        self.is_slow = isinstance(error, DeadlineExceeded)


class Operation(NamedTuple):
    """A document to be set as a whole, or, without a payload, to be deleted."""

    key: DocKey
    path: str
    payload: Payload | None


class Writer:
    """Writes documents and remembers how each fared, also when it is stopped by Away in between."""

    def __init__(
        self, firestore: Client, *, batch_bytes: int = BATCH_BYTES, before_commit: Callable[[], None] = lambda: None
    ) -> None:
        self.written: set[DocKey] = set()
        self.paths: set[str] = set()
        """Of what was written."""
        self.refused: dict[DocKey, str] = {}
        """Why, with the path before it."""
        self.documents = 0
        self.firestore, self._batch_bytes, self._before_commit = firestore, batch_bytes, before_commit

    def write(self, operations: Iterable[Operation]) -> None:
        """Write these, in their order. Raises Away."""
        for batch in batches(operations, self._batch_bytes):
            self._write(batch)

    def delete_collection(self, key: DocKey, path: str) -> None:
        """Delete all documents of a collection, page by page. Raises Away."""
        try:
            collection = self.firestore.collection(path)
            found = collection.list_documents(page_size=BATCH_WRITES, retry=None, timeout=LIST_SECONDS)
            while some := list(islice(found, BATCH_WRITES)):
                self.write(_deletion(key, document.path) for document in some)
        except REFUSALS as error:
            if is_closed(error):
                raise Away(error) from error
            self.refused[key] = _reason(path, error)
        except ERRORS as error:
            raise Away(error) from error
        else:
            self.written.add(key)

    def _write(self, operations: list[Operation]) -> None:
        try:
            self._commit(operations)
        except REFUSALS as error:
            if is_closed(error):
                raise Away(error) from error
            if len(operations) == 1:
                self.refused[operations[0].key] = _reason(operations[0].path, error)
            else:
                middle = len(operations) // 2
                self._write(operations[:middle])
                self._write(operations[middle:])
        except ERRORS as error:
            raise Away(error) from error
        else:
            self.documents += len(operations)
            self.written.update(operation.key for operation in operations)
            self.paths.update(operation.path for operation in operations)

    def _commit(self, operations: list[Operation]) -> None:
        batch = self.firestore.batch()
        for operation in operations:
            document = self.firestore.document(operation.path)
            if operation.payload is None:
                batch.delete(document)
            else:
                batch.set(document, operation.payload)
        self._before_commit()
        # No retries in here: what is written later than it was asked for might overtake something.
        batch.commit(retry=None, timeout=COMMIT_SECONDS)


def _deletion(collection: DocKey, path: str) -> Operation:
    """Under a key of its own: the collection is done with its last page."""
    return Operation(collection._replace(kind=Kind.MESSAGE, id=path), path, None)


def _reason(path: str, error: Exception) -> str:
    return f"{path}: {type(error).__name__}: {error}"


def batches(operations: Iterable[Operation], most_bytes: int = BATCH_BYTES) -> Iterator[list[Operation]]:
    """As many as Firestore takes at once, within so many bytes, but for one that is larger alone."""
    batch: list[Operation] = []
    size = 0
    for operation in operations:
        weight = _size_of(operation.payload)
        if batch and (len(batch) == BATCH_WRITES or size + weight > most_bytes):
            yield batch
            batch, size = [], 0
        batch.append(operation)
        size += weight
    if batch:
        yield batch


def _size_of(payload: Payload | None) -> int:
    texts = (value for value in (payload or {}).values() if isinstance(value, str))
    return _WRITE_BYTES + sum(len(text.encode()) for text in texts)
