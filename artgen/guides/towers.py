"""The image tower of the bundled guide, registered with timm: a picture's meaning and its look.

The meaning comes from a small ResNet of dense 3x3 convolutions, which CPUs compute fastest in bfloat16 and
channels_last. The look is the picture projected on the principal axes of drawings, so that its gradient points
straight to the average drawing of the words.

Importing this module makes `timm.create_model("doodle_tower")` work, which open_clip calls.
"""

from __future__ import annotations

import copy

import torch
from timm.layers import AttentionPool2d
from timm.models import register_model
from timm.models._features import feature_take_indices
from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (64, 160, 320)
DEPTHS = (2, 2, 2)
STRIDES = (1, 2, 2)
SCENE = 155
"""Length of the block for what is shown: things, colours, number and background."""
SHADES, ROUGH = 4, 14
"""Lengths of the codes of a colour and of a rough name: just enough to distinguish the things in one picture."""
BOUND = (SHADES + 2) * ROUGH
"""Length of the block for which thing has which colour, and which is further right or below."""
MEANING = SCENE + BOUND
GLANCE = 32
"""Side of the small picture that the look is computed from, in pixels."""


class Block(nn.Module):
    """Two 3x3 convolutions with a shortcut (He et al. 2016, figure 2)."""

    def __init__(self, channels_in: int, channels: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        same = stride == 1 and channels_in == channels
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels_in, channels, 1, stride)

    def forward(self, image: Tensor) -> Tensor:
        """Map [N, channels_in, H, W] to [N, channels, H/stride, W/stride]."""
        hidden = torch.relu(self.norm1(self.conv1(image)))
        return torch.relu(self.norm2(self.conv2(hidden)) + self.shortcut(image))


class DoodleResNet(nn.Module):
    """A stem at stride 4 and three stages at strides 4, 8 and 16.

    Shapes: [N, 3, 64, 64] -> [N, 320, 4, 4].
    """

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, WIDTHS[0], 3, 2, 1, bias=False),
            nn.BatchNorm2d(WIDTHS[0]),
            nn.ReLU(),
        )
        stages, channels = [], WIDTHS[0]
        for width, depth, stride in zip(WIDTHS, DEPTHS, STRIDES, strict=True):
            first = Block(channels, width, stride)
            others = [Block(width, width, 1) for _ in range(depth - 1)]
            stages.append(nn.Sequential(first, *others))
            channels = width
        self.stages = nn.Sequential(*stages)

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | list[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """Return the maps after the stem and each stage, as timm's towers do.

        Args:
            x: [N, 3, H, W] pictures.
            indices: which maps; a number for that many from the end, None for all.
            norm: ignored; there is no final norm.
            stop_early: do not compute stages after the last requested map.
            output_fmt: "NCHW" only.
            intermediates_only: return only the list of maps.
        """
        assert output_fmt == "NCHW"
        taken, deepest = feature_take_indices(1 + len(self.stages), indices)
        maps = []
        for index, part in enumerate([self.stem, *self.stages]):
            if stop_early and index > deepest:
                break
            x = part(x)
            if index in taken:
                maps.append(x)
        return maps if intermediates_only else (x, maps)

    def forward(self, image: Tensor) -> Tensor:
        """Return the last map [N, 320, H/16, W/16]."""
        return self.stages(self.stem(image))


class Binding(nn.Module):
    """Which thing has which colour and position: outer products of rough names and keys, averaged over places.

    The keys of a place are its colour, and its coordinates where there is a thing. A sum of outer products
    keeps each thing with its own attributes ("tensor product variable binding", Smolensky 1990). Networks of
    ReLUs learn such products badly, so they are built in.

    Shapes: [N, channels, H, W] -> [N, 6 * 14], key by key.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.names = nn.Conv2d(channels, ROUGH, 1)
        self.keys = nn.Conv2d(channels, SHADES + 1, 1)

    def forward(self, places: Tensor) -> Tensor:
        """Map features [N, channels, H, W] to bound names [N, 84]."""
        height, width = places.shape[-2:]
        colour, presence = self.keys(places).split([SHADES, 1], 1)
        thing = torch.relu(presence)
        x = torch.linspace(-1, 1, width, device=places.device, dtype=thing.dtype)
        y = torch.linspace(-1, 1, height, device=places.device, dtype=thing.dtype)[:, None]
        keys = torch.cat([colour, thing * x, thing * y], 1)

        products = keys.flatten(2) @ self.names(places).flatten(2).mT  # [N, 6, 14]
        return (products / (height * width)).flatten(1)


class Look(nn.Module):
    """A picture's coordinates on the principal axes of drawings ("eigenpictures", Sirovich and Kirby 1987).

    Args:
        axes: number of axes.
    """

    def __init__(self, axes: int):
        super().__init__()
        self.axes = nn.Linear(3 * GLANCE**2, axes)

    def forward(self, image: Tensor) -> Tensor:
        """Map pictures [N, 3, 64, 64] in -1..1 to coordinates [N, axes]."""
        small = functional.avg_pool2d(image, image.shape[-1] // GLANCE)  # [N, 3, 32, 32]
        return self.axes(small.flatten(1))


class DoodleTower(nn.Module):
    """Meaning and look side by side; each is of unit length, weighted so that their cosines average.

    Shapes: [N, 3, 64, 64] in -1..1 -> [N, num_classes], of which the first 239 are the meaning.

    Attributes:
        share: the look's fraction of the cosine, in [0, 1].
        skips_meaning: set the meaning to 0 instead of computing it, which saves nearly all of the work.
    """

    share: Tensor
    skips_meaning: bool = False

    def __init__(self, num_classes: int = 2 * MEANING):
        super().__init__()
        self.default_cfg = {"input_size": (3, 64, 64), "num_classes": num_classes}
        self.num_features = num_classes
        self.body = DoodleResNet()
        self.pool = AttentionPool2d(WIDTHS[-1], feat_size=(4, 4), out_features=SCENE)
        self.bind = Binding(WIDTHS[-1])
        self.look = Look(num_classes - MEANING)
        self.register_buffer("share", torch.tensor(0.5))

    def skip_outputs(self, unused: Tensor) -> DoodleTower:
        """Return a tower with the same weights that skips the meaning if none of it is used.

        Args:
            unused: bool [num_classes], true for the outputs that may be 0.
        """
        other = copy.copy(self)
        other.skips_meaning = bool(unused[:MEANING].all())
        return other

    def forward_intermediates(self, x: Tensor, *arguments, **options) -> list[Tensor] | tuple:
        """Return the maps of the ResNet; see `DoodleResNet.forward_intermediates`."""
        return self.body.forward_intermediates(x, *arguments, **options)

    def forward(self, image: Tensor) -> Tensor:
        """Return the embeddings in float32, of unit length unless the meaning is skipped."""
        look = functional.normalize(self.look(image).float(), dim=1)
        share = self.share.float()
        if self.skips_meaning:
            return torch.cat([look.new_zeros(len(look), MEANING), share.sqrt() * look], dim=1)

        places = self.body(image)  # [N, 320, 4, 4]
        meaning = torch.cat([self.pool(places), self.bind(places)], 1).float()  # [N, 239]
        meaning = functional.normalize(meaning, dim=1)
        return torch.cat([(1 - share).sqrt() * meaning, share.sqrt() * look], dim=1)


@register_model
def doodle_tower(pretrained: bool = False, **kwargs) -> DoodleTower:
    """Build the tower of meaning and look; timm and open_clip call this by its name."""
    accepted = {key: value for key, value in kwargs.items() if key == "num_classes"}  # timm passes more
    return DoodleTower(**accepted)
