# SPDX-License-Identifier: Apache-2.0
"""The command line: ``pip install 'watcher-objects[cli]'``."""
