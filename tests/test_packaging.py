from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="not a checkout")
def test_every_package_is_installed():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    roots = {"artgen": ROOT / "artgen", "artgen_assets": ROOT / "assets"}
    found = {
        ".".join([name, *path.parent.relative_to(root).parts])
        for name, root in roots.items()
        for path in root.rglob("__init__.py")
    }
    assert found == set(listed)


def test_help_needs_no_torch():
    code = (
        "import sys; from typer.testing import CliRunner; from artgen.cli import app; "
        "result = CliRunner().invoke(app, ['--help']); "
        "assert result.exit_code == 0, result.output; "
        "assert '--renderer' in result.output, result.output; "
        "sys.exit('torch' in sys.modules or 'open_clip' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-P", "-c", code], check=False).returncode == 0


def test_public_names_are_there():
    import artgen

    for name in artgen.__all__:
        assert getattr(artgen, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        artgen.nothing  # noqa: B018
