# SPDX-License-Identifier: Apache-2.0
"""Nova and Placement as Watcher's functional tests emulate them: ``python cloud.py PORT PORT``."""

import sys
from pathlib import Path
from threading import Thread

from watcher.tests import local_fixtures
from watcher.tests.local_fixtures.nova_api_emulator import NovaAPIEmulator
from watcher.tests.local_fixtures.placement_api_emulator import PlacementAPIEmulator
from werkzeug.serving import run_simple

for emulator, port in zip((NovaAPIEmulator(), PlacementAPIEmulator()), sys.argv[1:], strict=True):
    emulator.load_model(Path(local_fixtures.__file__).with_name("sample_topology.json"))
    served = ("127.0.0.1", int(port), emulator.app)
    Thread(target=run_simple, args=served, kwargs={"threaded": True}).start()
