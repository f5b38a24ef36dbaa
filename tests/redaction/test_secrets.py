# SPDX-License-Identifier: Apache-2.0
"""A secret in ``parameters``, in the URL's password or in the token is in no output."""

import contextlib
import json
import multiprocessing

from tests.redaction import scenario
from tests.servers import CANARY, account


def test_a_secret_is_in_no_output_whatever_goes_wrong(url, database, tmp_path):
    file = tmp_path / "output"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([scenario.__name__])
    user = (
        contextlib.nullcontext(url)
        if database == "sqlite"
        else account(url, "SELECT, INSERT, UPDATE, DELETE")
    )
    with user as limited:
        process = context.Process(target=scenario.main, args=(url, limited, file))
        process.start()
        process.join(120)
        process.kill()
    output = file.read_text()
    assert process.exitcode == 0, output[-2000:]
    failed, not_failed, unknown = json.loads(output.splitlines()[-1])
    leaks = [line[:200] for line in output.splitlines() if CANARY in line]
    assert (leaks, unknown, not_failed) == ([], [], [])
    assert failed > 170
