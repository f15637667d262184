"""The image tower of the bundled guide, registered with timm: what a picture means, and how it looks.

The meaning comes from a small plain ResNet: dense 3x3 convolutions only, in bfloat16 and channels_last the
fastest thing a CPU can do. The look is the picture itself on the principal axes of drawings, so that its
gradient leads straight to the drawing the words call to mind.
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
"""Length of the part of the embedding that says what is shown, in which colours, how many, and on which ground."""
SHADES, ROUGH = 4, 14
"""Numbers of a colour and of a rough name: just enough to tell the things of a picture apart."""
BOUND = (SHADES + 2) * ROUGH
"""Length of the part that says what has which colour, and what is further right or below."""
MEANING = SCENE + BOUND
GLANCE = 32
"""Side of the small picture that the look is taken from, in pixels."""


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
            blocks = [
                Block(channels if i == 0 else width, width, stride if i == 0 else 1) for i in range(depth)
            ]
            stages.append(nn.Sequential(*blocks))
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
            indices: which of the maps, the last so many if a number, all if None.
            norm: without effect, there is no final norm.
            stop_early: leave out what comes after the last map asked for.
            output_fmt: "NCHW" only.
            intermediates_only: leave out the last map itself.
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
    """What has which colour, and what is where: products of a rough name and keys at every place, averaged.

    The keys of a place are its colour, and its coordinates as far as there is a thing. A sum of outer
    products keeps together what belongs together ("tensor product variable binding", Smolensky 1990); a network
    of ReLUs learns such products badly, so they are built in.
    Shapes: [N, channels, H, W] -> [N, 6 * 14], key by key.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.names = nn.Conv2d(channels, ROUGH, 1)
        self.keys = nn.Conv2d(channels, SHADES + 1, 1)

    def forward(self, places: Tensor) -> Tensor:
        """Map features of places to bound names, [N, 84]."""
        height, width = places.shape[-2:]
        colour, presence = self.keys(places).split([SHADES, 1], 1)
        thing = torch.relu(presence)
        x = torch.linspace(-1, 1, width, device=places.device, dtype=thing.dtype)
        y = torch.linspace(-1, 1, height, device=places.device, dtype=thing.dtype)[:, None]
        keys = torch.cat([colour, thing * x, thing * y], 1)
        return (keys.flatten(2) @ self.names(places).flatten(2).mT / (height * width)).flatten(1)


class Look(nn.Module):
    """A picture's coordinates on the principal axes of drawings ("eigenpictures", Sirovich and Kirby 1987).

    Args:
        axes: how many.
    """

    def __init__(self, axes: int):
        super().__init__()
        self.axes = nn.Linear(3 * GLANCE**2, axes)

    def forward(self, image: Tensor) -> Tensor:
        """Map pictures [N, 3, 64, 64] in -1..1 to coordinates [N, axes]."""
        return self.axes(functional.avg_pool2d(image, image.shape[-1] // GLANCE).flatten(1))


class DoodleTower(nn.Module):
    """Meaning and look side by side; each is of unit length, weighted so that their cosines average.

    Shapes: [N, 3, 64, 64] in -1..1 -> [N, num_classes], of which the first 239 are the meaning.

    Attributes:
        share: the look's part of the cosine, in [0, 1].
        silent: leave the meaning out, which saves nearly all of the work; its numbers are 0 then.
    """

    share: Tensor
    silent: bool = False

    def __init__(self, num_classes: int = 2 * MEANING):
        super().__init__()
        self.default_cfg = {"input_size": (3, 64, 64), "num_classes": num_classes}
        self.num_features = num_classes
        self.body = DoodleResNet()
        self.pool = AttentionPool2d(WIDTHS[-1], feat_size=(4, 4), out_features=SCENE)
        self.bind = Binding(WIDTHS[-1])
        self.look = Look(num_classes - MEANING)
        self.register_buffer("share", torch.tensor(0.5))

    def without(self, unheard: Tensor) -> DoodleTower:
        """Return a tower that shares the weights and leaves out what is `unheard`, bool [num_classes], if it can."""
        other = copy.copy(self)
        other.silent = bool(unheard[:MEANING].all())
        return other

    def forward_intermediates(self, x: Tensor, *arguments, **options) -> list[Tensor] | tuple:
        """Return the maps of the ResNet; see `DoodleResNet.forward_intermediates`."""
        return self.body.forward_intermediates(x, *arguments, **options)

    def forward(self, image: Tensor) -> Tensor:
        """Return the embeddings in float32, of unit length unless the tower is silent."""
        look = functional.normalize(self.look(image).float(), dim=1)
        share = self.share.float()
        if self.silent:
            return torch.cat([look.new_zeros(len(look), MEANING), share.sqrt() * look], dim=1)
        places = self.body(image)
        meaning = functional.normalize(torch.cat([self.pool(places), self.bind(places)], 1).float(), dim=1)
        return torch.cat([(1 - share).sqrt() * meaning, share.sqrt() * look], dim=1)


@register_model
def doodle_tower(pretrained: bool = False, **kwargs) -> DoodleTower:
    """Build the tower of meaning and look; timm and open_clip call this by its name."""
    return DoodleTower(**{key: value for key, value in kwargs.items() if key == "num_classes"})
