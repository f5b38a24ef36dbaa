# SPDX-License-Identifier: Apache-2.0
"""Database servers of our own, which may be stopped, killed and frozen."""

import contextlib
import os
import pwd
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

import sqlalchemy as sa

from tests import servers

#: Seconds that a server may take to start.
PATIENCE = 60


def binary(name: str) -> str:
    """Return where a program is, which must be there in CI."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", *map(str, places)])
    if found := shutil.which(name, path=path):
        return found
    return servers.missing(f"no {name} here, to start a server of our own")


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Server(ABC):
    """A server with a folder of its own, on a port of 127.0.0.1; its account must get there."""

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
        """Fill the folder."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """Return the command that runs it."""

    @property
    def nodes(self) -> "Sequence[Server]":
        """Itself; a cluster has several."""
        return (self,)

    @property
    def url(self) -> str:
        """The URL of an account that may do all."""
        return f"{self.scheme}@127.0.0.1:{self.port}/"

    def run(self, *words: str) -> None:
        """Run a program as the server's account."""
        log = self.folder / "log"
        with log.open("ab") as out:
            subprocess.run(words, check=True, stdout=out, stderr=out, **self._owner)  # noqa: S603

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
        """Connect as a client."""
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
        """End it as an administrator does who has no time to wait for its clients."""
        self._process.send_signal(signal.SIGINT if self.account == "postgres" else signal.SIGTERM)
        self._process.wait(PATIENCE)

    def kill(self) -> None:
        """End it as a loss of power does."""
        if self._process is not None and self._process.poll() is None:
            self._signal(signal.SIGKILL)
            self._process.wait()

    def freeze(self) -> None:
        """Let it answer nothing, and hang up on nobody."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        for pid in (self._process.pid, *_children(self._process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def _group(account: str) -> str:
    import grp

    return grp.getgrgid(pwd.getpwnam(account).pw_gid).gr_name


def _children(pid: int) -> Iterable[int]:
    return map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


class Postgresql(Server):
    """PostgreSQL; with settings, what is more than that."""

    account, scheme = "postgres", "postgresql://postgres"

    def __init__(self, folder: Path, *settings: str) -> None:
        self.settings = settings
        super().__init__(folder)

    def prepare(self) -> None:
        """Fill the folder."""
        data = str(self.folder / "data")
        self.run(binary("initdb"), "--username=postgres", "--auth=trust", f"--pgdata={data}")

    def command(self) -> Sequence[str]:
        """Return the command that runs it."""
        data = str(self.folder / "data")
        usual = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=100")
        said = [word for setting in (*usual, *self.settings) for word in ("-c", setting)]
        return (binary("postgres"), "-D", data, "-p", str(self.port), *said)

    @property
    def url(self) -> str:
        """The URL of an account that may do all."""
        return f"{super().url}postgres"


class Standby(Postgresql):
    """A hot standby of a server that runs."""

    def __init__(self, folder: Path, primary: Postgresql) -> None:
        self.primary = primary
        super().__init__(folder)

    def prepare(self) -> None:
        """Fill the folder."""
        place = f"host=127.0.0.1 port={self.primary.port} user=postgres"
        backup = ("--write-recovery-conf", "--checkpoint=fast", f"--pgdata={self.folder / 'data'}")
        self.run(binary("pg_basebackup"), *backup, f"--dbname={place}")

    def catch_up(self) -> None:
        """Wait until what was committed so far can be read here, too."""
        with closing(servers.admin(self.primary.url).connect()) as asked:
            end = asked.exec_driver_sql("SELECT pg_current_wal_flush_lsn()").scalar()
        with closing(servers.admin(self.url).connect()) as asked:
            deadline = time.monotonic() + PATIENCE
            is_behind = f"SELECT pg_last_wal_replay_lsn() < '{end}'"
            while asked.exec_driver_sql(is_behind).scalar():
                assert time.monotonic() < deadline
                time.sleep(0.02)

    def promote(self) -> None:
        """Let it accept writes from now on."""
        with closing(servers.admin(self.url).connect()) as asked:
            asked.exec_driver_sql("SELECT pg_promote()")


class Mariadb(Server):
    """MariaDB; with options, what is more than that."""

    account, scheme = "mysql", "mysql://root"

    def __init__(self, folder: Path, *options: str) -> None:
        self.options = options
        super().__init__(folder)

    def prepare(self) -> None:
        """Fill the folder."""
        self.run(
            binary("mariadb-install-db"),
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )

    def command(self) -> Sequence[str]:
        """Return the command that runs it."""
        return (
            binary("mariadbd"),
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            f"--socket={self.folder / 'socket'}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            "--max-connections=100",
            "--innodb-buffer-pool-size=32M",
            *self.options,
        )


class Pgbouncer(Server):
    """PgBouncer in front of a server; with settings, what is more than that."""

    account, scheme = "nobody", "postgresql"

    def __init__(self, folder: Path, server: str, *settings: str) -> None:
        self.server, self.settings = sa.make_url(server), settings
        super().__init__(folder)

    def prepare(self) -> None:
        """Fill the folder."""
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
        """Return the command that runs it."""
        return (binary("pgbouncer"), str(self.folder / "ini"))

    def connect(self) -> None:
        """Connect without a transaction, which it may not allow."""
        socket.create_connection(("127.0.0.1", self.port)).close()

    @property
    def url(self) -> str:
        """The URL of the server's account, through the pooler."""
        through = self.server.set(host="127.0.0.1", port=self.port)
        return through.render_as_string(hide_password=False)


@contextmanager
def shelter() -> Iterator[Path]:
    """Lend a folder that every account may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


KINDS = {"postgresql": Postgresql, "mariadb": Mariadb}
