"""Shared by all steps of the recipe: folders, atomic files, logging and seeds."""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor


@dataclass(frozen=True)
class Work:
    """The folder of one training, which contains its data, shards, checkpoints and figures."""

    root: Path

    def folder(self, name: str) -> Path:
        """Return the sub-folder `name`; create it if it is missing."""
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def icons(self) -> Path:
        """File of all rasterised drawings, one tensor."""
        return self.folder("data") / "icons.safetensors"

    @property
    def catalogue(self) -> Path:
        """File of the name, style and group of each row of `icons`."""
        return self.folder("data") / "catalogue.json"


def parser(doc: str) -> argparse.ArgumentParser:
    """Return a command line with the arguments that all steps have."""
    arguments = argparse.ArgumentParser(description=(doc or "").strip().splitlines()[0])
    arguments.add_argument("--work", type=Path, required=True, help="folder for data, checkpoints, logs")
    arguments.add_argument("--threads", type=int, default=2, help="CPU threads (default 2)")
    arguments.add_argument("--smoke", action="store_true", help="tiny sizes: seconds instead of hours")
    return arguments


def save_tensors(tensors: dict[str, Tensor], path: Path, metadata: dict | None = None) -> None:
    """Write a safetensors file atomically, with `metadata` as JSON."""
    partial = path.with_name(path.name + ".partial")
    text = {"format": "pt"} | ({"json": json.dumps(metadata)} if metadata is not None else {})
    save_file({key: value.contiguous() for key, value in tensors.items()}, partial, metadata=text)
    partial.chmod(0o644)
    partial.replace(path)


def metadata(path: Path) -> dict:
    """Return the metadata that `save_tensors` wrote."""
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["json"])


def save_json(value: object, path: Path) -> None:
    """Write a JSON file atomically."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
    partial.replace(path)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def generator(*key: int | str) -> torch.Generator:
    """Return a generator seeded by a key. The same key gives the same numbers on every machine.

    >>> generator("scene", 3).initial_seed() == generator("scene", 3).initial_seed()
    True
    """
    digest = hashlib.sha256(repr(key).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


@contextmanager
def seeded(generator: torch.Generator) -> Iterator[None]:
    """Seed torch's global generator from `generator` inside the block, where a model is built."""
    state = torch.get_rng_state()
    torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))
    try:
        yield
    finally:
        torch.set_rng_state(state)


def autocast(device: str = "cpu") -> torch.autocast:
    """Return a context that computes in bfloat16 if the processor supports it, else in float32.

    A CPU without AVX512-BF16 emulates bfloat16, ten times slower than float32. A training therefore
    gives the same bits only on processors that agree in this.
    """
    native = device != "cpu" or torch.cpu.get_capabilities().get("avx512_bf16", False)
    return torch.autocast(device, torch.bfloat16, enabled=bool(native))


def joined(parts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return tables of tensors joined along the first dimension."""
    result = {}
    for key in sorted(parts[0]):
        result[key] = torch.cat([part[key] for part in parts])
    return result


def log(message: str) -> None:
    """Print a line with the time of day."""
    print(f"{time.strftime('%H:%M:%S')} {message}", flush=True)
