"""Downloading pretrained weights, with a quick and clear error when there is no network."""

from __future__ import annotations

import concurrent.futures
from pathlib import Path

from artgen.errors import InputError, UsageError, did_you_mean

PATIENCE_SECONDS = 10.0
"""Seconds within which the server must confirm that the weights exist."""


def ensure_downloaded(model: str, tag: str) -> Path:
    """Return the weights file of an open_clip model, downloaded once.

    Raises:
        UsageError: the model has no such tag.
        InputError: the weights are not in the cache and the network does not answer.
    """
    import open_clip
    from open_clip.pretrained import download_pretrained

    tags = open_clip.list_pretrained_tags_by_model(model)
    entry = open_clip.get_pretrained_cfg(model, tag)
    if not entry:
        raise UsageError(
            f"{model!r} has no weights {tag!r}{did_you_mean(tag, tags)} (known: {', '.join(tags)})"
        )

    if not _is_reachable(entry):
        raise InputError(
            f"{model}:{tag}: not downloaded yet, and the server does not answer; connect to the network, "
            f"give a file ({model}=FILE.safetensors), or use the bundled guide (--guide doodle)"
        )

    try:
        return Path(download_pretrained(entry))
    except Exception as error:  # whatever the network, the hub or the disk raise
        reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        raise InputError(
            f"{model}:{tag}: the download failed ({reason}); try again, or give a file"
        ) from error


def _is_reachable(entry: dict[str, str]) -> bool:
    """Return whether the weights are in the cache, or their server answers in time."""
    if _is_cached(entry):
        return True
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=1)
    try:
        return pool.submit(_answers, entry).result(PATIENCE_SECONDS)
    except Exception:  # a timeout, no route, an unknown host: all mean the same to the user
        return False
    finally:
        pool.shutdown(wait=False)


def _is_cached(entry: dict[str, str]) -> bool:
    """Return whether the weights are in the cache of open_clip or of the Hugging Face hub."""
    from huggingface_hub import try_to_load_from_cache

    hub = entry.get("hf_hub", "")
    if not hub:
        return (Path("~/.cache/clip").expanduser() / Path(entry["url"]).name).is_file()

    repository, _, file = hub.rpartition("/")
    stem = file.rpartition(".")[0] or "open_clip_pytorch_model"
    candidates = (f"{stem}.safetensors", file or "open_clip_pytorch_model.bin", "open_clip_model.safetensors")
    return any(isinstance(try_to_load_from_cache(repository, name), str) for name in candidates)


def _answers(entry: dict[str, str]) -> bool:
    """Return whether the server that has the weights responds without an error of its own."""
    import httpx
    from huggingface_hub import constants

    hub = entry.get("hf_hub", "")
    address = f"{constants.ENDPOINT}/api/models/{hub.rpartition('/')[0]}" if hub else entry["url"]
    return httpx.head(address, timeout=PATIENCE_SECONDS, follow_redirects=True).status_code < 500
