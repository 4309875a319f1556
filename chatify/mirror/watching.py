"""The client library's `on_snapshot`, except that it ends with its connection."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from google.api_core.bidi import BackgroundConsumer, ResumableBidiRpc
from google.api_core.exceptions import from_grpc_error
from google.cloud.firestore import Client, DocumentSnapshot
from google.cloud.firestore_v1.watch import Watch
from grpc import RpcError


class _Connection(ResumableBidiRpc):
    def recv(self) -> Any:
        """The next message. Raises GoogleAPICallError: the consumer takes anything else for a fault, and logs it."""
        try:
            return super().recv()  # type: ignore[no-untyped-call]
        except RpcError as error:
            raise from_grpc_error(error) from error  # type: ignore[no-untyped-call]


class CalmWatch(Watch):
    """A listener that is there once, for as long as its connection.

    The library's own opens the next connection at once, without a pause and from inside of the lost one: while
    Firestore is away that takes a whole core, until the stack overflows, and nobody can stop it meanwhile.
    """

    def _init_stream(self) -> None:
        self._rpc = _Connection(  # type: ignore[no-untyped-call]
            start_rpc=self._api._transport.listen,
            should_recover=_never,
            should_terminate=_never,
            initial_request=self._get_rpc_request,
            metadata=self._firestore._rpc_metadata,
        )
        self._consumer = BackgroundConsumer(self._rpc, self.on_snapshot)  # type: ignore[no-untyped-call]
        self._consumer.start()  # type: ignore[no-untyped-call]


def watch(firestore: Client, collection: str, tell: Callable[[Any, Iterable[Any], Any], None]) -> CalmWatch:
    """Listen to all collections of a name, wherever they are; `tell` is called on a thread of the listener's."""
    query = firestore.collection_group(collection)
    made: CalmWatch = CalmWatch.for_query(query, tell, DocumentSnapshot)  # type: ignore[no-untyped-call]
    return made


def unwatch(listener: CalmWatch) -> None:
    """Stop listening."""
    listener.unsubscribe()  # type: ignore[no-untyped-call]


def _never(error: Exception) -> bool:
    return False
