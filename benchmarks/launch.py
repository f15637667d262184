"""Run a command, and print its exit status, seconds, peak memory (MB) and CPU seconds as JSON.

python benchmarks/launch.py COMMAND...

This is a separate, small program, because Linux counts the peak memory of the starting process as
the new one's. Whatever the command prints goes to stderr.
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
    processor = usage.ru_utime + usage.ru_stime
    print(json.dumps([os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss / 1024, processor]))


if __name__ == "__main__":
    main()
