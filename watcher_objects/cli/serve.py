# SPDX-License-Identifier: Apache-2.0
"""The command ``serve``."""

import argparse
import logging
import signal
import threading
from typing import Any

from cliff.command import Command
from oslo_config import cfg

from watcher_objects import exception, versions
from watcher_objects.cli import database
from watcher_objects.rpc import client, server
from watcher_objects.transitions import PROFILES

LOG = logging.getLogger(__name__)

DATABASE = [cfg.StrOpt("connection", secret=True, help="The URL of the database.")]
OPTIONS = [
    cfg.StrOpt("topic", default=client.TOPIC, help="The name under which servers listen."),
    cfg.StrOpt("release", choices=[*versions.RELEASES], help="Send objects as this one had them."),
    cfg.StrOpt("transitions", choices=PROFILES, default=PROFILES[0], help="Moves of states."),
    cfg.BoolOpt("show_deleted", default=False, help="Let callers ask for what is deleted."),
    cfg.IntOpt("threads", default=server.THREADS, min=1, help="Requests to work on at once."),
    cfg.IntOpt("health_interval", default=60, min=1, help="Seconds between lines of health."),
]


class Serve(Command):
    """Run the methods of objects for processes that have no database, until SIGTERM.

    What is in hand then is finished. [DEFAULT] transport_url says where the message broker
    is, [database] connection where the database; the section [watcher_objects] has the rest.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        told = "a file like /etc/watcher/watcher.conf; more than one may be given"
        parser.add_argument("--config-file", action="append", metavar="FILE", help=told)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Serve."""
        conf = _configuration(parsed_args.config_file)
        options = conf.watcher_objects
        database.use(
            self.app,
            otherwise=conf.database.connection,
            transitions=options.transitions,
            pool_size=options.threads,
        )
        versions.pin(options.release)
        transport = client.transport(None, conf)
        app: Any = self.app
        for handler in app.handlers:
            handler.setLevel(logging.INFO)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *ignored: stop.set())
        _serve(server.Server(transport, options.topic, options.show_deleted), options, stop)
        transport.cleanup()


def _configuration(files: list[str] | None) -> cfg.ConfigOpts:
    conf = cfg.ConfigOpts()
    conf.register_opts(DATABASE, "database")
    conf.register_opts(OPTIONS, "watcher_objects")
    try:
        conf([], project="watcher", default_config_files=files or [], default_config_dirs=[])
        for option in OPTIONS:
            conf.watcher_objects[option.dest]  # what a file has is judged when it is asked for
    except cfg.Error as error:
        raise exception.Invalid(f"The configuration can't be used: {error}") from error
    return conf


def _serve(serving: server.Server, options: Any, stop: threading.Event) -> None:
    serving.start(options.threads)
    LOG.info("%s serves %s", serving.name, options.topic)
    while not stop.wait(options.health_interval):
        LOG.info("%s", serving.look_after())
    serving.stop()
    LOG.info("%s has stopped: %s", serving.name, serving.look_after())
