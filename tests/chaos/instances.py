# SPDX-License-Identifier: Apache-2.0
"""Database servers and clusters of our own, which may be stopped, killed and frozen."""

import contextlib
import enum
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from tests import servers
from watcher_objects.testing.database import upgraded

#: Seconds that a server may take to start.
PATIENCE = 60
#: Those from which no system takes ports for outgoing connections.
_PORTS = range(20_000, 32_000)


def binary(name: str) -> str:
    """Return where a program is, which must be there in CI."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", *map(str, places)])
    if found := shutil.which(name, path=path):
        return found
    return servers.missing(f"no {name} here, to start a server of our own")


def free_port() -> int:
    """Return a port that no connection gets before a server listens to it."""
    for port in random.SystemRandom().sample(_PORTS, 100):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise RuntimeError("no free port")


class Server(ABC):
    """A server with a folder of its own, which its account may enter, on a port of 127.0.0.1."""

    #: The account that it runs as where we are root, which servers refuse to be.
    account: str
    scheme: str

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        folder.mkdir()
        self._owner: dict[str, str] = {}
        if os.geteuid() == 0:
            self._owner = {"user": self.account, "group": _group(self.account)}
            shutil.chown(folder, self.account)
        self._process: subprocess.Popen[bytes] | None = None
        self.prepare()

    @abstractmethod
    def prepare(self) -> None:
        """Create its files in the folder."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """Return the command that runs it."""

    @property
    def nodes(self) -> "Sequence[Server]":
        """Itself; a cluster has several."""
        return (self,)

    @property
    def url(self) -> str:
        """The URL of an administrator."""
        return f"{self.scheme}@127.0.0.1:{self.port}/"

    def run(self, *words: str) -> None:
        """Run a program as the server's account."""
        log = self.folder / "log"
        try:
            with log.open("ab") as out:
                # A starting server removes the temporary tables of others in its folder for them.
                env = {**os.environ, "TMPDIR": str(self.folder)}
                options = {"stdout": out, "stderr": out, "env": env, **self._owner}
                subprocess.run(words, check=True, **options)  # noqa: S603
        except subprocess.CalledProcessError as error:
            error.add_note(log.read_text(errors="replace")[-3000:])
            raise

    def start(self, *, language: str = "en", wait: bool = True) -> None:
        """Start it, with messages in that language, and wait until it can be asked.

        The language is set for the server alone: gettext keeps the translations that it has
        looked up, so this process would give some of its own messages in that language for ever.
        """
        with (self.folder / "log").open("ab") as out:
            self._process = subprocess.Popen(  # noqa: S603
                self.command(),
                stdout=out,
                stderr=out,
                start_new_session=True,
                env=os.environ | {"LANGUAGE": language},
                **self._owner,
            )
        if wait:
            self.await_answer()

    def connect(self) -> None:
        with servers.admin(self.url).connect():
            pass

    def await_answer(self) -> None:
        """Wait until it can be asked."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self.connect()
            except (OSError, sa.exc.DBAPIError):
                if time.monotonic() > deadline or self._process.poll() is not None:
                    log = (self.folder / "log").read_text()[-2000:]
                    raise RuntimeError(f"{self.scheme} did not start: {log}") from None
                time.sleep(0.1)

    def stop(self) -> None:
        """End it as an administrator does, without waiting for its clients."""
        self._process.send_signal(signal.SIGINT if self.account == "postgres" else signal.SIGTERM)
        self._process.wait(PATIENCE)

    def kill(self) -> None:
        """End it as a power failure does."""
        if self._process is not None and self._process.poll() is None:
            self._signal(signal.SIGKILL)
            self._process.wait()

    def freeze(self) -> None:
        """Suspend it and wait until its threads have stopped; its connections stay open."""
        self._signal(signal.SIGSTOP)
        for pid in (self._process.pid, *children(self._process.pid)):
            while not _has_stopped(pid):
                time.sleep(0.001)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        for pid in (self._process.pid, *children(self._process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def _group(account: str) -> str:
    import grp

    return grp.getgrgid(pwd.getpwnam(account).pw_gid).gr_name


def children(pid: int) -> Iterable[int]:
    """Return the processes that a process has started."""
    return map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def _has_stopped(pid: int) -> bool:
    """Return whether no thread of a process runs: a signal does not wait for those that do."""
    try:
        states = [stat.read_text() for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    except OSError:  # one has already ended
        return False
    return all(state.rpartition(") ")[2][0] in "TZX" for state in states)


class Postgresql(Server):
    """PostgreSQL, with additional settings."""

    account, scheme = "postgres", "postgresql://postgres"

    def __init__(self, folder: Path, *settings: str) -> None:
        self.settings = settings
        super().__init__(folder)

    def prepare(self) -> None:
        data = str(self.folder / "data")
        self.run(binary("initdb"), "--username=postgres", "--auth=trust", f"--pgdata={data}")

    def command(self) -> Sequence[str]:
        data = str(self.folder / "data")
        usual = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=100")
        options = [word for setting in (*usual, *self.settings) for word in ("-c", setting)]
        return (binary("postgres"), "-D", data, "-p", str(self.port), *options)

    @property
    def url(self) -> str:
        """The URL of an administrator."""
        return f"{super().url}postgres"


class Standby(Postgresql):
    """A hot standby of a server that runs."""

    def __init__(self, folder: Path, primary: Postgresql) -> None:
        self.primary = primary
        super().__init__(folder)

    def prepare(self) -> None:
        place = f"host=127.0.0.1 port={self.primary.port} user=postgres"
        backup = ("--write-recovery-conf", "--checkpoint=fast", f"--pgdata={self.folder / 'data'}")
        self.run(binary("pg_basebackup"), *backup, f"--dbname={place}")

    def catch_up(self) -> None:
        """Wait until what was committed so far can be read here."""
        with closing(servers.admin(self.primary.url).connect()) as asked:
            end = asked.exec_driver_sql("SELECT pg_current_wal_flush_lsn()").scalar()
        with closing(servers.admin(self.url).connect()) as asked:
            deadline = time.monotonic() + PATIENCE
            is_outdated = f"SELECT pg_last_wal_replay_lsn() < '{end}'"
            while asked.exec_driver_sql(is_outdated).scalar():
                assert time.monotonic() < deadline
                time.sleep(0.02)

    def promote(self) -> None:
        """Make it accept writes from now on."""
        with closing(servers.admin(self.url).connect()) as asked:
            asked.exec_driver_sql("SELECT pg_promote()")


class Mariadb(Server):
    """MariaDB, with additional options."""

    account, scheme = "mysql", "mysql://root"

    def __init__(self, folder: Path, *options: str) -> None:
        self.options = options
        super().__init__(folder)

    def prepare(self) -> None:
        self.run(
            binary("mariadb-install-db"),
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )

    def command(self) -> Sequence[str]:
        return (
            binary("mariadbd"),
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            f"--socket={self.folder / 'socket'}",
            f"--tmpdir={self.folder}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            "--max-connections=100",
            "--innodb-buffer-pool-size=32M",
            *self.options,
        )


class Pgbouncer(Server):
    """PgBouncer in front of a server, with additional settings."""

    account, scheme = "nobody", "postgresql"

    def __init__(self, folder: Path, server: str, *settings: str) -> None:
        self.server, self.settings = sa.make_url(server), settings
        super().__init__(folder)

    def prepare(self) -> None:
        server = self.server
        accounts = self.folder / "accounts"
        accounts.write_text(f'"{server.username}" "{server.password or ""}"\n')
        (self.folder / "ini").write_text(
            "\n".join(
                (
                    f"[databases]\n* = host={server.host} port={server.port or 5432}",
                    f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}",
                    f"unix_socket_dir =\nauth_type = trust\nauth_file = {accounts}",
                    *self.settings,
                )
            )
        )

    def command(self) -> Sequence[str]:
        return (binary("pgbouncer"), str(self.folder / "ini"))

    def connect(self) -> None:
        """Connect without a transaction, which it may reject."""
        socket.create_connection(("127.0.0.1", self.port)).close()

    @property
    def url(self) -> str:
        """The URL of the server's account, through the pooler."""
        through = self.server.set(host="127.0.0.1", port=self.port)
        return through.render_as_string(hide_password=False)


@contextmanager
def shelter() -> Iterator[Path]:
    """Yield a folder that every account may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


class _Node(Mariadb):
    """A node that has the data of another one, so that it need not fetch them."""

    def __init__(self, folder: Path, source: Mariadb, *options: str) -> None:
        self.source = source
        super().__init__(folder, *options)

    def prepare(self) -> None:
        self.run("cp", "-a", str(self.source.folder / "data"), str(self.folder / "data"))


class Cluster:
    """Three MariaDB nodes, each of which takes writes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        folder.chmod(0o755)
        ports = [free_port() for _ in range(3)]
        self.members = ",".join(f"127.0.0.1:{port}" for port in ports)
        first, *self._others = map(self._options, ports)
        self.nodes = [Mariadb(folder / "node-0", *first, "--wsrep-new-cluster")]

    def start(self) -> None:
        (first,) = self.nodes
        first.start()
        first.stop()
        others = [
            _Node(first.folder.with_name(f"node-{number}"), first, *options)
            for number, options in enumerate(self._others, 1)
        ]
        self.nodes += others
        first.start()
        for node in others:
            node.start(wait=False)
        for node in others:
            node.await_answer()
        # When it is started again, it joins the others.
        first.options = first.options[:-1]

    def kill(self) -> None:
        for node in self.nodes:
            node.kill()

    def _options(self, port: int) -> Sequence[str]:
        provided = {
            "gmcast.listen_addr": f"tcp://127.0.0.1:{port}",
            "ist.recv_addr": f"127.0.0.1:{free_port()}",
            "gcache.size": "16M",
        }
        return (
            "--wsrep-on=ON",
            f"--wsrep-provider={_galera()}",
            "--wsrep-cluster-name=chaos",
            f"--wsrep-cluster-address=gcomm://{self.members}",
            f"--wsrep-node-address=127.0.0.1:{port}",
            f"--wsrep-provider-options={';'.join(f'{n}={v}' for n, v in provided.items())}",
            "--wsrep-sst-method=rsync",
            f"--wsrep-sst-receive-address=127.0.0.1:{free_port()}",
            "--binlog-format=ROW",
            "--innodb-autoinc-lock-mode=2",
            "--innodb-flush-log-at-trx-commit=2",
        )


def _galera() -> str:
    for folder in ("/usr/lib/galera", "/usr/lib64/galera"):
        path = Path(folder) / "libgalera_smm.so"
        if path.exists():
            return str(path)
    return servers.missing("no galera-4 here, to start a cluster")


class Need(enum.StrEnum):
    """What a scenario needs."""

    DATABASE = "a database"
    NETWORK = "a network to a server"
    SERVER = "a server of our own"
    CLUSTER = "a cluster of our own"


class Target(NamedTuple):
    """A database with our schema: its URL on each node, and the nodes if they are our own."""

    urls: Sequence[str]
    servers: Sequence[Server] = ()


_NAME = f"watcher_objects_chaos_{os.getpid()}"
KINDS = {"postgresql": Postgresql, "mariadb": Mariadb}
_OFFERED = {
    "sqlite": {Need.DATABASE},
    "postgresql": {Need.DATABASE, Need.NETWORK, Need.SERVER},
    "mariadb": {Need.DATABASE, Need.NETWORK, Need.SERVER},
    "galera": {Need.DATABASE, Need.NETWORK, Need.CLUSTER},
}
#: What can be created here.
OWN = (*_OFFERED,)


def offered(where: str) -> set[Need]:
    """Return what :func:`target` provides."""
    of_others = {Need.DATABASE} if where.startswith("sqlite") else {Need.DATABASE, Need.NETWORK}
    return _OFFERED.get(where, of_others)


@contextmanager
def running(kind: str) -> Iterator[Sequence[Server]]:
    """Yield a server of our own, or the nodes of a cluster, which may be disturbed."""
    with shelter() as folder:
        started = {**KINDS, "galera": Cluster}[kind](folder / "own")
        try:
            started.start()
            yield started.nodes
        finally:
            started.kill()


@contextmanager
def database(nodes: Sequence[str]) -> Iterator[Sequence[str]]:
    """Create a database on a server, and yield its URL on each node."""
    with servers.created(nodes[0], _NAME) as url:
        upgraded(url)
        urls = [sa.make_url(node).set(database=_NAME) for node in nodes]
        yield [one.render_as_string(hide_password=False) for one in urls]


@contextmanager
def target(where: str) -> Iterator[Target]:
    """Create a database on one of :data:`OWN`, or at URLs with commas between."""
    if where.startswith("sqlite"):
        with tempfile.TemporaryDirectory() as folder:
            yield Target([upgraded(f"sqlite:///{Path(folder) / _NAME}")])
    elif where in OWN:
        with running(where) as nodes, database([one.url for one in nodes]) as urls:
            yield Target(urls, nodes)
    else:
        with database(where.split(",")) as urls:
            yield Target(urls)
