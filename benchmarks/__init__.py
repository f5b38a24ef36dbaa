# SPDX-License-Identifier: Apache-2.0
"""Measurements, to be run in a checkout."""
