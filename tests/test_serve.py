# SPDX-License-Identifier: Apache-2.0
"""The command that serves, as an operator runs it."""

import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import pytest
import sqlalchemy as sa
from oslo_context.context import RequestContext

from tests import messaging
from tests.chaos import proxy
from watcher_objects import ActionDescription, Audit, Goal, Transition, claims, db, exception, rpc
from watcher_objects.cli.app import main

CONFIGURATION = """
[DEFAULT]
transport_url = {broker}
[database]
connection = sqlite:///{file}
[watcher_objects]
topic = {topic}
health_interval = 1
"""


@pytest.fixture
def configuration(tmp_path, new_file):
    """A file like Watcher's own, and a database as it says."""
    file = tmp_path / "served.sqlite"
    db.configure(new_file(file))
    found = {"broker": messaging.broker(), "file": file, "topic": messaging.TOPIC}
    (tmp_path / "watcher.conf").write_text(CONFIGURATION.format(**found))
    yield tmp_path / "watcher.conf"
    db.dispose()


def run(*words):
    """Start the command; its log goes to a pipe."""
    return subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-W", "ignore", "-m", "watcher_objects.cli.app", "serve", *words],
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def serving(configuration, request):
    """The command at work, maybe with more options, and this process its client."""
    process = run("--config-file", str(configuration), *getattr(request, "param", ()))
    process.begun = []
    for line in process.stderr:
        process.begun.append(line)
        if "serves" in line:
            break
    rpc.enable(messaging.RABBITMQ, topic=messaging.TOPIC, timeout=20)
    yield process
    rpc.disable()
    process.kill()
    process.communicate()


def goal(name):
    context = RequestContext()
    made = Goal(context, name=name, display_name=name, efficacy_specification=[])
    made.create()
    return made


def test_it_serves_and_says_how_it_goes_and_hanging_up_does_not_end_it(serving):
    assert goal("served").id == 1
    # On a busy machine a second passes before the first request.
    later = (line for line in serving.stderr if ": 0 requests" not in line)
    line = next(line for line in later if "requests" in line)
    assert "1 requests, 0 rejected, the database answers" in line
    serving.send_signal(signal.SIGHUP)
    assert goal("later").name == "later"


@pytest.mark.parametrize("serving", [(), ("--no-journal",)], indirect=True)
def test_the_journal_can_be_disabled(serving):
    audit = Audit(RequestContext(), name="moved", audit_type="ONESHOT", goal_id=goal("served").id)
    audit.create()
    is_recorded = Transition.latest(RequestContext(), audit) is not None
    assert is_recorded == ("--no-journal" not in serving.args)


def test_a_server_that_is_stopped_finishes_its_request(serving):
    made = []
    with db.transaction():  # which keeps the server waiting for SQLite's lock
        client = threading.Thread(target=lambda: made.append(goal("in hand")))
        client.start()
        time.sleep(1)
        serving.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert serving.poll() is None
    client.join()
    assert serving.wait(20) == 0
    assert [one.name for one in made] == ["in hand"]
    assert "has stopped: " in serving.stderr.read()


@pytest.mark.parametrize("database", ["sqlite:///{file}", "postgresql://u@127.0.0.1:{port}/x"])
def test_it_ends_at_once_where_it_waits_for_what_never_was(configuration, tmp_path, database):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = {"port": silent.getsockname()[1], "file": tmp_path / "served.sqlite"}
        broker = f"rabbit://guest:guest@127.0.0.1:{place['port']}/"
        text = f"[DEFAULT]\ntransport_url = {broker}\n[database]\nconnection = {database}\n"
        configuration.write_text(text.format(**place))
        with run("--config-file", str(configuration)) as process, silent.accept()[0]:
            process.terminate()
            assert process.wait(20) == 0


def test_it_ends_where_the_broker_has_gone(configuration):
    between = proxy.Proxy(sa.make_url(messaging.broker()).set(drivername="mysql"))
    broker = between.address.replace("mysql:", "rabbit:")
    text = configuration.read_text().replace(messaging.RABBITMQ, broker)
    configuration.write_text(text)
    with run("--config-file", str(configuration)) as process:
        next(line for line in process.stderr if "serves" in line)
        between.close()
        next(line for line in process.stderr if "unreachable" in line)
        process.terminate()
        assert process.wait(20) == 0


def test_what_can_not_be_served_is_reported_in_a_line(tmp_path, configuration, capsys):
    bad, used = tmp_path / "bad.conf", tmp_path / "used.conf"
    bad.write_text("[watcher_objects]\nrelease = nonsense\n")
    options = "[oslo_messaging_rabbit]\nuse_queue_manager = true\n"
    used.write_text(configuration.read_text() + options)
    for path, expected in (
        ("/dev/null", "No database"),
        (bad, "release"),
        (tmp_path / "none.conf", "none.conf"),
        (used, "use_queue_manager"),
    ):
        assert main(["serve", "--config-file", str(path)]) == 1
        log = capsys.readouterr().err
        assert expected in log.strip().splitlines()[-1]
        assert "Traceback" not in log


def test_the_versions_that_are_sent_are_those_of_the_release_that_is_set(configuration):
    configuration.write_text(configuration.read_text() + "release = ocata\n")
    process = run("--config-file", str(configuration))
    next(line for line in process.stderr if "serves" in line)
    rpc.enable(messaging.RABBITMQ, topic=messaging.TOPIC, timeout=20)
    try:
        assert goal("old").VERSION == "1.0"
        with pytest.raises(exception.UnsupportedError, match="ActionDescription"):
            ActionDescription(RequestContext(), action_type="a", description="b").create()
    finally:
        rpc.disable()
        process.terminate()
        process.communicate(timeout=20)


@pytest.mark.parametrize("serving", [("--metrics-port", "0")], indirect=True)
def test_metrics_are_served_at_a_port(serving):
    port = next(line for line in serving.begun if "Metrics at port" in line).split()[-1]
    Audit(RequestContext(), name="one", audit_type="ONESHOT", goal_id=goal("some").id).create()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        page = answer.read().decode().splitlines()
    assert 'watcher_objects_waiting{object="Audit"} 1.0' in page
    assert 'watcher_objects_workers{status="alive"} 0.0' in page


def test_a_metrics_port_that_cannot_be_used(configuration, capsys):
    words = ["serve", "--config-file", str(configuration), "--metrics-port"]
    with socket.create_server(("0.0.0.0", 0)) as taken:  # noqa: S104 - only taken
        port = taken.getsockname()[1]
        assert main([*words, str(port)]) == 1
    assert f"Cannot use port {port}: Address already in use" in capsys.readouterr().err
    for wrong in ("65536", "x"):
        with pytest.raises(SystemExit):
            main([*words, wrong])
        assert f"{wrong} is not a port number" in capsys.readouterr().err


def test_metrics_without_their_package(configuration, capsys, monkeypatch):
    # Other tests may have imported it.
    monkeypatch.delitem(sys.modules, "watcher_objects.claims.metrics", raising=False)
    monkeypatch.delattr(claims, "metrics", raising=False)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    assert main(["serve", "--config-file", str(configuration), "--metrics-port", "0"]) == 1
    assert "pip install 'watcher-objects[metrics]'" in capsys.readouterr().err
