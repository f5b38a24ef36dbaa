# SPDX-License-Identifier: Apache-2.0
"""Watcher's API on Werkzeug's server: ``python api.py PORT [--on-objects] --config-file FILE``."""

import sys

port = int(sys.argv.pop(1))
if "--on-objects" in sys.argv:
    sys.argv.remove("--on-objects")
    import watcher_on_objects

    watcher_on_objects.install()

from watcher.wsgi.api import application  # noqa: E402 - it reads the arguments
from werkzeug.serving import run_simple  # noqa: E402

run_simple("127.0.0.1", port, application, threaded=True)
