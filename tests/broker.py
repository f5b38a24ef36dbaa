# SPDX-License-Identifier: Apache-2.0
"""A message broker of our own: with TLS, a limit of messages, and accounts."""

import base64
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests import servers
from tests.chaos import instances

#: The right of an account: what it may configure, write and read.
Rights = tuple[str, str, str]
#: Bytes of a message that it accepts.
LIMIT = 2**18
_ALL = (".*", ".*", ".*")
_CERTIFICATE = (
    *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
    *("-nodes", "-subj", "/CN=localhost"),
    *("-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "ca.pem"),
)
_CONFIGURATION = """
listeners.tcp.1 = 127.0.0.1:{port}
listeners.ssl.1 = 127.0.0.1:{tls}
ssl_options.cacertfile = {folder}/ca.pem
ssl_options.certfile = {folder}/ca.pem
ssl_options.keyfile = {folder}/key.pem
max_message_size = {limit}
load_definitions = {folder}/definitions.json
log.console = true
log.file = false
"""


class Broker(instances.Server):
    """RabbitMQ, with accounts that have the rights given, and the password ``secret``."""

    account, scheme = "rabbitmq", "rabbit"

    def __init__(self, folder: Path, accounts: Mapping[str, Rights]) -> None:
        self.accounts = {"all": _ALL, **accounts}
        self.tls = instances.free_port()
        super().__init__(folder)

    def prepare(self) -> None:
        """Fill the folder."""
        openssl = [instances.binary("openssl"), *_CERTIFICATE]
        subprocess.run(openssl, cwd=self.folder, check=True, capture_output=True)  # noqa: S603
        values = {"port": self.port, "tls": self.tls, "folder": self.folder, "limit": LIMIT}
        files = {
            "rabbitmq.conf": _CONFIGURATION.format(**values),
            "definitions.json": json.dumps(self._definitions()),
            "plugins": "[].",
        }
        for name, text in files.items():
            (self.folder / name).write_text(text)
        for file in self.folder.iterdir():
            file.chmod(0o644)

    def _definitions(self) -> Mapping[str, object]:
        parts = ("configure", "write", "read")
        return {
            "vhosts": [{"name": "/"}],
            "users": [
                {"name": name, "password_hash": _hashed("secret"), "tags": []}
                for name in self.accounts
            ],
            "permissions": [
                {"user": name, "vhost": "/", **dict(zip(parts, rights, strict=True))}
                for name, rights in self.accounts.items()
            ],
        }

    def command(self) -> Sequence[str]:
        """Return the command that runs it, with its environment."""
        folder = self.folder
        settings = {
            "HOME": folder,
            "RABBITMQ_CONFIG_FILE": folder / "rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_DIST_PORT": instances.free_port(),
            "RABBITMQ_ENABLED_PLUGINS_FILE": folder / "plugins",
            "RABBITMQ_LOG_BASE": folder / "logs",
            "RABBITMQ_MNESIA_BASE": folder / "mnesia",
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_PID_FILE": folder / "pid",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
        }
        words = [f"{name}={value}" for name, value in settings.items()]
        return ("env", "--chdir", str(folder), *words, _program())

    def await_answer(self) -> None:
        """Wait until it accepts connections."""
        deadline = time.monotonic() + instances.PATIENCE
        while True:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self.tls), timeout=5).close()
                return
            if time.monotonic() > deadline or self._process.poll() is not None:
                log = (self.folder / "log").read_text()[-2000:]
                raise RuntimeError(f"RabbitMQ did not start: {log}")
            time.sleep(0.1)

    def address(self, account: str = "all", *, tls: bool = False, query: str = "") -> str:
        """Return the transport URL of an account."""
        place = f"localhost:{self.tls}" if tls else f"127.0.0.1:{self.port}"
        return f"rabbit://{account}:secret@{place}/{query}"

    def close_connections(self) -> None:
        """Close all connections, as an administrator may."""
        node = f"test{self.port}@localhost"
        control = str(Path(_program()).with_name("rabbitmqctl"))
        words = ("-n", node, "close_all_connections", "a test closes them")
        self.run("env", f"HOME={self.folder}", control, *words)

    def kill(self) -> None:
        """End it and what it started."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _program() -> str:
    # The one in the PATH of Debian is for root, and writes elsewhere.
    found = shutil.which("rabbitmq-server", path="/usr/lib/rabbitmq/bin")
    return found or shutil.which("rabbitmq-server") or servers.missing("no rabbitmq-server here")


def _hashed(password: str) -> str:
    salt = b"salt"
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
