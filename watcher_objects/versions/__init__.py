# SPDX-License-Identifier: Apache-2.0
"""Releases, the versions of the objects in each, and the pinned release.

A release is named as OpenStack names Watcher's, or, before there were names, by its number. The
histories of the classes say which release brought a version.
"""

import functools
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from oslo_utils import versionutils
from oslo_versionedobjects import base as ovo

from watcher_objects import exception

#: Name of an object -> its version.
Manifest = Mapping[str, str]

#: The names of the releases, from the oldest on. The newest is this library's.
NAMES = (
    "0.32",
    "0.33",
    "ocata",
    "pike",
    "queens",
    "rocky",
    "stein",
    "train",
    "ussuri",
    "victoria",
    "wallaby",
    "xena",
    "yoga",
    "zed",
    "2023.1",
    "2023.2",
    "2024.1",
    "2024.2",
    "2025.1",
    "2025.2",
    "2026.1",
    "2026.2",
)


class _Releases(Mapping[str, Manifest]):
    """The versions that are new in each release, from the histories of the registered classes."""

    def __getitem__(self, release: str) -> Manifest:
        return _introduced()[release]

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)


#: What is new in each release, from the oldest on.
RELEASES: Mapping[str, Manifest] = _Releases()

_pinned: str | None = None


@functools.cache
def _introduced() -> Mapping[str, Manifest]:
    """Return the versions that are new in each release."""
    found: dict[str, dict[str, str]] = {name: {} for name in NAMES}
    for name, (newest, *_) in ovo.VersionedObjectRegistry.obj_classes().items():
        for version, changes in getattr(newest, "history", {}).items():
            if release := getattr(changes, "release", None):
                found[release][name] = version
    return found


@functools.cache
def _manifests() -> Mapping[str, Manifest]:
    """Return the versions of all objects in each release."""
    found: dict[str, Manifest] = {}
    known: dict[str, str] = {}
    for release, introduced in _introduced().items():
        known |= introduced
        found[release] = MappingProxyType(dict(known))
    return found


def clear_caches() -> None:
    """Discard the caches; called when a class is registered."""
    for function in (_introduced, _manifests, manifest_of):
        function.cache_clear()


def manifest(release: str) -> Manifest:
    """Return the versions of all objects in a release.

    :raises InvalidParameter: there is no such release
    """
    if release not in NAMES:
        allowed = f"one of {', '.join(NAMES)}"
        raise exception.InvalidParameter(parameter="release", parameter_type=allowed)
    return _manifests()[release]


@functools.lru_cache(maxsize=256)
def manifest_of(objname: str, version: str) -> Manifest:
    """Return the manifest for a version of one object: that of the last release with it.

    For a version that is in no release, it is that of the release before.
    """
    wanted = versionutils.convert_version_to_tuple(version)
    fitting = NAMES[0]
    for release, known in _manifests().items():
        there = known.get(objname)
        if there is not None and versionutils.convert_version_to_tuple(there) <= wanted:
            fitting = release
    return MappingProxyType({**manifest(fitting), objname: version})


def pin(release: str | None) -> None:
    """Set the release in whose versions objects are sent; None for the newest versions.

    :raises InvalidParameter: there is no such release
    """
    global _pinned  # noqa: PLW0603 - what is sent is one for the whole process
    if release is not None:
        manifest(release)
    _pinned = release


def pinned() -> str | None:
    """Return the release in whose versions objects are sent; None for the newest versions."""
    return _pinned


def negotiate(*known: Manifest) -> Manifest:
    """Return the versions to send: the oldest of those in the manifests and in the pinned release.

    :param known: the manifests of this process and of its peers
    """
    if _pinned is not None:
        pinned = manifest(_pinned)
        known = ({name: known[0][name] for name in known[0].keys() & pinned}, *known[1:], pinned)
    oldest = {}
    for name in known[0]:
        known_versions = (versions[name] for versions in known if name in versions)
        oldest[name] = min(known_versions, key=versionutils.convert_version_to_tuple)
    return oldest


def of(objname: str, versions: Manifest) -> str:
    """Return the version of an object in a manifest.

    :raises UnsupportedError: there is no such object
    """
    if objname not in versions:
        where = f"the release {_pinned}" if _pinned else "what the other side knows"
        raise exception.UnsupportedError(f"There is no {objname} in {where}")
    return versions[objname]
