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
from threading import Thread

import requests
from requests import get

from tests.broker import Broker
from tests.chaos import instances
from tests.deployment.client import Client
from tests.old_schemas import REVISIONS
from watcher_objects.testing.database import admin

#: The Python whose environment has Watcher's programs: this one, or that of another release.
PYTHON = os.environ.get("WATCHER_OBJECTS_TEST_PYTHON", sys.executable)
_VERSION = "from importlib.metadata import version; print(version('python-watcher'))"
#: The release of Watcher in that environment.
RELEASE = int(subprocess.check_output([PYTHON, "-c", _VERSION]).partition(b".")[0])  # noqa: S603
#: Before 17, the threading mode of Watcher is an experiment: it forgets the host's name at times.
MODE = "threading" if RELEASE >= 17 else "eventlet"
#: Seconds that a process may take to start.
PATIENCE = 60
#: How often a process that ends is started again.
FAILURES = 5
TOPIC = "watcher_notifications"
_HERE = Path(__file__).parent
#: The account and the driver of a database, of Watcher's own objects and of ours. With psycopg,
#: Watcher's own compare numbers with texts, which PostgreSQL rejects.
_DATABASES = {
    "mariadb": ("root", {False: "mysql+pymysql", True: "mysql+pymysql"}),
    "postgresql": ("postgres", {False: "postgresql+psycopg2", True: "postgresql+psycopg"}),
}
#: The jobs that services schedule at the end of their start.
_LAST_JOBS = {
    "decision-engine": 'Added job "ContinuousAuditHandler.launch_audits_periodically"',
    "applier": 'Added job "ServiceHeartbeat.send_beat"',
}
_CONFIGURATION = """
[DEFAULT]
default_log_levels = apscheduler=WARN,apscheduler.scheduler=INFO
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
auth_type = admin_token
endpoint = {cloud}
token = any
[nova]
auth_type = none
endpoint_override = {cloud}
[placement]
auth_type = none
endpoint_override = {cloud}
[oslo_messaging_notifications]
driver = messagingv2
topics = {topic}
[watcher_decision_engine]
continuous_audit_interval = 1
"""


class Process:
    """A program with its log, which is started again if it ends, as by systemd.

    ``ready`` is a text that the log has, or a function that returns true, once it can be used.
    """

    def __init__(self, name, folder, command, *, ready, environment):
        self.name, self.command, self.ready = name, command, ready
        self.environment = environment
        self.failures = 0
        self.log = folder / f"{name}.log"
        self.log.touch()

    def start(self):
        """Start it, and wait until it is ready."""
        self._begin = self.log.stat().st_size
        self._is_wanted = True
        self._launch()
        deadline = time.monotonic() + PATIENCE
        while not self._is_ready():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} does not start: {self._recent()[-3000:]}")
            time.sleep(0.1)

    def _launch(self):
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(  # noqa: S603
                self.command,
                stdout=log,
                stderr=log,
                env=self.environment,
                cwd=self.log.parent,
                start_new_session=True,
            )
        Thread(target=self._supervise, args=(self._popen,), daemon=True).start()

    def _supervise(self, popen):
        popen.wait()
        if self._is_wanted and self.failures < FAILURES:
            self.failures += 1
            self._launch()

    def _is_ready(self):
        if not callable(self.ready):
            return self.ready in self._recent()
        with suppress(requests.ConnectionError):
            return self.ready()
        return False

    def _recent(self):
        """Return what it has logged since it was started."""
        return self.log.read_bytes()[self._begin :].decode(errors="replace")

    def stop(self):
        """End it as an operator does, or kill it if it does not end."""
        self._is_wanted = False
        self._popen.terminate()
        try:
            self._popen.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self):
        """End it and what it has started, as a power failure does."""
        self._is_wanted = False
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

    def __init__(self, folder, *, ours, database="mariadb", mode=MODE, engines=1):
        self.folder, self.ours, self.kind = folder, ours, database
        self.environment = os.environ | {
            "OS_WATCHER_DISABLE_EVENTLET_PATCHING": "no" if mode == "eventlet" else "yes",
            "PATH": f"{Path(PYTHON).parent}{os.pathsep}{os.environ['PATH']}",
        }
        self.server = instances.KINDS[database](folder / "server")
        self.broker = Broker(folder / "broker", {})
        port = instances.free_port()
        self.endpoint = f"http://127.0.0.1:{port}/v2.1"
        self.client = Client()
        self.cloud = Process(
            "cloud",
            folder,
            [sys.executable, str(_HERE / "cloud.py"), str(port)],
            ready=lambda: get(f"{self.endpoint}/", timeout=5).ok,
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
            ready=_LAST_JOBS[program],
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
                cloud=self.endpoint,
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
        self._migrate("upgrade")

    def downgrade(self):
        """Downgrade the database to what Watcher has created."""
        self._migrate("downgrade", "--revision", REVISIONS["17.0" if RELEASE >= 17 else "15.0"])

    def _migrate(self, *words):
        configuration = self.configuration("migration", ours=True)
        self.run("watcher-objects", "--config-file", str(configuration), "db", *words)

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
