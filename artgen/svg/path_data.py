"""The `d` attribute of SVG paths, and transforms, as cubic Béziers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

Point = complex
Curve = tuple[Point, Point, Point, Point]

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_TOKEN = re.compile(rf"([MmLlHhVvCcSsQqTtAaZz])|({_NUMBER})|([\s,]+)|(.)", re.DOTALL)
_ARGUMENTS = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "S": 4, "Q": 4, "T": 2, "A": 7, "Z": 0}
_TRANSFORM = re.compile(r"(matrix|translate|scale|rotate|skewX|skewY)\s*\(([^()]*)\)")


@dataclass
class Subpath:
    """Joining curves.

    Args:
        start: where it begins.
        curves: cubic Béziers as four complex numbers each.
        closed: whether it ends with Z.
    """

    start: Point
    curves: list[Curve] = field(default_factory=list)
    closed: bool = False


def line(a: Point, b: Point) -> Curve:
    """Return a straight line as a cubic."""
    return a, a + (b - a) / 3, b - (b - a) / 3, b


def parse_path(data: str, most: int = 50_000) -> list[Subpath]:
    """Read a `d` attribute.

    Args:
        data: the attribute.
        most: most commands to read.

    Raises:
        ValueError: not path data, or too many commands.
    """
    pen = _Pen()
    for count, (command, numbers) in enumerate(_commands(data)):
        if count >= most:
            raise ValueError(f"path data has more than {most} commands")
        pen.draw(command, numbers)
    return [subpath for subpath in pen.subpaths if subpath.curves]


def _commands(data: str) -> Iterator[tuple[str, list[float]]]:
    """Yield each command with its numbers, repeated ones written out."""
    command, numbers, used = "", list[float](), True
    for letter, number, _, wrong in _tokens(data):
        if wrong:
            raise ValueError(f"path data has {wrong!r}")
        if letter:
            if numbers or not used:
                raise ValueError(f"path command {command} has too few numbers")
            command, used = letter, letter in "Zz"
            if used:
                yield letter, []
        elif number:
            if not command or command in "Zz":
                raise ValueError("path data has a number without a command")
            numbers.append(_finite(number))
            if len(numbers) == _ARGUMENTS[command.upper()]:
                yield command, numbers
                numbers, used = [], True
                command = {"M": "L", "m": "l"}.get(command, command)
    if numbers or not used:
        raise ValueError(f"path command {command} has too few numbers")


def _tokens(data: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield the tokens; the flags of arcs may stand without a gap between them."""
    arc, place, position = False, 0, 0
    while position < len(data):
        if arc and place % 7 in (3, 4) and data[position] in "01":
            yield "", data[position], "", ""
            place, position = place + 1, position + 1
            continue
        match = _TOKEN.match(data, position)
        assert match is not None
        letter, number, gap, wrong = (part or "" for part in match.groups())
        if letter:
            arc, place = letter in "Aa", 0
        if number:
            place += 1
        position = match.end()
        yield letter, number, gap, wrong


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"path data has the number {text[:20]}")
    return value


class _Pen:
    """Draws commands one after the other."""

    def __init__(self) -> None:
        self.subpaths: list[Subpath] = []
        self._at: Point = 0j
        self._control: Point = 0j
        self._last = ""

    def draw(self, command: str, numbers: list[float]) -> None:
        """Draw one command with its numbers, relative to the current point if its letter is small.

        Raises:
            ValueError: the first command is not a move.
        """
        kind, origin = command.upper(), self._at if command.islower() else 0j
        if kind not in "MZ" and not self.subpaths:
            raise ValueError("path data must begin with M")
        if kind == "M":
            self._at = origin + complex(*numbers)
            self.subpaths.append(Subpath(self._at))
        elif kind == "Z":
            self._close()
        elif kind == "A":
            self._arc(numbers, origin)
        else:
            self._curve(kind, numbers, origin)
        self._last = kind

    def _close(self) -> None:
        if not self.subpaths:
            raise ValueError("path data must begin with M")
        current = self.subpaths[-1]
        if abs(self._at - current.start) > 1e-9:
            current.curves.append(line(self._at, current.start))
        current.closed = True
        self._at = current.start

    def _add(self, curve: Curve) -> None:
        if self.subpaths[-1].closed:
            self.subpaths.append(Subpath(self._at))
        self.subpaths[-1].curves.append(curve)
        self._at = curve[3]

    def _curve(self, kind: str, numbers: list[float], origin: Point) -> None:
        at = self._at
        if kind == "H":
            self._add(line(at, complex(origin.real + numbers[0], at.imag)))
            return
        if kind == "V":
            self._add(line(at, complex(at.real, origin.imag + numbers[0])))
            return
        points = [origin + complex(x, y) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
        if kind == "L":
            self._add(line(at, points[0]))
        elif kind in "CS":
            first = points[0] if kind == "C" else self._reflected("CS")
            self._control = points[-2]
            self._add((at, first, points[-2], points[-1]))
        else:
            middle = points[0] if kind == "Q" else self._reflected("QT")
            self._control = middle
            end = points[-1]
            self._add((at, at + 2 / 3 * (middle - at), end + 2 / 3 * (middle - end), end))

    def _reflected(self, kinds: str) -> Point:
        return 2 * self._at - self._control if self._last and self._last in kinds else self._at

    def _arc(self, numbers: list[float], origin: Point) -> None:
        rx, ry, turn, large, sweep, x, y = numbers
        end = origin + complex(x, y)
        for curve in arc_curves(self._at, end, abs(rx), abs(ry), math.radians(turn), large != 0, sweep != 0):
            self._add(curve)


def arc_curves(
    start: Point, end: Point, rx: float, ry: float, turn: float, large: bool, sweep: bool
) -> list[Curve]:
    """Return an elliptical arc as cubics of at most a quarter turn (SVG 1.1, appendix F.6)."""
    if start == end:
        return []
    if rx == 0 or ry == 0:
        return [line(start, end)]
    rotation = complex(math.cos(turn), math.sin(turn))
    half = (start - end) / 2 * rotation.conjugate()
    unit = complex(half.real / rx, half.imag / ry)
    if abs(unit) > 1:
        rx, ry, unit = rx * abs(unit), ry * abs(unit), unit / abs(unit)
    lift = math.sqrt(max(0.0, 1 / abs(unit) ** 2 - 1)) * (-1 if large == sweep else 1)
    centre = complex(unit.imag, -unit.real) * lift
    first = _angle(unit - centre)
    span = _angle((-unit - centre) / (unit - centre))
    if not sweep and span > 0:
        span -= 2 * math.pi
    elif sweep and span < 0:
        span += 2 * math.pi

    count = max(1, math.ceil(abs(span) / (math.pi / 2) - 1e-9))
    step = span / count
    reach = 4 / 3 * math.tan(step / 4)
    middle = (start + end) / 2 + complex(centre.real * rx, centre.imag * ry) * rotation

    def place(p: complex) -> Point:
        """Map a point of the unit circle to the ellipse."""
        return middle + complex(p.real * rx, p.imag * ry) * rotation

    curves = []
    for i in range(count):
        a = _on_unit_circle(first + i * step)
        b = _on_unit_circle(first + (i + 1) * step)
        curves.append((place(a), place(a + 1j * a * reach), place(b - 1j * b * reach), place(b)))
    curves[-1] = (*curves[-1][:3], end)
    return curves


def _on_unit_circle(angle: float) -> complex:
    return complex(math.cos(angle), math.sin(angle))


def _angle(value: complex) -> float:
    return math.atan2(value.imag, value.real)


Matrix = tuple[float, float, float, float, float, float]
IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


def compose(outer: Matrix, inner: Matrix) -> Matrix:
    """Return the transform that applies `inner` first, then `outer` (SVG's a b c d e f)."""
    a, b, c, d, e, f = outer
    g, h, i, j, k, m = inner
    return (a * g + c * h, b * g + d * h, a * i + c * j, b * i + d * j, a * k + c * m + e, b * k + d * m + f)


def apply(matrix: Matrix, point: Point) -> Point:
    """Return a transformed point."""
    a, b, c, d, e, f = matrix
    return complex(a * point.real + c * point.imag + e, b * point.real + d * point.imag + f)


def parse_transform(text: str) -> Matrix:
    """Read a `transform` attribute.

    Raises:
        ValueError: not a list of transforms.
    """
    if _TRANSFORM.sub("", text).strip(" ,\t\r\n"):
        raise ValueError(f"transform {text[:40]!r} is not supported")
    result = IDENTITY
    for kind, written in _TRANSFORM.findall(text):
        values = [_finite(v) for v in re.split(r"[\s,]+", written.strip()) if v]
        result = compose(result, _transform(kind, values))
    return result


def _transform(kind: str, v: list[float]) -> Matrix:
    if kind == "matrix" and len(v) == 6:
        return v[0], v[1], v[2], v[3], v[4], v[5]
    if kind == "translate" and len(v) in (1, 2):
        return 1.0, 0.0, 0.0, 1.0, v[0], v[1] if len(v) == 2 else 0.0
    if kind == "scale" and len(v) in (1, 2):
        return v[0], 0.0, 0.0, v[-1], 0.0, 0.0
    if kind == "rotate" and len(v) in (1, 3):
        cosine, sine = math.cos(math.radians(v[0])), math.sin(math.radians(v[0]))
        turn: Matrix = (cosine, sine, -sine, cosine, 0.0, 0.0)
        if len(v) == 1:
            return turn
        there: Matrix = (1.0, 0.0, 0.0, 1.0, v[1], v[2])
        return compose(compose(there, turn), (1.0, 0.0, 0.0, 1.0, -v[1], -v[2]))
    if kind == "skewX" and len(v) == 1:
        return 1.0, 0.0, math.tan(math.radians(v[0])), 1.0, 0.0, 0.0
    if kind == "skewY" and len(v) == 1:
        return 1.0, math.tan(math.radians(v[0])), 0.0, 1.0, 0.0, 0.0
    raise ValueError(f"transform {kind} has {len(v)} numbers")
