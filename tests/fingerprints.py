# SPDX-License-Identifier: Apache-2.0
"""The fingerprints of the objects, and the command that writes them and the stubs down."""

import json
from pathlib import Path

from oslo_versionedobjects import fixture

from tests import stubs
from watcher_objects import Worker

FILE = Path(__file__).parents[1] / "watcher_objects/fingerprints.json"


def found():
    """The fingerprints of the classes as they are."""
    classes = {cls.obj_name(): [cls] for cls in (*stubs.CLASSES, Worker)}
    checker = fixture.ObjectVersionChecker(classes)
    return dict(sorted(checker.get_hashes().items()))


def known():
    """The fingerprints that were written down."""
    return json.loads(FILE.read_text())


def refused(old, new):
    """Names of the objects whose fingerprints changed though their versions did not."""
    same = (name for name in old.keys() & new.keys() if old[name] != new[name])
    return sorted(name for name in same if old[name].split("-")[0] == new[name].split("-")[0])


def main():
    """Write the fingerprints and the stubs down, unless one changed without a new version."""
    if names := refused(known(), found()):
        raise SystemExit(f"give these a new VERSION, and say what it changed: {', '.join(names)}")
    FILE.write_text(json.dumps(found(), indent=1) + "\n")
    stubs.write()


if __name__ == "__main__":
    main()
