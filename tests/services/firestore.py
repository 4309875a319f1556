"""Google's own Firestore emulator: the one that FIRESTORE_EMULATOR_HOST names, or its jar started here."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import httpx

from tests.services import ServiceMissing
from tests.services.ports import free_port, is_listening
from tests.services.process import Process

_MAIN = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
_JAR = "platform/cloud-firestore-emulator/cloud-firestore-emulator.jar"
_PACKAGE = "google-cloud-cli-firestore-emulator"


class Firestore:
    """A running emulator. `host` is what FIRESTORE_EMULATOR_HOST wants: an address and a port."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._folder: Path | None = None
        self.host = os.environ.get("FIRESTORE_EMULATOR_HOST", "") or self._start()

    def documents_url(self, project: str) -> str:
        """Where the documents of a project are, for the emulator's REST interface."""
        return f"http://{self.host}/v1/projects/{project}/databases/(default)/documents"

    def clear(self, project: str) -> None:
        """Remove every document of a project."""
        path = f"/emulator/v1/projects/{project}/databases/(default)/documents"
        httpx.delete(f"http://{self.host}{path}", timeout=10, trust_env=False).raise_for_status()

    def stop(self) -> None:
        """Stop the emulator, if it was started here."""
        if self._process and self._folder:
            self._process.stop()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> str:
        java, jar, port = find_java(), find_jar(), free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="chatify-firestore-"))
        command = [java, "-cp", jar, _MAIN, "start", "--host=127.0.0.1", f"--port={port}"]
        self._process = Process(command, log=self._folder / "firestore.log", cwd=self._folder)
        self._process.wait_ready(lambda: is_listening(port), timeout=60)
        return f"127.0.0.1:{port}"


def is_available() -> bool:
    """Whether an emulator runs already or can be started."""
    try:
        return bool(os.environ.get("FIRESTORE_EMULATOR_HOST") or (find_java() and find_jar()))
    except ServiceMissing:
        return False


def find_java() -> str:
    """Where java is. Raises ServiceMissing."""
    java = shutil.which("java")
    if java is None:
        raise ServiceMissing("Firestore emulator: there is no java (apt-get install default-jre-headless)")
    return java


def find_jar() -> Path:
    """Where the emulator is, of Debian's package or an installed gcloud. Raises ServiceMissing."""
    for jar in (*_jars_of_package(), *_jars_of_gcloud()):
        if jar.is_file():
            return jar
    raise ServiceMissing(f"Firestore emulator: neither the package {_PACKAGE} nor gcloud's component is installed")


def _jars_of_package() -> list[Path]:
    if shutil.which("dpkg") is None:
        return []
    files = subprocess.run(["dpkg", "-L", _PACKAGE], check=False, capture_output=True, text=True, timeout=30).stdout
    return [Path(line) for line in files.splitlines() if line.endswith(".jar")]


def _jars_of_gcloud() -> list[Path]:
    gcloud = shutil.which("gcloud")
    return [parent / _JAR for parent in Path(gcloud).resolve().parents] if gcloud else []
