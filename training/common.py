"""What every step of the recipe shares: folders, atomic files, logging and seeds."""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file


@dataclass(frozen=True)
class Work:
    """The folder of one training: data, shards, checkpoints and logs live below it."""

    root: Path

    def folder(self, name: str) -> Path:
        """Return the sub-folder `name`, made if it is missing."""
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def icons(self) -> Path:
        """All rasterised drawings, one tensor."""
        return self.folder("data") / "icons.safetensors"

    @property
    def catalogue(self) -> Path:
        """Name, style and group of every row of `icons`."""
        return self.folder("data") / "catalogue.json"


def parser(doc: str) -> argparse.ArgumentParser:
    """Return a command line with the arguments all steps have."""
    arguments = argparse.ArgumentParser(description=(doc or "").strip().splitlines()[0])
    arguments.add_argument("--work", type=Path, required=True, help="folder for data, checkpoints, logs")
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--smoke", action="store_true", help="tiny sizes: seconds instead of hours")
    return arguments


def save_tensors(tensors: dict[str, torch.Tensor], path: Path, metadata: dict | None = None) -> None:
    """Write a safetensors file beside its name, then move it into place."""
    partial = path.with_name(path.name + ".partial")
    text = {"format": "pt"} | ({"json": json.dumps(metadata)} if metadata is not None else {})
    save_file({key: value.contiguous() for key, value in tensors.items()}, partial, metadata=text)
    partial.chmod(0o644)
    partial.replace(path)


def metadata(path: Path) -> dict:
    """Return what `save_tensors` stored beside the tensors."""
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["json"])


def save_json(value: object, path: Path) -> None:
    """Write JSON beside its name, then move it into place."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
    partial.replace(path)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def generator(*key: int | str) -> torch.Generator:
    """Return a generator seeded by a key, the same on every machine.

    >>> generator("scene", 3).initial_seed() == generator("scene", 3).initial_seed()
    True
    """
    digest = hashlib.sha256(repr(key).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


@contextmanager
def seeded(generator: torch.Generator) -> Iterator[None]:
    """Let torch's own random numbers follow from `generator` for a while, as building a model needs."""
    state = torch.get_rng_state()
    torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))
    try:
        yield
    finally:
        torch.set_rng_state(state)


def autocast(device: str = "cpu") -> torch.autocast:
    """Return a context that computes in bfloat16 where the processor has it, else in float32.

    A CPU without AVX512-BF16 emulates it, ten times slower than float32. A training therefore repeats
    its bits on processors of one kind only.
    """
    native = device != "cpu" or torch.cpu.get_capabilities().get("avx512_bf16", False)
    return torch.autocast(device, torch.bfloat16, enabled=bool(native))


def log(message: str) -> None:
    """Print a line with the time of day; recipes are watched through their log."""
    print(f"{time.strftime('%H:%M:%S')} {message}", flush=True)
