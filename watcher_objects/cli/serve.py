# SPDX-License-Identifier: Apache-2.0
"""The command ``serve``."""

import argparse
import logging
import signal
import threading
from typing import Any

from cliff.command import Command
from oslo_config import cfg

from watcher_objects import versions
from watcher_objects.cli import connection
from watcher_objects.rpc import client, server

LOG = logging.getLogger(__name__)

OPTIONS = [
    cfg.StrOpt("topic", default=client.TOPIC, help="The name under which servers listen."),
    cfg.StrOpt("release", choices=[*versions.RELEASES], help="Send objects as this one had them."),
    cfg.BoolOpt("show_deleted", default=False, help="Let callers ask for what is deleted."),
    cfg.IntOpt("threads", default=server.THREADS, min=1, help="Requests to work on at once."),
    cfg.IntOpt("health_interval", default=60, min=1, help="Seconds between lines of health."),
]


class Serve(Command):
    """Run the methods of objects for processes that have no database, until SIGTERM.

    What is in hand then is finished. Of the files of --config-file, [DEFAULT] transport_url says
    where the message broker is, and the section [watcher_objects] has the rest.
    """

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Serve."""
        conf = connection.configuration(self.app, OPTIONS)
        options = conf.watcher_objects
        connection.use(self.app, pool_size=options.threads)
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


def _serve(serving: server.Server, options: Any, stop: threading.Event) -> None:
    serving.start(options.threads)
    LOG.info("%s serves %s", serving.name, options.topic)
    while not stop.wait(options.health_interval):
        LOG.info("%s", serving.look_after())
    serving.stop()
    LOG.info("%s has stopped: %s", serving.name, serving.look_after())
