# SPDX-License-Identifier: Apache-2.0
"""The launcher of Watcher's programs, in an environment without Watcher."""

import subprocess
import sys
import types
from importlib import metadata

import pytest

import watcher_on_objects
from watcher_objects import exception


def run(*words):
    command = [sys.executable, "-m", "watcher_on_objects", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603


def test_importing_it_imports_the_standard_library_only():
    script = """
import sys
before = set(sys.modules)
import watcher_on_objects
print(*{name.partition(".")[0] for name in set(sys.modules) - before})
"""
    shown = subprocess.run(  # noqa: S603
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    names = set(shown.stdout.split())
    assert names - sys.stdlib_module_names == {"watcher_on_objects"}


@pytest.mark.parametrize("words", [(), ("--unknown", "watcher-sync"), ("--force",)])
def test_a_wrong_command_line_shows_the_usage(words):
    done = run(*words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("usage: watcher-on-objects [--force] PROGRAM")


def test_the_help_is_printed_on_request():
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: watcher-on-objects [--force] PROGRAM")


@pytest.mark.parametrize("words", [("watcher-sync",), ("--check",), ("--force", "watcher-sync")])
def test_without_watcher_it_says_so(words):
    done = run(*words)
    assert (done.returncode, done.stdout) == (1, "")
    message = "python-watcher is not installed in this environment"
    assert done.stderr == f"watcher-on-objects: {message}\n"


@pytest.fixture
def release(monkeypatch):
    """A function that pretends that a release of Watcher is installed."""

    def install(version):
        monkeypatch.setattr(metadata, "version", lambda name: version)
        monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])

    return install


@pytest.mark.parametrize("version", ["15.0.0", "16.0.2", "17.1.0"])
def test_supported_releases(release, version):
    release(version)
    before = len(sys.meta_path)
    watcher_on_objects.install()
    assert len(sys.meta_path) == before + 1


@pytest.mark.parametrize("version", ["14.1.2", "18.0.0", "170.0.0"])
def test_other_releases_are_rejected_by_name_unless_forced(release, monkeypatch, version):
    release(version)
    with pytest.raises(RuntimeError, match=f"^python-watcher {version} is not supported"):
        watcher_on_objects.install()
    before = list(sys.meta_path)
    watcher_on_objects.install(force=True)
    assert len(sys.meta_path) == len(before) + 1
    watcher_on_objects.install(force=True)
    assert len(sys.meta_path) == len(before) + 1
    sys.meta_path[:] = before
    monkeypatch.setenv(watcher_on_objects.FORCE, "1")
    watcher_on_objects.install()
    assert len(sys.meta_path) == len(before) + 1


def test_it_comes_before_watchers_own_objects(release, monkeypatch):
    release("17.0.0")
    monkeypatch.setitem(sys.modules, "watcher.objects", types.ModuleType("watcher.objects"))
    with pytest.raises(RuntimeError, match="already imported its own objects"):
        watcher_on_objects.install()


def test_unknown_attributes_are_errors():
    with pytest.raises(AttributeError, match="no attribute 'applications'"):
        watcher_on_objects.applications  # noqa: B018


@pytest.fixture
def bases():
    """The bases of the errors, restored afterwards."""
    errors = [
        cls
        for cls in vars(exception).values()
        if isinstance(cls, type) and issubclass(cls, exception.WatcherException)
    ]
    kept = [cls.__bases__ for cls in errors]
    yield
    for cls, known in zip(reversed(errors), reversed(kept), strict=True):
        cls.__bases__ = known


def test_errors_are_caught_as_those_of_another_module(bases):
    other = types.ModuleType("other")

    class WatcherException(Exception):
        code = 418

        def __init__(self, **kwargs):
            raise AssertionError("a base is not initialised")

    class Invalid(WatcherException):
        pass

    class InvalidUUID(Invalid):
        pass

    vars(other).update(
        WatcherException=WatcherException, Invalid=Invalid, InvalidUUID=InvalidUUID, Conflict=1
    )
    exception.catch_as(other)
    exception.catch_as(other)
    for caught, raised in (
        (InvalidUUID, exception.InvalidUUID),
        (Invalid, exception.InvalidUUID),
        (Invalid, exception.InvalidName),
        (WatcherException, exception.DatabaseUnavailable),
    ):
        with pytest.raises(caught) as info:
            raise raised(uuid="x", name="x", reason="x")
        assert info.value.code == raised.code != WatcherException.code
    assert str(exception.InvalidUUID(uuid="x")) == "Expected a uuid, got x"
    assert exception.InvalidUUID.__mro__.count(Invalid) == 1
