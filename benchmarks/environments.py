# SPDX-License-Identifier: Apache-2.0
"""A virtual environment for each implementation, made once with pip."""

import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DRIVERS = ("psycopg[binary]>=3.2", "PyMySQL>=1.1")


@dataclass(frozen=True)
class Implementation:
    """Something that is compared: its name, and what is installed for it."""

    name: str
    title: str
    requirements: tuple[str, ...]

    @property
    def module(self) -> str:
        """The module that runs it."""
        return f"benchmarks.implementations.{self.name}"


OURS = Implementation("ours", "watcher_objects", ("--editable", f"{ROOT}[postgresql,mysql]"))
WATCHER = Implementation("watcher", "python-watcher 17", ("python-watcher==17.*", *DRIVERS))
DJANGO = Implementation("django_orm", "Django 5.2", ("Django==5.2.*", *DRIVERS))
ORM = Implementation("sqlalchemy_orm", "SQLAlchemy ORM", ("SQLAlchemy>=2.0.43", *DRIVERS))
DRIVER = Implementation("driver", "bare driver", DRIVERS)
BY_HAND = Implementation("skip_locked", "SKIP LOCKED by hand", DRIVERS)
#: What does jobs: two job queues, and a loop without a library.
JOB_QUEUES = (
    BY_HAND,
    Implementation("procrastinate_jobs", "procrastinate", ("procrastinate==3.*", *DRIVERS)),
    Implementation("pgqueuer_jobs", "PgQueuer", ("pgqueuer==1.*", *DRIVERS)),
)
ALL = {made.name: made for made in (OURS, WATCHER, DJANGO, ORM, DRIVER)}


class Environments:
    """The environments in a folder, which stay for the next time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    def python(self, implementation: Implementation) -> Path:
        """Return the interpreter of an implementation, whose environment is made if need be."""
        home = self.folder / implementation.name
        stamp, wanted = home / "made-of", self._stamp(implementation)
        if not stamp.exists() or stamp.read_text() != wanted:
            print(f"making the environment of {implementation.title}", flush=True)
            venv.create(home, with_pip=True, clear=True)
            self._install(home / "bin" / "python", implementation)
            stamp.write_text(wanted)
        return home / "bin" / "python"

    @staticmethod
    def _stamp(implementation: Implementation) -> str:
        ours = (ROOT / "pyproject.toml").read_text() if implementation is OURS else ""
        return "\n".join((sys.version, *implementation.requirements, ours))

    @staticmethod
    def _install(python: Path, implementation: Implementation) -> None:
        command = [python, "-m", "pip", "install", "--quiet", *implementation.requirements]
        subprocess.run(command, check=True)  # noqa: S603 - an interpreter of ours
