# SPDX-License-Identifier: Apache-2.0
"""Run OpenStack Watcher on these objects: a launcher for its programs, and its WSGI application.

::

    watcher-on-objects watcher-decision-engine --config-file /etc/watcher/watcher.conf

Watcher applies eventlet's patches and chooses the backend of oslo.service before it imports
anything else. This module therefore imports the standard library only; ``watcher_objects`` is
imported in the place of ``watcher.objects``, when Watcher imports that.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

#: The releases of Watcher with which this is tested.
RELEASES = ("15", "16", "17")

#: Set to 1, it allows other releases.
FORCE = "WATCHER_ON_OBJECTS_FORCE"

#: The package that is replaced.
REPLACED = "watcher.objects"

#: The modules of Watcher that are changed once they are imported, each by the function of that
#: name in :mod:`watcher_objects.adapter.patches`.
PATCHED = {
    "watcher.applier.action_plan.default": "claim_plans",
    "watcher.db.migration": "migrate",
    "watcher.decision_engine.audit.base": "claim_audits",
}

_USAGE = f"""usage: watcher-on-objects [--force] PROGRAM [ARGUMENT ...]
       watcher-on-objects --check [ARGUMENT ...]

Run a program of OpenStack Watcher, such as watcher-decision-engine, on the objects of
watcher_objects. The arguments are the program's own.

  --check  verify the installation and the database that the arguments configure, such as
           --config-file FILE; exit with 0 if Watcher can be started, else with 1
  --force  run a release of Watcher that is not supported; {FORCE}=1 does the same
"""


def install(force: bool = False) -> None:
    """Put these objects in the place of ``watcher.objects`` in this process.

    To be called before anything of Watcher is imported. Calling it again has no effect.

    :param force: allow releases of Watcher other than :data:`RELEASES`
    :raises RuntimeError: Watcher is not installed, is another release, or has imported its own
        objects
    """
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    release = watcher_release()
    if release.partition(".")[0] not in RELEASES and not (force or os.environ.get(FORCE) == "1"):
        known = ", ".join(RELEASES)
        raise RuntimeError(
            f"python-watcher {release} is not supported, only {known}; --force runs it regardless"
        )
    if REPLACED in sys.modules:
        raise RuntimeError("Watcher has already imported its own objects: install these first")
    sys.meta_path.insert(0, _Finder())


def watcher_release() -> str:
    """Return the installed release of Watcher.

    :raises RuntimeError: there is none
    """
    try:
        return importlib.metadata.version("python-watcher")
    except importlib.metadata.PackageNotFoundError:
        raise RuntimeError("python-watcher is not installed in this environment") from None


class _Finder(MetaPathFinder, Loader):
    """Finds the package that is replaced, and the modules that are patched."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == REPLACED or name.startswith(f"{REPLACED}."):
            return importlib.util.spec_from_loader(name, self, is_package=name == REPLACED)
        if name in PATCHED:
            return self._patched(name, path, target)
        return None

    def _patched(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        """Return what the other finders find, with a loader that patches the module, too."""
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                spec.loader = _PatchingLoader(spec.loader)
                return spec
        return None

    def exec_module(self, module: ModuleType) -> None:
        importlib.import_module("watcher_objects.adapter").fill(module)


class _PatchingLoader(Loader):
    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        patches = importlib.import_module("watcher_objects.adapter.patches")
        getattr(patches, PATCHED[module.__name__])(module)


def __getattr__(name: str) -> Any:
    """Return Watcher's WSGI ``application``, which runs on these objects."""
    if name != "application":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    install()
    return importlib.import_module("watcher.wsgi.api").application


def main() -> Any:
    """Run the program that the command line names."""
    options, rest = [], sys.argv[1:]
    while rest and rest[0].startswith("-"):
        options.append(rest.pop(0))
        if options[-1] == "--check":
            break
    if options in (["--help"], ["-h"]):
        print(_USAGE)
        return 0
    if not {*options} <= {"--check", "--force"} or not (rest or "--check" in options):
        sys.exit(f"{_USAGE}\nName a program.")
    try:
        install(force="--force" in options)
    except RuntimeError as error:
        sys.exit(f"watcher-on-objects: {error}")
    if "--check" in options:
        return importlib.import_module("watcher_objects.adapter.check").main(rest)
    scripts = importlib.metadata.distribution("python-watcher").entry_points
    found = {script.name: script for script in scripts.select(group="console_scripts")}
    program, sys.argv = os.path.basename(rest[0]), rest
    if program not in found:
        names = ", ".join(sorted(found))
        sys.exit(f"watcher-on-objects: Watcher has no program {program!r}: it has {names}")
    return found[program].load()()


if __name__ == "__main__":
    sys.exit(main())
