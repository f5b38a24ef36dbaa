# SPDX-License-Identifier: Apache-2.0
"""The connection to the database: the engine, its pool, its sessions and its errors."""
