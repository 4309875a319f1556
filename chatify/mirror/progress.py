"""A progress bar on a terminal; nothing where the output goes into a file or a log."""

from __future__ import annotations

from types import TracebackType
from typing import IO

WIDTH = 30


class Progress:
    """Shows how many of about `total` are done."""

    def __init__(self, total: int, stream: IO[str]) -> None:
        self._total, self._stream = total, stream
        self._is_shown = stream.isatty()
        self._done = 0

    def __enter__(self) -> Progress:
        self.show(0)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.hide()

    def show(self, done: int) -> None:
        """So many are done."""
        self._done = done
        if not self._is_shown:
            return
        total = max(self._total, done, 1)
        bar = "#" * (WIDTH * done // total)
        self._stream.write(f"\r\x1b[K[{bar:<{WIDTH}}] {100 * done // total:3} %  {done:,} of about {total:,} documents")
        self._stream.flush()

    def hide(self) -> None:
        """Make room for a line."""
        if self._is_shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
