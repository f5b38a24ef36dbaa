# SPDX-License-Identifier: Apache-2.0
"""Measurements, each a module to be run in a checkout."""
