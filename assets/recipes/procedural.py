"""Patch sets that are drawn by rule: cut paper, shards of plates, geometric shapes, waves, letters.

They are our own and in the public domain (CC0-1.0); each patch comes from its own seed.
Letters are outlines of fonts that come with matplotlib and may be used freely.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

OWN = {"author": "the artgen authors", "licence": "CC0-1.0", "source": "assets/recipes/procedural.py"}
Made = Iterator[tuple[str, dict[str, str], np.ndarray]]
OVER = 4
"""Drawn this many times larger and shrunk, for smooth edges."""

GLAZES = {
    "white": ((240, 238, 230), (200, 200, 195)),
    "delft": ((232, 238, 245), (40, 80, 160)),
    "terracotta": ((198, 104, 66), (120, 50, 30)),
    "celadon": ((160, 200, 175), (70, 120, 100)),
    "yellow": ((240, 200, 90), (180, 110, 20)),
    "black": ((50, 48, 52), (160, 40, 30)),
    "red": ((190, 50, 50), (240, 220, 180)),
    "turquoise": ((60, 170, 180), (10, 80, 110)),
    "green": ((90, 140, 60), (220, 210, 120)),
    "violet": ((130, 90, 160), (230, 200, 240)),
}


def shards(side: int) -> Made:
    """Yield broken pieces of glazed plates: convex polygons with rings and dots of a second glaze."""
    for index in range(60):
        random = np.random.default_rng([1, index])
        glaze = list(GLAZES)[index % len(GLAZES)]
        large = side * OVER
        outline = _polygon(random, large, int(random.integers(3, 7)), 0.25)
        mask = _mask(large, outline)
        pixels = _plate(random, large, *GLAZES[glaze])
        yield (
            f"shard-{index:02d}",
            {"name": f"{glaze} shard {index}", **OWN},
            _finish(pixels, mask, side, 0.35),
        )


def _polygon(
    random: np.random.Generator, side: int, corners: int, jitter: float
) -> list[tuple[float, float]]:
    angles = np.sort((np.arange(corners) + random.uniform(-jitter, jitter, corners)) / corners) * 2 * np.pi
    angles += random.uniform(0, 2 * np.pi)
    radii = random.uniform(0.55, 1.0, corners) * side / 2
    stretch = random.uniform(0.45, 1.0)
    return [
        (side / 2 + r * np.cos(a), side / 2 + r * np.sin(a) * stretch)
        for r, a in zip(radii, angles, strict=True)
    ]


def paper(side: int) -> Made:
    """Yield scraps of white paper, cut straight or round: they take any colour, and white vanishes on white."""
    white = np.full((side * OVER, side * OVER, 3), 255.0)
    for index in range(48):
        random = np.random.default_rng([3, index])
        kind = list(CUTS)[index % len(CUTS)]
        mask = _mask(side * OVER, CUTS[kind](random, side * OVER))
        yield f"{kind}-{index:02d}", {"name": f"paper {kind} {index}", **OWN}, _finish(white, mask, side)


def _strip(random: np.random.Generator, side: int) -> list[tuple[float, float]]:
    """Return a long four-cornered outline, its ends cut askew."""
    thick, skew = random.uniform(0.08, 0.2), random.uniform(-0.1, 0.1, 4)
    corners = [(0.12, 0.5 - thick), (0.88, 0.5 - thick), (0.88, 0.5 + thick), (0.12, 0.5 + thick)]
    return [(side * (x + move), side * y) for (x, y), move in zip(corners, skew, strict=True)]


def _round(random: np.random.Generator, side: int) -> list[tuple[float, float]]:
    """Return an outline that scissors cut in one turn: a circle with two low waves in its radius."""
    turn = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    radius = 0.36 + sum(
        random.uniform(0, 0.07) * np.cos(waves * turn + random.uniform(0, 6)) for waves in (2, 3)
    )
    stretch = random.uniform(0.5, 1.0)
    x, y = side * (0.5 + radius * np.cos(turn)), side * (0.5 + stretch * radius * np.sin(turn))
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _sickle(random: np.random.Generator, side: int) -> list[tuple[float, float]]:
    """Return an outline between two arcs, bent to one side."""
    along = np.linspace(0, 1, 100)
    bend, thick = random.uniform(0.1, 0.3), random.uniform(0.12, 0.25)
    arc = np.sin(np.pi * along)
    upper, lower = 0.7 - (bend + thick) * arc, 0.7 - bend * arc
    x, y = np.concatenate([along, along[::-1]]), np.concatenate([upper, lower[::-1]])
    return list(zip((side * x).tolist(), (side * y).tolist(), strict=True))


def _scrap(random: np.random.Generator, side: int) -> list[tuple[float, float]]:
    """Return an outline of three to six straight cuts."""
    return _polygon(random, side, int(random.integers(3, 7)), 0.3)


CUTS: dict[str, Callable[[np.random.Generator, int], list[tuple[float, float]]]] = {
    "scrap": _scrap,
    "round": _round,
    "strip": _strip,
    "sickle": _sickle,
}


def _mask(side: int, outline: list[tuple[float, float]]) -> Image.Image:
    mask = Image.new("L", (side, side), 0)
    ImageDraw.Draw(mask).polygon(outline, fill=255)
    return mask


def _plate(
    random: np.random.Generator, side: int, base: tuple[int, ...], second: tuple[int, ...]
) -> np.ndarray:
    """Return [s, s, 3]: a part of a plate around a centre that may lie outside."""
    y, x = np.mgrid[0 : 1 : side * 1j, 0 : 1 : side * 1j]
    centre = random.uniform(-0.6, 1.6, 2)
    distance = np.hypot(x - centre[0], y - centre[1])
    ring = np.zeros_like(distance)
    for radius in np.sort(random.uniform(0.2, 1.6, int(random.integers(1, 4)))):
        ring = np.maximum(ring, np.abs(distance - radius) < random.uniform(0.01, 0.06))
    if random.random() < 0.5:
        angle = np.arctan2(y - centre[1], x - centre[0])
        petals = np.sin(angle * random.integers(12, 40)) * np.sin(distance * random.uniform(12, 30))
        ring = np.maximum(ring, petals > random.uniform(0.4, 0.8))
    shade = 0.92 + 0.16 * (x * random.uniform(-1, 1) + y * random.uniform(-1, 1))
    colour = np.array(base) * (1 - ring[..., None]) + np.array(second) * ring[..., None]
    return (colour * shade[..., None]).clip(0, 255)


def _finish(pixels: np.ndarray, mask: Image.Image, side: int, edge: float = 0.0) -> np.ndarray:
    """Darken the edge, shrink and crop; returns [h, w, 4]."""
    if edge:
        soft = np.array(mask.filter(ImageFilter.GaussianBlur(side * OVER / 60)), np.float32)[..., None] / 255
        pixels = pixels * (1 - edge * (1 - soft) * 2).clip(0, 1)
    image = Image.fromarray(pixels.round().astype(np.uint8)).convert("RGBA")
    image.putalpha(mask)
    image = image.crop(mask.getbbox())
    scale = side / max(image.size)
    size = [max(8, round(length * scale)) for length in image.size]
    return np.array(image.convert("RGBa").resize(size, Image.Resampling.BOX).convert("RGBA"))


COLOURS = (
    (228, 60, 50),
    (245, 150, 40),
    (250, 210, 60),
    (80, 170, 80),
    (50, 130, 200),
    (120, 80, 170),
    (240, 240, 235),
    (40, 40, 45),
)


def shapes(side: int) -> Made:
    """Yield geometric shapes, each in white and in a few colours."""
    for index, (name, draw) in enumerate(SHAPES.items()):
        for colour in (COLOURS[6], COLOURS[index % 6], COLOURS[(index + 3) % 6]):
            large = side * OVER
            mask = Image.new("L", (large, large), 0)
            draw(ImageDraw.Draw(mask), large)
            pixels = np.broadcast_to(np.array(colour, np.float32), (large, large, 3))
            code = "{:02x}{:02x}{:02x}".format(*colour)
            yield f"{name}-{code}", {"name": f"{name} {code}", **OWN}, _finish(pixels, mask, side)


def _regular(
    corners: int, inner: float = 1.0, turn: float = -0.5
) -> Callable[[ImageDraw.ImageDraw, int], None]:
    def draw(canvas: ImageDraw.ImageDraw, side: int) -> None:
        count = corners * 2 if inner < 1 else corners
        angles = np.arange(count) / count * 2 * np.pi + turn * np.pi
        radii = np.where(np.arange(count) % 2, inner, 1.0) * (side / 2 - 1)
        points = [
            (side / 2 + r * np.cos(a), side / 2 + r * np.sin(a)) for r, a in zip(radii, angles, strict=True)
        ]
        canvas.polygon(points, fill=255)

    return draw


def _ring(canvas: ImageDraw.ImageDraw, side: int) -> None:
    canvas.ellipse((0, 0, side - 1, side - 1), fill=255)
    canvas.ellipse((side * 0.25, side * 0.25, side * 0.75, side * 0.75), fill=0)


def _cross(canvas: ImageDraw.ImageDraw, side: int) -> None:
    canvas.rectangle((side * 0.35, 0, side * 0.65, side), fill=255)
    canvas.rectangle((0, side * 0.35, side, side * 0.65), fill=255)


def _heart(canvas: ImageDraw.ImageDraw, side: int) -> None:
    t = np.linspace(0, 2 * np.pi, 200)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    x, y = side / 2 + x * side / 34, side * 0.46 + y * side / 34
    canvas.polygon(list(zip(x, y, strict=True)), fill=255)


def _drop(canvas: ImageDraw.ImageDraw, side: int) -> None:
    t = np.linspace(0, 2 * np.pi, 200)
    x, y = np.sin(t) * np.sin(t / 2) ** 1.5, -np.cos(t)
    x, y = side / 2 + x * side * 0.42, side / 2 - y * side * 0.49
    canvas.polygon(list(zip(x, y, strict=True)), fill=255)


SHAPES: dict[str, Callable[[ImageDraw.ImageDraw, int], None]] = {
    "circle": lambda canvas, side: canvas.ellipse((0, 0, side - 1, side - 1), fill=255),
    "ellipse": lambda canvas, side: canvas.ellipse((0, side * 0.25, side - 1, side * 0.75), fill=255),
    "square": lambda canvas, side: canvas.rectangle((0, 0, side, side), fill=255),
    "bar": lambda canvas, side: canvas.rectangle((0, side * 0.38, side, side * 0.62), fill=255),
    "pill": lambda canvas, side: canvas.rounded_rectangle(
        (0, side * 0.3, side, side * 0.7), side * 0.2, fill=255
    ),
    "triangle": _regular(3),
    "right triangle": lambda canvas, side: canvas.polygon([(0, 0), (0, side), (side, side)], fill=255),
    "diamond": _regular(4),
    "pentagon": _regular(5),
    "hexagon": _regular(6),
    "octagon": _regular(8),
    "star": _regular(5, 0.42),
    "burst": _regular(12, 0.65),
    "half": lambda canvas, side: canvas.pieslice((0, 0, side - 1, side - 1), 180, 360, fill=255),
    "quarter": lambda canvas, side: canvas.pieslice((-side, 0, side - 1, side * 2), 270, 360, fill=255),
    "ring": _ring,
    "arc": lambda canvas, side: canvas.arc((0, 0, side - 1, side - 1), 180, 360, fill=255, width=side // 5),
    "cross": _cross,
    "heart": _heart,
    "drop": _drop,
}


def waves(side: int) -> Made:
    """Yield curling strips of water: a sine band that is thick in its middle, with a light crest."""
    for index in range(40):
        random = np.random.default_rng([2, index])
        large = side * OVER
        y, x = np.mgrid[0 : 1 : large * 1j, 0 : 1 : large * 1j]
        turns, phase = random.uniform(0.6, 2.2), random.uniform(0, 6)
        middle = 0.5 + random.uniform(0.08, 0.22) * np.sin(2 * np.pi * turns * x + phase)
        thick = random.uniform(0.08, 0.2) * np.sqrt(np.clip(np.sin(np.pi * x), 0, 1)) + 1e-4
        across = (y - middle) / thick
        mask = Image.fromarray(((np.abs(across) < 1) * 255).astype(np.uint8))
        hue = np.array([[20, 70, 130], [30, 120, 170], [40, 160, 170], [90, 190, 220]][index % 4])
        stripes = 0.5 + 0.5 * np.sin(across * random.uniform(3, 9) + random.uniform(0, 6))
        light = (stripes * 0.35 + (across < -0.72) * 0.5)[..., None]
        pixels = hue * (1 - light) + np.array([245, 250, 255]) * light
        yield f"wave-{index:02d}", {"name": f"wave {index}", **OWN}, _finish(pixels, mask, side)


def letters(side: int) -> Made:
    """Yield capitals and digits of three fonts in strong colours."""
    import matplotlib

    fonts = {"sans": "DejaVuSans-Bold", "serif": "DejaVuSerif-Bold", "mono": "DejaVuSansMono-Bold"}
    folder = f"{matplotlib.get_data_path()}/fonts/ttf"
    own = {**OWN, "author": "Bitstream Inc and the DejaVu authors (outlines)", "licence": "Bitstream-Vera"}
    for number, text in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"):
        style = list(fonts)[number % 3]
        font = ImageFont.truetype(f"{folder}/{fonts[style]}.ttf", side * 3)
        mask = Image.new("L", (side * 5, side * 5), 0)
        ImageDraw.Draw(mask).text((side, side // 2), text, fill=255, font=font)
        for colour in (COLOURS[6], COLOURS[number % 6]):
            pixels = np.broadcast_to(np.array(colour, np.float32), (*mask.size, 3))
            code = "{:02x}{:02x}{:02x}".format(*colour)
            yield (
                f"{text}-{code}",
                {"name": f"letter {text} {style} {code}", **own},
                _finish(pixels, mask, side),
            )


SETS: dict[str, tuple[str, Callable[[int], Made]]] = {
    "paper": ("Cut paper", paper),
    "shards": ("Broken plates", shards),
    "shapes": ("Geometric shapes", shapes),
    "waves": ("Waves", waves),
    "letters": ("Letters and digits", letters),
}
