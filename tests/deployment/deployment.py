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

#: Seconds that a process may take to start.
PATIENCE = 60
TOPIC = "watcher_notifications"
_HERE = Path(__file__).parent
_DRIVERS = {"mariadb": "mysql+pymysql", "postgresql": "postgresql+psycopg"}
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
        self.log = folder / f"{name}.log"
        self.log.touch()

    def start(self):
        """Start it, and wait until it is ready."""
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
        while not self._is_ready():
            if time.monotonic() > deadline or self._popen.poll() is not None:
                raise RuntimeError(f"{self.name} did not start: {self.recent()[-3000:]}")
            time.sleep(0.1)

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
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        self.server = instances.KINDS[database](folder / "server")
        self.broker = Broker(folder / "broker", {})
        self.database = (
            f"{_DRIVERS[database]}://{self._owner}@127.0.0.1:{self.server.port}/watcher"
        )
        ports = [instances.free_port() for _ in range(3)]
        api, self.nova, self.placement = (f"http://127.0.0.1:{port}" for port in ports)
        self.client = Client(api)
        self.cloud = Process(
            "cloud",
            folder,
            [sys.executable, str(_HERE / "cloud.py"), *map(str, ports[1:])],
            ready=lambda: all(get(url, timeout=5).ok for url in (self.nova, self.placement)),
            environment=self.environment,
        )
        self.api = self.service("api", ours=ours)
        self.engines = [self.service(f"engine-{n}", ours=ours) for n in range(1, engines + 1)]
        self.applier = self.service("applier", ours=ours)

    @property
    def _owner(self):
        return "root" if self.kind == "mariadb" else "postgres"

    @property
    def engine(self):
        """The first decision engine."""
        return self.engines[0]

    @property
    def services(self):
        """Watcher's processes."""
        return [self.api, *self.engines, self.applier]

    def service(self, name, *, ours):
        """Return a process of Watcher, on our objects or on its own."""
        settings = ["--config-file", str(self.configuration(name))]
        if name == "api":
            port = self.client.url.rpartition(":")[2]
            import_line = ["--on-objects"] if ours else []
            command = [sys.executable, str(_HERE / "api.py"), port, *import_line, *settings]
            ready = self._api_answers
        else:
            program = "decision-engine" if name.startswith("engine") else name
            launcher = ["watcher-on-objects"] if ours else []
            command = [*launcher, f"watcher-{program}", *settings]
            ready = f"Starting service monitoring service for watcher-{program}"
        return Process(name, self.folder, command, ready=ready, environment=self.environment)

    def _api_answers(self):
        return get(self.client.url, timeout=5).ok

    def configuration(self, name):
        """Write the configuration of a process, and return its path."""
        path = self.folder / f"{name}.conf"
        path.write_text(
            _CONFIGURATION.format(
                name=name,
                broker=self.broker.address(),
                database=self.database,
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
                self.run("watcher-objects", "--config-file", "api.conf", "db", "upgrade")
            # Goals and strategies are created by the engine that starts first.
            self.engine.start()
            others = [self.api, *self.engines[1:], self.applier]
            for started in [pool.submit(s.start) for s in others]:
                started.result()

    def run(self, *words):
        """Run a command of Watcher or of ours."""
        with (self.folder / "commands.log").open("ab") as log:
            subprocess.run(  # noqa: S603
                words, check=True, cwd=self.folder, env=self.environment, stdout=log, stderr=log
            )

    def __exit__(self, *exc):
        for process in (*self.services, self.cloud, self.broker, self.server):
            with suppress(AttributeError):  # it was not started
                process.kill()

    def restart_database(self):
        """Stop the database server, and start it again."""
        self.server.stop()
        self.server.start()
