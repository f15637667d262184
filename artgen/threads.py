"""Let waiting CPU threads sleep, so that artgen and other programs share a machine.

PyTorch computes with OpenMP, whose threads wait for each other many times per step. By default a
waiting thread keeps its core busy for a while ("spins"), because waking a sleeping thread takes some
microseconds. That is fastest on an idle machine. When another program needs the core, every wait
holds it up, and two paintings at once can take several times as long as one after the other.

OpenMP reads these settings once, when PyTorch is loaded, so they must be set before that.
"""

from __future__ import annotations

import os
import sys

SPINS = 1_000
"""Checks before a waiting thread of GNU OpenMP sleeps: a few microseconds. Its own default is 300,000."""
SETTINGS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": str(SPINS), "KMP_BLOCKTIME": "0"}
"""By environment variable: any OpenMP, GNU OpenMP (in PyTorch's wheels for Linux), Intel's and LLVM's."""


def let_waiting_threads_sleep() -> None:
    """Set `SETTINGS` in the environment, which child processes inherit.

    Does nothing if any of these variables is set already, because the user has chosen then, or if
    PyTorch is imported, because it is too late.
    """
    if "torch" in sys.modules or any(name in os.environ for name in SETTINGS):
        return

    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
