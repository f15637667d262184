"""The program that draws one SVG file, run in a process of its own by `artgen.svg.rasterise`.

It reads the document from stdin and writes a PNG to stdout. It imports nothing of artgen, so that it
starts quickly, and gets the folders for imports from the process that starts it.

Usage: rasterise_process.py WIDTH SECONDS BYTES FOLDER ...
"""

import sys


def main() -> int:
    """Draw the document, and return the exit status: 3 with a reason on stderr if it cannot be drawn."""
    width, seconds, memory, *sys.path = sys.argv[1:]
    _limit(int(seconds), int(memory))
    try:
        import resvg_py

        content = sys.stdin.buffer.read().decode()
        picture = resvg_py.svg_to_bytes(svg_string=content, width=int(width))
    except BaseException as error:  # the extension may raise anything, a panic included
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        sys.stderr.buffer.write(reason.encode(errors="replace"))
        return 3
    sys.stdout.buffer.write(bytes(picture))
    return 0


def _limit(seconds: int, memory: int) -> None:
    """Let the system end this process if it takes too long or too much; Windows has no such limits."""
    try:
        import resource
    except ModuleNotFoundError:
        return
    limits = {resource.RLIMIT_CPU: seconds, resource.RLIMIT_AS: memory, resource.RLIMIT_CORE: 0}
    for kind, value in limits.items():
        try:
            resource.setrlimit(kind, (value, value))
        except (ValueError, OSError):  # a lower limit is set already, or the system has none
            continue


if __name__ == "__main__":
    sys.exit(main())
