"""Settings of the tests that run inside pytest: the product's, under an environment of their own.

pytest-django reads the settings before any conftest, so this is the one place where a developer's `.env` and
shell can be kept out. Servers that tests start get theirs from tests/services/server.py.
"""

import os
from pathlib import Path

_KEPT = "FIRESTORE_EMULATOR_HOST"  # names a service to test with

for line in Path(__file__).parent.parent.joinpath(".env.example").read_text().splitlines():
    name, separator, _ = line.partition("=")
    if separator and not name.startswith("#") and name != _KEPT:
        os.environ.pop(name, None)
os.environ.update(CHATIFY_ENV_FILE=os.devnull, DEBUG="1", SECRET_KEY="only-for-tests-" * 4, LOG_LEVEL="WARNING")

from config.settings import *  # noqa: E402, F403  (the environment comes first)
