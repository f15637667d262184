"""Package discovery: `assets` is installed as `artgen_assets`, and `apps` as `artgen_apps`."""

from pathlib import Path

from setuptools import find_packages, setup

ROOTS = {"artgen": "artgen", "artgen_assets": "assets", "artgen_apps": "apps"}
"""Folder of each installed package."""

installed = {name: folder for name, folder in ROOTS.items() if Path(folder, "__init__.py").is_file()}

packages = []
for name, folder in installed.items():
    packages += [name, *(f"{name}.{below}" for below in find_packages(folder))]

setup(packages=packages, package_dir=installed)
