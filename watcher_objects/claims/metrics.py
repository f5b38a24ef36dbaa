# SPDX-License-Identifier: Apache-2.0
"""The numbers of :func:`watcher_objects.claims.statistics` as Prometheus gauges.

It needs the package prometheus_client: ``pip install 'watcher-objects[metrics]'``. A program that
serves its own metrics registers the collector::

    prometheus_client.REGISTRY.register(Collector())
"""

import contextvars
import logging
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.registry import Collector as Base

from watcher_objects import exception
from watcher_objects.claims.counts import Statistics, statistics

LOG = logging.getLogger(__name__)

#: Field of ``Work`` -> the name of its gauge after ``watcher_objects_``, and its description.
GAUGES = {
    "waiting": ("waiting", "Objects that no worker has claimed yet."),
    "oldest": ("oldest_waiting_seconds", "Age of the oldest of these; 0 if there are none."),
    "running": ("running", "Objects that a live worker has claimed."),
    "due": ("due", "Continuous objects whose next run is due."),
    "abandoned": ("abandoned", "Objects that are ready to be taken over."),
}


class Collector(Base):
    """Reads the numbers when a page is requested.

    If the database cannot be read, the only gauge is ``watcher_objects_up``, which is 0. The
    database is the one that is current where the collector is created.
    """

    def __init__(self) -> None:
        self._variables = contextvars.copy_context()

    def describe(self) -> Iterator[Gauge]:
        """Return nothing: a registry that asks for this does not read the database."""
        return iter(())

    def collect(self) -> Iterator[Gauge]:
        """Yield the gauges."""
        up = "Whether the database could be read."
        try:
            # A context runs one function at a time; requests may overlap.
            found = self._variables.copy().run(statistics)
        except exception.WatcherException as error:
            LOG.warning("There are no metrics: %s", error)
            yield Gauge("watcher_objects_up", up, value=0)
        else:
            yield Gauge("watcher_objects_up", up, value=1)
            yield from _gauges(found)


def _gauges(found: Statistics) -> Iterator[Gauge]:
    for field, (name, description) in GAUGES.items():
        gauge = Gauge(f"watcher_objects_{name}", description, labels=["object"])
        for cls, counts in found.work.items():
            gauge.add_metric([cls], getattr(counts, field) or 0)
        yield gauge
    workers = Gauge("watcher_objects_workers", "Workers.", labels=["status"])
    for status, number in found.workers._asdict().items():
        workers.add_metric([status], number)
    yield workers


def serve(port: int) -> int:
    """Serve the gauges over HTTP, in threads that end with the process, and return the port.

    :param port: a port of all addresses; 0 for any that is free
    :raises OSError: the port cannot be used
    """
    registry = CollectorRegistry()
    registry.register(Collector())
    server, _ = start_http_server(port, registry=registry)
    used: int = server.server_port
    return used
