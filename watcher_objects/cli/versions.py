# SPDX-License-Identifier: Apache-2.0
"""The command ``versions``."""

import argparse
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

import watcher_objects
from watcher_objects import versions
from watcher_objects.cli.columns import Table


def fingerprints() -> dict[str, str]:
    """Return the fingerprint of each object; its first part is the version."""
    file = resources.files(watcher_objects) / "fingerprints.json"
    found: dict[str, str] = json.loads(file.read_text())
    return found


class Versions(Table):
    """List the versions and fingerprints of the objects, and their versions in a release.

    Services with equal fingerprints of an object agree on its wire format.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        help_ = "the release to compare with; the pinned or newest one by default"
        parser.add_argument("--release", choices=list(versions.RELEASES), help=help_)
        return parser

    def columns(self, parsed_args: argparse.Namespace) -> Sequence[str]:
        """Return the columns."""
        return "object", "version", "fingerprint", f"sent at {_release(parsed_args)}"

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return a row for each object."""
        sent_as = versions.manifest(_release(parsed_args))
        rows = (
            (name, *fingerprint.split("-"), sent_as.get(name, "not sent"))
            for name, fingerprint in fingerprints().items()
        )
        return self.columns(parsed_args), rows


def _release(parsed_args: argparse.Namespace) -> str:
    return parsed_args.release or versions.pinned() or [*versions.RELEASES][-1]
