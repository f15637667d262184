"""The configuration in the metadata of pictures: text entries of PNG, XMP of WebP."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from xml.sax.saxutils import escape

from PIL import Image as Pillow

from artgen.errors import InputError
from artgen.files import MissingFileError, open_file
from artgen.plain_json import read_json

METADATA_KEY = "artgen"
"""Key of the PNG text entry that contains the configuration as JSON."""
LONGEST_METADATA = 1 << 20
"""Longest configuration in a picture, in characters."""
NAMESPACE = "urn:artgen:1.0:"
"""The XML namespace of the configuration in XMP."""
_PACKET = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:artgen="{namespace}">'
    "<artgen:configuration>{text}</artgen:configuration></rdf:Description></rdf:RDF></x:xmpmeta>"
)


def xmp_packet(configuration: str) -> bytes:
    r"""Return an XMP packet (ISO 16684-1) that contains a configuration.

    Its JSON is ASCII, because XML cannot express some of the characters that a prompt may
    contain.

    Args:
        configuration: JSON.

    Example:
        >>> b'{"prompts": "caf\\u00e9"}' in xmp_packet('{"prompts": "café"}')
        True
    """
    text = escape(json.dumps(json.loads(configuration)))
    return _PACKET.format(namespace=NAMESPACE, text=text).encode("ascii")


def read_configuration(path: Path) -> str:
    """Return the configuration in a PNG or WebP picture as JSON.

    Raises:
        InputError: no such file, another format, or no configuration in it.
    """
    text = read_entry(path, METADATA_KEY, "give a picture artgen made")
    if text is None or len(text) > LONGEST_METADATA:
        raise InputError(
            f"{path}: contains no artgen configuration; give a picture artgen made, or use --config"
        )
    try:
        read_json(text)
    except ValueError:
        raise InputError(
            f"{path}: its artgen configuration is damaged; use --config with the run's config.yaml"
        ) from None
    return text


def read_entry(path: Path, key: str, cure: str) -> str | None:
    """Return a text entry of a picture, None without one; no pixels are decoded.

    Args:
        path: a PNG, or a WebP if the key is that of the configuration.
        key: of the PNG's text entry.
        cure: advice if the file is not such a picture, for the message.

    Raises:
        InputError: no such file, or not a readable picture.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open_file(path, cure=cure) as file, Pillow.open(file, formats=["PNG", "WEBP"]) as picture:
                if picture.format == "WEBP":
                    return _configuration_of(picture.info.get("xmp")) if key == METADATA_KEY else None
                text = picture.info.get(key)  # written before the pixels
    except MissingFileError:
        raise InputError(f"{path}: no such picture; {cure}") from None
    except InputError:
        raise
    except Exception as error:  # Pillow raises nearly anything on broken files
        raise InputError(f"{path}: not a readable PNG or WebP ({type(error).__name__}); {cure}") from None
    return str(text) if isinstance(text, str) else None


def _configuration_of(packet: object) -> str | None:
    """Return the configuration in an XMP packet, None if there is none.

    Raises:
        Exception: what defusedxml raises on broken or hostile XML.
    """
    from defusedxml.ElementTree import fromstring

    if not isinstance(packet, bytes) or len(packet) > 8 * LONGEST_METADATA:
        return None
    element = fromstring(packet).find(f".//{{{NAMESPACE}}}configuration")
    return None if element is None else element.text
