# SPDX-License-Identifier: Apache-2.0
"""Watcher's own tests as items of pytest: those that ``watcher.toml`` names."""

import tomllib
import unittest

import pytest
import testscenarios
from gabbi import suite as gabbi_suite

PACKAGE = "watcher.tests"


class Catalogue(pytest.File):
    """The file that lists the modules to run, and each test that can't pass, with its reason."""

    def collect(self):
        """Yield every test of every module."""
        known = tomllib.loads(self.path.read_text())
        listed = {
            name: difference["reason"]
            for difference in known["difference"]
            for name in difference["tests"]
        }
        for test in sorted(tests_of(known["modules"]), key=name_of):
            item = WatcherTest.from_parent(self, name=name_of(test), test=test)
            if reason := listed.pop(name_of(test), None):
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
            yield item
        assert not listed, f"Watcher has no such tests: {', '.join(listed)}"


class WatcherTest(pytest.Item):
    """One test of Watcher's, or one file of its steps through the API."""

    def __init__(self, *, test, **kwargs):
        super().__init__(**kwargs)
        self.test = test

    def runtest(self):
        """Run it as unittest would; whatever goes wrong is this item's failure."""
        result = unittest.TestResult()
        self.test.run(result)
        if not result.wasSuccessful():
            pytest.fail("\n".join(text for _, text in told_by(result)), pytrace=False)
        if result.skipped:
            pytest.skip(result.skipped[0][1])

    def reportinfo(self):
        """Return where it is, for pytest's report."""
        return self.path, None, self.name


def told_by(result):
    """Return what failed."""
    return [*result.failures, *result.errors, *((t, "passed") for t in result.unexpectedSuccesses)]


def tests_of(modules):
    """Yield the tests of the modules, new ones each time: they can run but once."""
    loader = unittest.TestLoader()
    for module in modules:
        yield from leaves(loader.loadTestsFromName(f"{PACKAGE}.{module}"))
    assert not loader.errors, loader.errors


def leaves(suite):
    """Yield tests that stand alone: a scenario of a test is one, a file of steps is one."""
    for test in suite:
        if isinstance(test, gabbi_suite.GabbiSuite):
            yield test
        elif isinstance(test, unittest.TestSuite):
            yield from leaves(test)
        else:
            yield from testscenarios.generate_scenarios(test)


def name_of(test):
    """Return a test's dotted name, a scenario's in parentheses behind it."""
    if isinstance(test, gabbi_suite.GabbiSuite):
        first = next(iter(test))
        name = f"{type(first).__module__}.{first.test_base_name}"
    else:
        name = test.id()
    return name.removeprefix(f"{PACKAGE}.")
