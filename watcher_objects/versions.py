# SPDX-License-Identifier: Apache-2.0
"""Releases, the versions of the objects in each, and the one that is sent at.

A release is named as OpenStack names Watcher's, or, before there were names, by its number.
"""

from collections.abc import Mapping, Sequence

from oslo_utils import versionutils

from watcher_objects import exception

#: Name of an object -> its version.
Manifest = Mapping[str, str]

#: What is new in each release, from the oldest on. The newest is this library's.
RELEASES: Mapping[str, Manifest] = {
    "0.32": {
        "Goal": "1.0",
        "Strategy": "1.1",
        "AuditTemplate": "1.1",
        "Audit": "1.1",
        "ActionPlan": "1.1",
        "Action": "1.1",
        "EfficacyIndicator": "1.0",
        "ScoringEngine": "1.0",
        "Service": "1.0",
    },
    "0.33": {"ActionPlan": "1.2"},
    "ocata": {"Audit": "1.2", "ActionPlan": "2.0", "Action": "2.0"},
    "pike": {"Audit": "1.3", "ActionDescription": "1.0"},
    "queens": {"Audit": "1.4", "ActionPlan": "2.1"},
    "rocky": {"Audit": "1.5", "ActionPlan": "2.2"},
    "stein": {"Audit": "1.6"},
    "train": {"Audit": "1.7"},
    "ussuri": {},
    "victoria": {},
    "wallaby": {},
    "xena": {},
    "yoga": {},
    "zed": {},
    "2023.1": {},
    "2023.2": {},
    "2024.1": {},
    "2024.2": {},
    "2025.1": {},
    "2025.2": {"Audit": "1.8", "ActionPlan": "2.3", "Action": "2.1"},
    "2026.1": {},
    "2026.2": {"AuditTemplate": "1.2"},
}

_pinned: str | None = None


def manifest(release: str) -> Manifest:
    """Return the versions of all objects that there were in a release.

    :raises InvalidParameter: there is no such release
    """
    names: Sequence[str] = list(RELEASES)
    if release not in names:
        allowed = f"one of {', '.join(names)}"
        raise exception.InvalidParameter(parameter="release", parameter_type=allowed)
    made: dict[str, str] = {}
    for name in names[: names.index(release) + 1]:
        made |= RELEASES[name]
    return made


def manifest_of(objname: str, version: str) -> Manifest:
    """Return the versions that went with a version of one object: those of its last release.

    Of a version that is in no release they are those of the release before.
    """
    wanted = versionutils.convert_version_to_tuple(version)
    fitting = next(iter(RELEASES))
    for release in RELEASES:
        there = manifest(release).get(objname)
        if there is not None and versionutils.convert_version_to_tuple(there) <= wanted:
            fitting = release
    return {**manifest(fitting), objname: version}


def pin(release: str | None) -> None:
    """Let the serializer send objects as they were in a release; None: as they are.

    :raises InvalidParameter: there is no such release
    """
    global _pinned  # noqa: PLW0603 - what is sent is one for the whole process
    if release is not None:
        manifest(release)
    _pinned = release


def pinned() -> str | None:
    """Return the release that objects are sent at; None: they are sent as they are."""
    return _pinned


def sent_at(*known: Manifest) -> Manifest:
    """Return the versions to send objects at: the oldest of those known, and of the pin's.

    :param known: what we know, and what others do who may know less
    """
    if _pinned is not None:
        pinned = manifest(_pinned)
        known = ({name: known[0][name] for name in known[0].keys() & pinned}, *known[1:], pinned)
    oldest = {}
    for name in known[0]:
        told = (versions[name] for versions in known if name in versions)
        oldest[name] = min(told, key=versionutils.convert_version_to_tuple)
    return oldest


def of(objname: str, versions: Manifest) -> str:
    """Return the version of an object in a manifest.

    :raises UnsupportedError: there is no such object
    """
    if objname not in versions:
        where = f"the release {_pinned}" if _pinned else "what the other side knows"
        raise exception.UnsupportedError(f"There is no {objname} in {where}")
    return versions[objname]
