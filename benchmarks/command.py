"""What every benchmark's command does around its work."""

import os
import signal
import sys
from collections.abc import Callable

from benchmarks.services import BenchmarkError
from benchmarks.systems import PROJECT


def say(text: str) -> None:
    """Tell how far it is; the table alone goes to stdout."""
    print(text, file=sys.stderr, flush=True)


def carry_out(work: Callable[[], int]) -> int:
    """Do the work in the project's folder, and turn what can go wrong into a line and an exit status."""
    os.chdir(PROJECT)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job starts with it ignored
    for how in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(how, lambda number, _frame: sys.exit(128 + number))
    try:
        return work()
    except BenchmarkError as error:
        say(f"FAILED: {error}")
        return 1
    except KeyboardInterrupt:
        say("Interrupted; everything is stopped.")
        return 130
