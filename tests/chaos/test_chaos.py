# SPDX-License-Identifier: Apache-2.0
"""What holds in chaos, as checked without the library; planted faults are found."""

import json
from pathlib import Path

import pytest

from tests import servers
from tests.chaos import __main__
from tests.chaos.faults import FAULTS
from tests.chaos.harness import Run
from tests.chaos.instances import Need
from tests.chaos.scenarios import SCENARIOS, needing
from tests.chaos.tiers import LONG

#: Each fault on one database by turns; in the long tier on all.
PLANTED = [
    (kind, name)
    for number, name in enumerate(n for n, fault in FAULTS.items() if fault.scenario != "workers")
    for kind in (servers.KINDS if LONG else [servers.KINDS[number % len(servers.KINDS)]])
]


@pytest.mark.parametrize("name", sorted({*needing(Need.DATABASE)} - {"workers"}))
def test_nothing_goes_wrong(target, name):
    report = SCENARIOS[name].run(Run([target], processes=4, audits=100, kills=25))
    assert report.findings == []


@pytest.mark.parametrize("shared_url", ["postgresql", "mariadb"], indirect=True)
@pytest.mark.parametrize("name", needing(Need.NETWORK))
def test_nothing_goes_wrong_on_a_network_that_is_cut(target, name):
    report = SCENARIOS[name].run(Run([target], processes=4, audits=50, kills=30))
    assert report.findings == []
    assert report.figures["retries"] > 0


@pytest.mark.parametrize(("shared_url", "name"), sorted(PLANTED), indirect=["shared_url"])
def test_a_planted_fault_is_found(target, name):
    run = Run([target], processes=3, audits=15, calls=100, kills=5, fault=name)
    scenario = SCENARIOS[FAULTS[name].scenario]
    # It shows when processes meet, which on a busy machine they may not at once.
    assert any(FAULTS[name].found in scenario.run(run).kinds() for _ in range(5))


def test_the_command_reports_also_what_it_can_not_do(tmp_path, capsys):
    file = str(tmp_path / "reports")
    options = ["--database", "sqlite", "--processes", "2", "--audits", "10", "--json", file]
    assert __main__.main([*options, "--scenario", "claims", "restart"]) == 0
    claims, restart = map(json.loads, Path(file).read_text().splitlines())
    assert (claims["claims won"], claims["findings"]) == (10, 0)
    assert "calls" not in restart
    assert "restart: not run, needs a server of our own" in capsys.readouterr().out
