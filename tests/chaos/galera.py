# SPDX-License-Identifier: Apache-2.0
"""A cluster of three MariaDB nodes on this machine, each of which takes writes."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from tests import servers
from tests.chaos.instances import Mariadb, free_port

PROVIDERS = ("/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera/libgalera_smm.so")
NODES = 3


def provider() -> str:
    """Return where Galera is, which must be there in CI."""
    for path in PROVIDERS:
        if Path(path).exists():
            return path
    return servers.missing("no galera-4 here, to start a cluster")


class Cluster:
    """Its nodes have the same data from the start, so that none has to fetch it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        folder.chmod(0o755)
        ports = [free_port() for _ in range(NODES)]
        self.members = ",".join(f"127.0.0.1:{port}" for port in ports)
        self.nodes = [Mariadb(folder / f"node-{number}") for number in range(NODES)]
        for node, port in zip(self.nodes, ports, strict=True):
            node.options = self._options(port)

    def start(self) -> None:
        """Start all nodes."""
        first, *others = self.nodes
        alone, first.options = first.options, (*first.options, "--wsrep-new-cluster")
        first.start()
        first.stop()
        for node in others:
            shutil.rmtree(node.folder / "data")
            first.run("cp", "-a", str(first.folder / "data"), str(node.folder / "data"))
        first.start()
        first.options = alone
        for node in others:
            node.start(wait=False)
        for node in others:
            node.await_answer()

    def kill(self) -> None:
        """End all nodes."""
        for node in self.nodes:
            node.kill()

    def _options(self, port: int) -> Sequence[str]:
        provided = {
            "gmcast.listen_addr": f"tcp://127.0.0.1:{port}",
            "ist.recv_addr": f"127.0.0.1:{free_port()}",
            "gcache.size": "16M",
        }
        return (
            "--wsrep-on=ON",
            f"--wsrep-provider={provider()}",
            "--wsrep-cluster-name=chaos",
            f"--wsrep-cluster-address=gcomm://{self.members}",
            f"--wsrep-node-address=127.0.0.1:{port}",
            f"--wsrep-provider-options={';'.join(f'{n}={v}' for n, v in provided.items())}",
            "--wsrep-sst-method=rsync",
            f"--wsrep-sst-receive-address=127.0.0.1:{free_port()}",
            "--binlog-format=ROW",
            "--innodb-autoinc-lock-mode=2",
            "--innodb-flush-log-at-trx-commit=2",
        )
