# SPDX-License-Identifier: Apache-2.0
"""Watcher as an operator deploys it: separate processes, a database server and a broker."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import requests
from requests import get

from tests.broker import Broker
from tests.chaos import instances
from tests.deployment.client import Client
from watcher_objects.testing.database import admin

#: The Python whose environment has Watcher's programs: this one, or that of another release.
PYTHON = os.environ.get("WATCHER_OBJECTS_TEST_PYTHON", sys.executable)
#: Seconds that a process may take to start.
PATIENCE = 60
TOPIC = "watcher_notifications"
_HERE = Path(__file__).parent
#: The account and the driver of a database, of Watcher's own objects and of ours. With psycopg,
#: Watcher's own compare numbers with texts, which PostgreSQL rejects.
_DATABASES = {
    "mariadb": ("root", {False: "mysql+pymysql", True: "mysql+pymysql"}),
    "postgresql": ("postgres", {False: "postgresql+psycopg2", True: "postgresql+psycopg"}),
}
_CONFIGURATION = """
[DEFAULT]
enable_authentication = false
host = {name}
transport_url = {broker}
[api]
enable_webhooks_auth = false
[database]
connection = {database}
[collector]
collector_plugins = compute
[watcher_clients_auth]
auth_type = none
[nova]
auth_type = none
endpoint_override = {nova}/v2.1
[placement]
auth_type = none
endpoint_override = {placement}
[oslo_messaging_notifications]
driver = messagingv2
topics = {topic}
[watcher_decision_engine]
continuous_audit_interval = 1
"""


class Process:
    """A program with its log, which a text in the log or an answer shows to be ready."""

    def __init__(self, name, folder, command, *, ready, environment):
        self.name, self.command, self.ready = name, command, ready
        self.environment = environment
        self.failed_starts = 0
        self.log = folder / f"{name}.log"
        self.log.touch()

    def start(self):
        """Start it, and once more if it ends at once, as systemd does; wait until it is ready."""
        if not self._starts():
            self.failed_starts += 1
            if not self._starts():
                raise RuntimeError(f"{self.name} did not start: {self.recent()[-3000:]}")

    def _starts(self):
        self._begin = self.log.stat().st_size
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(  # noqa: S603
                self.command,
                stdout=log,
                stderr=log,
                env=self.environment,
                cwd=self.log.parent,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE
        while not (is_ready := self._is_ready()) and self._popen.poll() is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} does not start: {self.recent()[-3000:]}")
            time.sleep(0.1)
        return is_ready

    def _is_ready(self):
        if callable(self.ready):
            with suppress(requests.ConnectionError):
                return self.ready()
            return False
        return self.ready in self.recent()

    def recent(self):
        """Return what it has logged since its last start."""
        return self.log.read_bytes()[self._begin :].decode(errors="replace")

    def stop(self):
        """End it as an operator does, or kill it if it does not end."""
        self._popen.terminate()
        try:
            self._popen.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self):
        """End it and what it has started, as a power failure does."""
        self._signal(signal.SIGKILL)
        self._popen.wait()

    def freeze(self):
        """Suspend it: its connections stay open, and who sends requests to it waits."""
        self._signal(signal.SIGSTOP)

    def thaw(self):
        """Resume it."""
        self._signal(signal.SIGCONT)

    def _signal(self, number):
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, number)

    def memory(self):
        """Return the MB of memory that it and what it has started use, shares of it divided."""
        family = [self._popen.pid, *instances.children(self._popen.pid)]
        maps = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in family]
        return sum(int(m.partition("Pss:")[2].split()[0]) for m in maps) // 1024


class Deployment:
    """A private database server, broker and cloud, and Watcher's services, in a folder."""

    def __init__(self, folder, *, ours, database="mariadb", mode="threading", engines=1):
        self.folder, self.ours, self.kind = folder, ours, database
        self.environment = os.environ | {
            "OS_WATCHER_DISABLE_EVENTLET_PATCHING": "no" if mode == "eventlet" else "yes",
            "PATH": f"{Path(PYTHON).parent}{os.pathsep}{os.environ['PATH']}",
        }
        self.server = instances.KINDS[database](folder / "server")
        self.broker = Broker(folder / "broker", {})
        self.nova, self.placement = (f"http://127.0.0.1:{instances.free_port()}" for _ in "12")
        self.client = Client()
        ports = [url.rpartition(":")[2] for url in (self.nova, self.placement)]
        self.cloud = Process(
            "cloud",
            folder,
            [sys.executable, str(_HERE / "cloud.py"), *ports],
            ready=lambda: all(get(url, timeout=5).ok for url in (self.nova, self.placement)),
            environment=self.environment,
        )
        names = ["api", *(f"engine-{n}" for n in range(1, engines + 1)), "applier"]
        self.services = {name: self.service(name, ours=ours) for name in names}

    @property
    def engine(self):
        """The first decision engine."""
        return self.services["engine-1"]

    def service(self, name, *, ours):
        """Return a process of Watcher, on our objects or on its own."""
        settings = ["--config-file", str(self.configuration(name, ours))]
        if name == "api":
            return self._api(settings, ours)
        program = "decision-engine" if name.startswith("engine") else name
        launcher = ["watcher-on-objects"] if ours else []
        return Process(
            name,
            self.folder,
            [*launcher, f"watcher-{program}", *settings],
            ready=f"Starting service monitoring service for watcher-{program}",
            environment=self.environment,
        )

    def _api(self, settings, ours):
        """Return an API that gets the client's requests when it answers them."""
        port = instances.free_port()
        import_line = ["--on-objects"] if ours else []

        def answers():
            url = f"http://127.0.0.1:{port}"
            if is_ready := get(url, timeout=5).ok:
                self.client.url = url
            return is_ready

        return Process(
            "api",
            self.folder,
            [PYTHON, str(_HERE / "api.py"), str(port), *import_line, *settings],
            ready=answers,
            environment=self.environment,
        )

    def replace(self, name, *, ours):
        """Replace a service by one on our objects or on Watcher's own.

        The new API starts before the old one ends, as a load balancer sees it. An engine and an
        applier are restarted on their host: their messages wait in the broker.
        """
        old, new = self.services[name], self.service(name, ours=ours)
        if name == "api":
            new.start()
            time.sleep(1)  # for the requests that the old one has begun to answer
            old.stop()
        else:
            old.stop()
            new.start()
        self.services[name] = new

    def configuration(self, name, ours):
        """Write the configuration of a process, and return its path."""
        account, drivers = _DATABASES[self.kind]
        path = self.folder / f"{name}.conf"
        path.write_text(
            _CONFIGURATION.format(
                name=name,
                broker=self.broker.address(),
                database=f"{drivers[ours]}://{account}@127.0.0.1:{self.server.port}/watcher",
                nova=self.nova,
                placement=self.placement,
                topic=TOPIC,
            )
        )
        return path

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        """Start all of it, on a new database that Watcher's own chain creates."""
        with ThreadPoolExecutor() as pool:
            for started in [pool.submit(s.start) for s in (self.broker, self.server, self.cloud)]:
                started.result()
            with admin(self.server.url).connect() as connection:
                connection.exec_driver_sql("CREATE DATABASE watcher")
            self.run("watcher-db-manage", "--config-file", "api.conf", "upgrade")
            if self.ours:
                self.upgrade()
            # Goals and strategies are created by the engine that starts first.
            self.engine.start()
            others = [service for service in self.services.values() if service is not self.engine]
            for started in [pool.submit(s.start) for s in others]:
                started.result()

    def upgrade(self):
        """Upgrade the database of Watcher for our objects."""
        configuration = self.configuration("upgrade", ours=True)
        self.run("watcher-objects", "--config-file", str(configuration), "db", "upgrade")

    def announce(self, *uuids):
        """Announce audits to the engines once more."""
        self.run(PYTHON, str(_HERE / "announce.py"), *uuids, "--config-file", "api.conf")

    def run(self, *words):
        """Run a command of Watcher or of ours."""
        with (self.folder / "commands.log").open("ab") as log:
            subprocess.run(  # noqa: S603
                words, check=True, cwd=self.folder, env=self.environment, stdout=log, stderr=log
            )

    def __exit__(self, *exc):
        for process in (*self.services.values(), self.cloud, self.broker, self.server):
            with suppress(AttributeError):  # it was not started
                process.kill()

    def restart_database(self):
        """Stop the database server, and start it again."""
        self.server.stop()
        self.server.start()
