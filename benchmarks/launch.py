"""Run a command, and print its exit status, seconds and peak memory (MB) as JSON.

python benchmarks/launch.py COMMAND...

A program of its own, because Linux counts the peak of the process that starts another one
as the other one's: this one is small. What the command prints goes to stderr.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time


def main() -> None:
    """Run `sys.argv[1:]`."""
    begun = time.perf_counter()
    process = subprocess.Popen(sys.argv[1:], stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    print(json.dumps([os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss / 1024]))


if __name__ == "__main__":
    main()
