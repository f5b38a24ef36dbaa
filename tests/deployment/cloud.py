# SPDX-License-Identifier: Apache-2.0
"""Nova and Placement at one address, emulated by Watcher's functional tests: ``cloud.py PORT``."""

import sys
from pathlib import Path

from watcher.tests import local_fixtures
from watcher.tests.local_fixtures.nova_api_emulator import NovaAPIEmulator
from watcher.tests.local_fixtures.placement_api_emulator import PlacementAPIEmulator
from werkzeug.serving import run_simple

nova, placement = NovaAPIEmulator(), PlacementAPIEmulator()
for emulator in (nova, placement):
    emulator.load_model(Path(local_fixtures.__file__).with_name("sample_topology.json"))


def cloud(environ, start_response):
    """Pass a request on to the service that its path belongs to; both have one endpoint."""
    path = environ["PATH_INFO"].removeprefix("/v2.1")
    if path.startswith("/resource_providers"):
        return placement.app(environ | {"PATH_INFO": path}, start_response)
    return nova.app(environ, start_response)


run_simple("127.0.0.1", int(sys.argv[1]), cloud, threaded=True)
