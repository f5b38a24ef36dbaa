# SPDX-License-Identifier: Apache-2.0
"""Announce audits to the engines once more: ``python announce.py UUID ... --config-file FILE``."""

import sys

from watcher.common import context, service
from watcher.decision_engine import rpcapi

at = sys.argv.index("--config-file")
uuids = sys.argv[1:at]
service.prepare_service(["announce", *sys.argv[at:]])
engines = rpcapi.DecisionEngineAPI()
for uuid in uuids:
    engines.trigger_audit(context.make_context(is_admin=True), uuid)
