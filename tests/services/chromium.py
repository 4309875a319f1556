"""Chromium, as Debian installs it."""

import shutil

from tests.services import ServiceMissing

# The page needs nothing from outside the machine, and Chromium shall not go there on its own either.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


def find_chromium() -> str:
    """Where the program is. Raises ServiceMissing."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise ServiceMissing("Chromium: not on the PATH (apt-get install chromium)")
