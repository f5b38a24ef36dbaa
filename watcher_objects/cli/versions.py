# SPDX-License-Identifier: Apache-2.0
"""The command ``versions``."""

import argparse
import json
from importlib import resources
from typing import Any

from cliff.lister import Lister

import watcher_objects
from watcher_objects import versions


def fingerprints() -> dict[str, str]:
    """Return the fingerprint of each object, whose first part is its version."""
    file = resources.files(watcher_objects) / "fingerprints.json"
    told: dict[str, str] = json.loads(file.read_text())
    return told


class Versions(Lister):
    """List the versions of the objects, their fingerprints, and how a release has them.

    Services agree on an object where their fingerprints of it do.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        told = "the release that objects are sent at; the newest by default"
        parser.add_argument("--release", choices=list(versions.RELEASES), help=told)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return a row for each object."""
        release = parsed_args.release or versions.pinned() or [*versions.RELEASES][-1]
        sent_as = versions.manifest(release)
        rows = (
            (name, *fingerprint.split("-"), sent_as.get(name, "not sent"))
            for name, fingerprint in fingerprints().items()
        )
        return ("object", "version", "fingerprint", f"sent at {release}"), rows
