# SPDX-License-Identifier: Apache-2.0
"""Watcher's API on Werkzeug's server: ``python api.py PORT [--on-objects] --config-file FILE``."""

import sys

from werkzeug.serving import run_simple

port = int(sys.argv.pop(1))
# The application reads the other arguments when it is imported.
if "--on-objects" in sys.argv:
    sys.argv.remove("--on-objects")
    from watcher_on_objects import application
else:
    from watcher.wsgi.api import application

run_simple("127.0.0.1", port, application, threaded=True)
