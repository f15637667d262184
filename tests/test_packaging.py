from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_every_package_is_installed():
    import artgen_assets

    import artgen

    roots = {"artgen": Path(artgen.__file__).parent, "artgen_assets": Path(artgen_assets.__file__).parent}
    checkouts = {"artgen": ROOT / "artgen", "artgen_assets": ROOT / "assets"}
    for name, checkout in checkouts.items():
        for file in checkout.rglob("__init__.py"):
            assert (roots[name] / file.relative_to(checkout)).is_file(), file
    assert (roots["artgen"] / "py.typed").is_file()


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
