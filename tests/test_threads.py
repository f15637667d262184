"""Waiting OpenMP threads sleep: set before torch is imported, unless the user has chosen."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from artgen.threads import SETTINGS

CHILD = """
import json, os, sys
{first}
import artgen
print(json.dumps([{{name: os.environ.get(name) for name in {names}}}, "torch" in sys.modules]))
"""


def child(code: str, **variables: str) -> subprocess.CompletedProcess:
    """Run Python in a process that starts with these OpenMP settings only."""
    plain = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=plain | variables, check=True, capture_output=True, text=True)


def settings_of_child(first: str = "", **variables: str) -> tuple[dict[str, str | None], bool]:
    """Return the settings after `import artgen`, and whether torch is imported by then."""
    settings, torch_imported = json.loads(
        child(CHILD.format(first=first, names=list(SETTINGS)), **variables).stdout
    )
    return settings, torch_imported


def test_importing_artgen_sets_how_threads_wait_before_torch_is_imported():
    settings, torch_imported = settings_of_child()
    assert settings == SETTINGS
    assert not torch_imported


@pytest.mark.parametrize(
    ("name", "value"), [("OMP_WAIT_POLICY", "ACTIVE"), ("GOMP_SPINCOUNT", "7"), ("KMP_BLOCKTIME", "200")]
)
def test_the_users_own_setting_wins(name: str, value: str):
    settings, _ = settings_of_child(**{name: value})
    assert settings == dict.fromkeys(SETTINGS) | {name: value}


def test_nothing_is_set_when_torch_is_imported_already():
    stand_in = "import types; sys.modules['torch'] = types.ModuleType('torch')"
    settings, _ = settings_of_child(stand_in)
    assert settings == dict.fromkeys(SETTINGS)


def test_openmp_reads_the_setting():
    """OpenMP prints the values it uses when its library is loaded, which shows that ours came in time."""
    done = child(
        "import artgen; artgen.paint; import sys; assert 'torch' in sys.modules", OMP_DISPLAY_ENV="VERBOSE"
    )
    if "GOMP_SPINCOUNT" not in done.stderr:
        pytest.skip("this PyTorch does not use GNU OpenMP")
    assert f"GOMP_SPINCOUNT = '{SETTINGS['GOMP_SPINCOUNT']}'" in done.stderr


def test_the_command_line_has_the_setting(tmp_path):
    """The entry point imports `artgen.cli`, and with it `artgen`, before torch."""
    code = "import os; from artgen.cli import main; print(os.environ['OMP_WAIT_POLICY'])"
    assert child(code).stdout.strip() == SETTINGS["OMP_WAIT_POLICY"]
