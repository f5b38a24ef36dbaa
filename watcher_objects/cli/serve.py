# SPDX-License-Identifier: Apache-2.0
"""The command ``serve``."""

import argparse
import contextlib
import logging
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any, NoReturn

from cliff.command import Command
from oslo_config import cfg

from watcher_objects import exception, versions
from watcher_objects.cli import connection
from watcher_objects.rpc import client, listener, transport

LOG = logging.getLogger(__name__)

OPTIONS = [
    cfg.StrOpt("topic", default=client.TOPIC, help="The topic that servers listen to."),
    cfg.StrOpt("release", choices=[*versions.RELEASES], help="The release to send objects in."),
    cfg.BoolOpt("show_deleted", default=False, help="Allow callers to see soft-deleted objects."),
    cfg.IntOpt("threads", default=listener.THREADS, min=1, help="Number of concurrent requests."),
    cfg.IntOpt("health_interval", default=60, min=1, help="Seconds between two health reports."),
]


class Serve(Command):
    """Serve remotable methods to processes without database access, until SIGTERM.

    Requests that are being executed are finished first. In the files of --config-file,
    transport_url in [DEFAULT] names the message broker, [oslo_messaging_rabbit] holds its options,
    and [watcher_objects] all others.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        help_ = "serve metrics for Prometheus at this port of all addresses, over HTTP"
        parser.add_argument("--metrics-port", type=_port, metavar="PORT", help=help_)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Serve."""
        with _handling_signals():
            self._serve(parsed_args.metrics_port)

    def _serve(self, metrics_port: int | None) -> None:
        conf = connection.configuration(self.app, OPTIONS)
        options = conf.watcher_objects
        connection.use(self.app, must_be_named=True, pool_size=options.threads)
        versions.pin(options.release)
        bus = transport.create(None, conf)
        app: Any = self.app
        for handler in app.handlers:
            handler.setLevel(logging.INFO)
        if metrics_port is not None:
            _serve_metrics(metrics_port)
        _run(listener.Server(bus, options.topic, options.show_deleted), options)
        transport.close(bus)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"{text} is not a port number")
    return int(text)


def _serve_metrics(port: int) -> None:
    """Serve metrics in threads that end with the process.

    :raises UnsupportedError: a package is missing
    :raises Invalid: the port cannot be used
    """
    try:
        from watcher_objects.claims import metrics
    except ModuleNotFoundError as error:
        if error.name != "prometheus_client":
            raise
        reason = "--metrics-port needs prometheus_client: pip install 'watcher-objects[metrics]'"
        raise exception.UnsupportedError(reason) from None
    try:
        used = metrics.serve(port)
    except OSError as error:
        raise exception.Invalid(f"Cannot use port {port}: {error.strerror}") from error
    LOG.info("Metrics at port %d", used)


@contextlib.contextmanager
def _handling_signals() -> Iterator[None]:
    """Exit on SIGTERM and SIGINT, which the first process of a container ignores by default.

    SIGHUP is ignored, since there is nothing to reload.
    """
    handlers: dict[int, Any] = {
        signal.SIGTERM: _end,
        signal.SIGINT: _end,
        signal.SIGHUP: signal.SIG_IGN,
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(*ignored: Any) -> NoReturn:
    # Interrupts any wait: for the database, for the broker, or for this signal.
    raise SystemExit(0)


def _run(serving: listener.Server, options: Any) -> None:
    try:
        serving.start(options.threads)
        LOG.info("%s serves %s", serving.name, options.topic)
        # A daemon: an unavailable database must not delay the end of the program.
        health = threading.Thread(target=_report, args=(serving, options), daemon=True)
        health.start()
        while True:
            # Short, because a signal just before the call is handled only after it.
            time.sleep(1)
    except SystemExit:
        is_done = serving.stop()
        left = "" if is_done else "; some answers were not sent: the broker is unavailable"
        LOG.info("%s has stopped: %s%s", serving.name, serving.counts(), left)


def _report(serving: listener.Server, options: Any) -> None:
    while True:
        time.sleep(options.health_interval)
        LOG.info("%s", serving.heartbeat())
