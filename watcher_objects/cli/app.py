# SPDX-License-Identifier: Apache-2.0
"""The command ``watcher-objects``, a cliff application."""

import argparse
import io
import logging
import os
import re
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

try:
    from cliff.app import App
    from cliff.command import Command
    from cliff.commandmanager import CommandManager
except ModuleNotFoundError as error:
    if error.name != "cliff":
        raise
    sys.exit("The command line needs cliff: pip install 'watcher-objects[cli]'")

from watcher_objects import db, exception
from watcher_objects.cli import (
    audit,
    connection,
    database,
    demo,
    entity,
    history,
    move,
    purge,
    serve,
    states,
    stats,
    versions,
    worker,
)

COMMANDS: Mapping[str, type[Command]] = {
    **entity.commands(),
    **history.commands(),
    "audit cancel": move.Cancel,
    "audit create": audit.Create,
    "audit delete": move.Delete,
    "audit resume": move.Resume,
    "audit start": move.Start,
    "audit stats": stats.Stats,
    "audit suspend": move.Suspend,
    "db check": database.Check,
    "db downgrade": database.Downgrade,
    "db history": database.History,
    "db purge": purge.Purge,
    "db stamp": database.Stamp,
    "db upgrade": database.Upgrade,
    "db version": database.Version,
    "db watch-foreign": database.WatchForeign,
    "demo": demo.Demo,
    "serve": serve.Serve,
    "states": states.States,
    "versions": versions.Versions,
    "worker list": worker.List,
    "worker show": worker.Show,
}
# Greedy, to match a password that contains @ or /; SQLAlchemy writes @ as %40.
_PASSWORD = re.compile(r"(://[^:@/\s]*):.+(@|%40)")
_OPTION = re.compile(r"([?&][^=&\s]*pass[^=&\s]*=)[^&\s]+")


def discreet(text: str) -> str:
    """Return a text with the passwords of its URLs masked."""
    return _OPTION.sub(r"\1***", _PASSWORD.sub(r"\1:***\2", text))


def decoded(argument: str) -> str:
    """Return an argument, decoded as UTF-8 if the locale could not decode it.

    :raises Invalid: it is not UTF-8 either
    """
    # Python represents undecoded bytes by surrogates.
    if not any("\udc80" <= character <= "\udcff" for character in argument):
        return argument
    try:
        return os.fsencode(argument).decode()
    except UnicodeError:
        shown = exception.safe_repr(discreet(argument))
        raise exception.Invalid(f"Argument {shown} is not UTF-8; encode it as UTF-8") from None


def is_ours(record: logging.LogRecord) -> bool:
    """Return whether to log a record; the tracebacks of libraries are left out."""
    return not record.exc_info or record.name.startswith((WatcherObjects.NAME, "watcher_objects"))


class Discreet(logging.Formatter):
    """A formatter that masks passwords, including those in tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        return discreet(super().format(record))


class WatcherObjects(App):
    """The application, with the options that all commands share."""

    NAME = "watcher-objects"
    LOG = logging.getLogger(NAME)
    # Only warnings; -v and -vv also log what alembic and SQLAlchemy report.
    DEFAULT_VERBOSE_LEVEL = 0

    def __init__(self) -> None:
        super().__init__(
            description="Manage audits and their database.",
            version=metadata.version("watcher-objects"),
            command_manager=CommandManager(),
            # Otherwise --help after a command would print the help of the application.
            deferred_help=True,
        )
        self.handlers: list[logging.Handler] = []
        for name, command in COMMANDS.items():
            self.command_manager.add_command(name, command)

    def build_option_parser(
        self, description: str | None, version: str | None, argparse_kwargs: Any = None
    ) -> argparse.ArgumentParser:
        """Return the parser of the options that all commands share."""
        parser = super().build_option_parser(description, version, {"prog": self.NAME})
        connection.add_options(parser)
        return parser

    def configure_logging(self) -> None:
        """Log to stderr, and to the file of ``--log-file``, with passwords masked."""
        root = logging.getLogger()
        others = list(root.handlers)
        super().configure_logging()
        self.handlers = [handler for handler in root.handlers if handler not in others]
        for handler in self.handlers:
            is_file = isinstance(handler, logging.FileHandler)
            form = self.LOG_FILE_MESSAGE_FORMAT if is_file else self.CONSOLE_MESSAGE_FORMAT
            handler.setFormatter(Discreet(form))
            if not (self.options.debug or self.options.verbose_level or is_file):
                handler.addFilter(is_ours)

    def initialize_app(self, argv: list[str]) -> None:
        """Reject a misplaced URL, whose password another error message would show."""
        if any(discreet(word) != word for word in argv):
            raise exception.Invalid("Pass the URL of a database with --database")

    def interact(self) -> None:
        """Show the help instead of cliff's shell."""
        self.run_subcommand(["help"])

    def clean_up(self, cmd: Any, result: int, err: BaseException | None) -> None:
        """Close the connections to the database."""
        db.dispose()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    :param argv: the arguments; those of the process by default
    """
    root = logging.getLogger()
    level = root.level
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Characters that the terminal's encoding lacks are escaped.
        sys.stdout.reconfigure(errors="backslashreplace")
    app = WatcherObjects()
    try:
        words = [decoded(word) for word in (sys.argv[1:] if argv is None else argv)]
    except exception.Invalid as error:
        app.stderr.write(f"{error}\n")
        return 2
    try:
        return app.run(words)
    except exception.WatcherException:
        # With --debug, cliff raises an error again that it has already shown.
        return 1
    finally:
        root.setLevel(level)
        for handler in app.handlers:
            root.removeHandler(handler)
            handler.close()


if __name__ == "__main__":
    sys.exit(main())
