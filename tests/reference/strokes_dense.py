"""The slow, obvious stroke renderer: every chord against every pixel, by autograd alone.

Nothing here is shared with the product but the definition: curves cut into chords of
equal parameter length, coverage across the stroke, ordered "over".
"""

import math

import torch


def bezier(curve, t):
    """[4, 2] control points at [T] parameters -> [T, 2], by de Casteljau."""
    points = curve[None].expand(len(t), 4, 2)
    while points.shape[1] > 1:
        points = points[:, :-1] * (1 - t)[:, None, None] + points[:, 1:] * t[:, None, None]
    return points[:, 0]


def chords_of(curves, counts):
    """[S, 4, 2], [S] -> [C, 2] starts, [C, 2] ends, [C, 2] parameters along the stroke."""
    starts, ends, places = [], [], []
    for s, (curve, count) in enumerate(zip(curves, counts, strict=True)):
        t = torch.arange(count + 1, dtype=curves.dtype) / count
        nodes = bezier(curve, t)
        starts.append(nodes[:-1])
        ends.append(nodes[1:])
        places.append(torch.stack([t[:-1] + s, t[1:] + s], 1) / len(curves))
    return torch.cat(starts), torch.cat(ends), torch.cat(places)


def pixel_grid(height, width):
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x, y], -1).double()


def distances(start, end, pixels):
    """[C, 2], [C, 2], [H, W, 2] -> distance and place in [0, 1], both [C, H, W]."""
    line = (end - start)[:, None, None]
    offset = pixels - start[:, None, None]
    square = (line * line).sum(-1)
    place = ((offset * line).sum(-1) / square.clamp(min=1e-30)).clamp(0, 1)
    gap = offset - place[..., None] * line
    square = (gap * gap).sum(-1)
    return torch.where(square > 0, square.clamp(min=1e-30).sqrt(), 0), place


def open_coverage(curves, counts, width, pixels, taper=0.0):
    start, end, places = chords_of(curves, counts)
    distance, _ = distances(start, end, pixels)
    if taper == 0:
        nearest = distance.argmin(0, keepdim=True)
        d, r = distance.gather(0, nearest)[0], width / 2
    else:
        radii = width / 2 * (torch.minimum(places, 1 - places) / taper).clamp(0, 1)
        d, r = nearest_tapered(start, end, radii, pixels)
    return (torch.minimum(r, d + 0.5) - torch.maximum(-r, d - 0.5)).clamp(min=0)


def nearest_tapered(start, end, radii, pixels, samples=65, rounds=4):
    """Least (distance - radius) by sampling places ever finer; the place is held fixed."""
    best = None
    for a, b, (ra, rb) in zip(start, end, radii, strict=True):
        with torch.no_grad():
            at, reach = torch.full(pixels.shape[:2], 0.5, dtype=pixels.dtype), 0.5
            for _ in range(rounds):
                offset = torch.linspace(-reach, reach, samples, dtype=pixels.dtype)[:, None, None]
                t = (at + offset).clamp(0, 1)
                gap = (pixels - (a + t[..., None] * (b - a))).square().sum(-1).sqrt()
                index = (gap - (ra + t * (rb - ra))).argmin(0, keepdim=True)
                at, reach = t.gather(0, index)[0], reach * 4 / samples
        d = (pixels - (a + at[..., None] * (b - a))).square().sum(-1).clamp(min=1e-30).sqrt()
        r = ra + at * (rb - ra)
        if best is None:
            best = d, r
        else:
            better = (d - r) < (best[0] - best[1])
            best = torch.where(better, d, best[0]), torch.where(better, r, best[1])
    return best


def winding(start, end, pixels):
    """[H, W] winding numbers from the angles the outline sweeps as seen from each pixel."""
    a, b = start[:, None, None] - pixels, end[:, None, None] - pixels
    cross = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return (torch.atan2(cross, (a * b).sum(-1)).sum(0) / (2 * math.pi)).round().long()


def closed_coverage(curves, counts, pixels, rule="nonzero"):
    start, end, _ = chords_of(curves, counts)
    with torch.no_grad():
        number = winding(start, end, pixels)
        inside = number % 2 != 0 if rule == "evenodd" else number != 0
    distance, _ = distances(start, end, pixels)
    if rule == "nonzero":
        distance = torch.where(is_outline(start, end, pixels, number), distance, torch.inf)
    d = distance.gather(0, distance.argmin(0, keepdim=True))[0]
    return torch.where(inside, 0.5 + d, 0.5 - d).clamp(0, 1)


@torch.no_grad()
def is_outline(start, end, pixels, number):
    """[C, H, W] chords that separate inside from outside, as seen from each pixel."""
    line = (end - start)[:, None, None]
    offset = pixels - start[:, None, None]
    side = (line[..., 0] * offset[..., 1] - line[..., 1] * offset[..., 0]).sign().long()
    return (number == 0) | (number == side)


def over(coverages, colours, opacity):
    """N [H, W] coverages, [N, 3], [N] -> [4, H, W] premultiplied."""
    canvas = torch.zeros(4, *coverages[0].shape, dtype=coverages[0].dtype)
    for covered, colour, strength in zip(coverages, colours, opacity, strict=True):
        alpha = covered * strength
        layer = torch.cat([alpha * colour[:, None, None], alpha[None]])
        canvas = layer + (1 - alpha) * canvas
    return canvas


def render_open(curves, counts, widths, colours, opacity, height, width, taper=0.0):
    """[N, S, 4, 2] in pixels, [N, S], [N], [N, 3], [N] -> [4, height, width]."""
    pixels = pixel_grid(height, width)
    covered = [open_coverage(c, n, w, pixels, taper) for c, n, w in zip(curves, counts, widths, strict=True)]
    return over(covered, colours, opacity)


def render_closed(curves, counts, colours, opacity, height, width, rule="nonzero"):
    """[N, S, 4, 2] in pixels, [N, S], [N, 3], [N] -> [4, height, width]."""
    pixels = pixel_grid(height, width)
    covered = [closed_coverage(c, n, pixels, rule) for c, n in zip(curves, counts, strict=True)]
    return over(covered, colours, opacity)
