# SPDX-License-Identifier: Apache-2.0
"""What holds in chaos, as judged without asking the library."""

import json
from pathlib import Path

import pytest

from tests.chaos import __main__
from tests.chaos.arena import Run
from tests.chaos.places import Need
from tests.chaos.scenarios import SCENARIOS, needing


@pytest.mark.parametrize("name", needing(Need.DATABASE))
def test_nothing_goes_wrong(target, name):
    report = SCENARIOS[name].run(Run([target], processes=4, audits=100))
    assert report.findings == []


@pytest.mark.parametrize("shared_url", ["postgresql", "mariadb"], indirect=True)
@pytest.mark.parametrize("name", needing(Need.NETWORK))
def test_nothing_goes_wrong_on_a_network_that_is_cut(target, name):
    report = SCENARIOS[name].run(Run([target], processes=4, audits=50, kills=30))
    assert report.findings == []
    assert report.figures["retries"] > 0


def test_the_command_tells_also_what_it_can_not_do(tmp_path, capsys):
    told = str(tmp_path / "told")
    asked = ["--database", "sqlite", "--processes", "2", "--audits", "10", "--json", told]
    assert __main__.main([*asked, "--scenario", "claims", "restart"]) == 0
    claims, restart = map(json.loads, Path(told).read_text().splitlines())
    assert (claims["claims won"], claims["findings"]) == (10, 0)
    assert "calls" not in restart
    assert "restart: not run, needs a server of our own" in capsys.readouterr().out
