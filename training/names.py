"""From file names of icons to the words that people use."""

from __future__ import annotations

import json
import re
from pathlib import Path

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "gray")

LEAVE_OUT = re.compile(
    r"skin-tone|^flag|-flag|flags|keycap|clock\d|o-clock|oclock|-thirty|button|-sign$|sign-|^sign|arrow|"
    r"^input|letter|digit|ideograph|regional|zodiac|-low$|-bald|-hair|tag-|family|couple-with|kiss-(wo)?man|"
    r"people-holding|men-holding|women-holding|medium|small-square|symbol-for|^\d|heavy-|variation|square-button"
)
# Groups of Emojibase: 0 smileys, 1 people, 3 animals and nature, 4 food, 5 travel, 6 activities, 7 objects,
# 8 symbols. The weight is relative: how often scenes show a name of the group.
GROUP_WEIGHT = {0: 0.35, 1: 0.15, 3: 2.0, 4: 1.6, 5: 1.4, 6: 1.0, 7: 1.1, 8: 0.25}
EVERYDAY = {  # the everyday word for a name that is longer or rarer
    "automobile": "car",
    "oncoming automobile": "car",
    "sport utility vehicle": "car",
    "racing car": "car",
    "honeybee": "bee",
    "evergreen tree": "tree",
    "deciduous tree": "tree",
    "palm tree": "tree",
    "christmas tree": "tree",
    "cherry blossom": "flower",
    "blossom": "flower",
    "tulip": "flower",
    "rose": "flower",
    "sunflower": "flower",
    "hibiscus": "flower",
    "sailboat": "boat",
    "speedboat": "boat",
    "motor boat": "boat",
    "tropical fish": "fish",
    "locomotive": "train",
    "spouting whale": "whale",
    "t rex": "dinosaur",
    "sauropod": "dinosaur",
    "hot beverage": "cup of coffee",
    "birthday cake": "cake",
    "shortcake": "cake",
    "umbrella with rain drops": "umbrella",
    "open book": "book",
    "light bulb": "lamp",
    "crescent moon": "moon",
    "full moon": "moon",
    "front facing baby chick": "chick",
    "baby chick": "chick",
    "lady beetle": "ladybird",
    "snow capped mountain": "mountain",
    "tangerine": "orange fruit",
    "snowman without snow": "snowman",
    "house with garden": "house",
    "wrapped gift": "present",
    "running shoe": "shoe",
    "mans shoe": "shoe",
    "t shirt": "shirt",
    "womans hat": "hat",
    "top hat": "hat",
    "glowing star": "star",
    "water wave": "wave",
    "two hump camel": "camel",
    "bactrian camel": "camel",
    "sun with face": "sun",
    "full moon face": "moon",
    "sailboat on water": "boat",
    "maple leaf": "leaf",
    "fallen leaf": "leaf",
    "beer mug": "beer",
    "wine glass": "glass of wine",
    "slice of pizza": "pizza",
    "potted plant": "plant",
    "old key": "key",
    "candle": "candle",
    "european castle": "castle",
    "japanese castle": "castle",
    "bunny": "rabbit",
}
STANDARD_FORM = {word: name for name, word in reversed(EVERYDAY.items())}
THINGS = (3, 4, 5, 6, 7)  # the groups without faces, people and symbols
GLYPHS = {  # sets in one colour or in lines: the endings of the variants that are used
    "emojione-monotone": "",
    "game-icons": "",
    "icon-park": "",
    "mdi": "",
    "mingcute": "-fill",
    "ph": "-(?:fill|duotone)",
    "tabler": "-filled",
}
ONE_COLOUR = frozenset(GLYPHS) - {"icon-park"} | {"fluent-emoji-high-contrast"}
FXEMOJI = {  # names in that set that differ from the standard ones by more than spaces
    "bunnyside": "rabbit",
    "dragonside": "dragon",
    "cellphone": "mobile phone",
    "doveofpeace": "dove",
    "fatherchristmas": "santa claus",
    "fireengine": "fire engine",
    "gamedie": "game die",
    "greenapple": "green apple",
}


def clean(icon: str, style: str) -> str:
    """Return the words of an icon's file name.

    >>> clean("red-apple-1", "streamline-emojis")
    'red apple'
    """
    name = re.sub(r"-\d$", "", icon) if style == "streamline-emojis" else icon
    return name.replace("-", " ").replace("'", "").strip()


def plain(text: str) -> str:
    """Return text in lower case, with only letters, digits and spaces.

    >>> plain("Man's shoe")
    'mans shoe'
    """
    text = text.lower().replace("\u2019", "").replace("'", "").replace("ñ", "n").replace("é", "e")
    return re.sub(r"[^a-z0-9]+", " ", text).strip()


def standard_names(emojibase: Path) -> dict[str, dict]:
    """Return the group and subgroup of each standard name, without flags, components and signs."""
    entries = json.loads(emojibase.read_text())
    kept = {}
    for entry in entries:
        group, subgroup = entry.get("group", 2), entry.get("subgroup", 0)
        sign = group == 8 and subgroup not in (14, 96, 86, 61)
        if group in (2, 9) or sign or subgroup == 30:
            continue
        kept[plain(entry["label"])] = {"group": group, "subgroup": subgroup}
    return kept


def resolve(icon: str, style: str, standard: dict[str, dict], squashed: dict[str, str]) -> str | None:
    """Return the standard name of an icon; None if it is left out.

    Args:
        icon: its file name.
        style: its set.
        standard: all standard names.
        squashed: the standard names by their letters without spaces.
    """
    if LEAVE_OUT.search(icon):
        return None
    if style == "fxemoji":
        known = FXEMOJI.get(icon)
        return known if known in standard else squashed.get(icon.replace("-", ""))
    if style in GLYPHS:
        return _glyph(icon, style, standard)
    name = plain(clean(icon, style))
    return name if name in standard else squashed.get(name.replace(" ", ""))


def _glyph(icon: str, style: str, standard: dict[str, dict]) -> str | None:
    """Return the standard name of an icon in a set of glyphs, which are named by everyday words."""
    if not re.search(GLYPHS[style] + "$", icon):
        return None
    name = plain(re.sub(GLYPHS[style] + "$", "", icon))
    formal = (name, STANDARD_FORM.get(name, ""), name + " face")
    return next((form for form in formal if standard.get(form, {}).get("group") in THINGS), None)


def without_colour(name: str) -> str:
    """Return a name without a leading colour, unless it is a colour.

    >>> without_colour("red apple"), without_colour("orange")
    ('apple', 'orange')
    """
    first, _, rest = name.partition(" ")
    return rest if first in COLOURS and rest else name


def spoken(name: str, group: int) -> list[tuple[str, float]]:
    """Return the words for a name with their probabilities: itself and everyday words."""
    words = {name: 1.0}
    if name in EVERYDAY:
        words[EVERYDAY[name]] = 1.0
    if without_colour(name) != name:
        words[without_colour(name)] = 1.0
    if group == 3 and name.endswith(" face"):
        words[name.removesuffix(" face")] = 0.7
    total = sum(words.values())
    return [(word, weight / total) for word, weight in words.items()]
