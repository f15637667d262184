"""The audit of dependencies tells `none is known` and `nobody was asked` apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

AUDIT = Path(__file__).parent.parent / ".ci" / "audit"

ASKED = {"name": "numpy", "version": "2.0", "vulns": []}
VULNERABLE = {"name": "pillow", "version": "1.0", "vulns": [{"id": "CVE-1"}]}
UNKNOWN = {"name": "torch", "skip_reason": "Dependency not found on PyPI and could not be audited"}
OURS = {"name": "artgen", "skip_reason": "Dependency not found on PyPI and could not be audited"}


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ([ASKED, OURS], 0, "1 packages looked up, 0 with known"),
        ([ASKED, VULNERABLE, UNKNOWN], 1, "pillow 1.0: CVE-1"),
        ([ASKED, UNKNOWN], 2, "could not be asked about 1 packages: torch"),
        ([OURS], 2, "could not be asked"),
        ([], 2, "could not be asked"),
        (None, 2, "nothing is known: no route"),
    ],
)
def test_audit(answer: list | None, status: int, said: str, tmp_path: Path):
    lines = ["import sys"]
    if answer is None:
        lines.append("sys.exit('no route')")
    else:
        lines.append(f"print({json.dumps({'dependencies': answer})!r})")
    (tmp_path / "pip_audit.py").write_text("\n".join(lines))

    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, AUDIT], env=environment, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, said in ended.stdout) == (status, True), ended
