"""Random sessions of steering: whatever is done, a rerun of the picture ends with the same bits."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artgen.config import Addition, RunConfig, Turn
from artgen.engine.events import EventStream, Refused, Stepped
from artgen.export.metadata import read_configuration
from artgen.runs.paint import paint, painting, resuming
from artgen.runs.report import RunResult

STEPS = 6
Act = Turn | str
"""A turn, "undo" or "kill"."""

ids = st.lists(st.integers(0, 8), min_size=1, max_size=2, unique=True).map(tuple)
"""Ids of elements; some of them are not there, so that turns are refused too."""

turns = st.one_of(
    st.sampled_from(["a blue fish", "[0,0,0.5,1] grass | a boat:0.5"]).map(lambda text: Turn(prompts=text)),
    st.sampled_from(["lock", "unlock", "delete", "duplicate", "front", "back"]).flatmap(
        lambda name: ids.map(lambda elements: Turn(**{name: elements}))
    ),
    st.floats(0.1, 3).map(lambda rate: Turn(rate=round(rate, 2))),
    st.integers(1, 3).map(lambda count: Turn(add=(Addition(count=count, region=(0, 0, 0.5, 1)),))),
    st.integers(STEPS, STEPS + 3).map(lambda steps: Turn(steps=steps)),
    st.just(Turn(losses={"smoothness": 0.05}, recolour={2: "red"})),
)
acts = st.lists(
    st.tuples(st.integers(1, STEPS), st.one_of(turns, st.sampled_from(["undo", "kill"]))), max_size=5
)


def do(run: EventStream[RunResult], act: Act) -> bool:
    """Do one act, and return whether the run goes on."""
    if isinstance(act, Turn):
        run.steer(act)
    elif act == "undo":
        run.undo()
    return act != "kill"


def live(config: RunConfig, folder: Path, session: Sequence[tuple[int, Act]]) -> RunResult:
    """Paint with the acts of a session; a killed run is resumed."""
    waiting = sorted(session, key=lambda each: each[0])
    run = painting(config, folder)
    while True:
        killed = False
        for event in run:
            assert not isinstance(event, Refused) or "\n" not in event.reason
            if not isinstance(event, Stepped):
                continue
            while waiting and waiting[0][0] <= event.step and not killed:
                killed = not do(run, waiting.pop(0)[1])
            if killed:
                break
        if not killed:
            return run.result
        run._events.close()  # as if the process had ended here: nothing more is written
        run = resuming(folder)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(session=acts, population=st.integers(1, 2))
def test_a_session_is_repeated_with_the_same_bits(
    session: list[tuple[int, Act]], population: int, tiny_guide: str
):
    values = {
        "prompts": "a red apple",
        "guides": tiny_guide,
        "renderer": "strokes",
        "options": {"strokes": "6"},
        "seed": 3,
        "steps": STEPS,
        "population": population,
        "canvas": "24x24",
        "size": "32x32",
        "cutouts": {"count": 2},
        "timelapse": {"kind": "none"},
        "snapshots": {"checkpoint_seconds": 0},
    }
    place = Path(tempfile.mkdtemp())
    try:
        result = live(RunConfig.make(values), place / "live", session)
        recorded = RunConfig.from_text(read_configuration(result.picture))
        again = paint(recorded, place / "again")
        for name in ("image.png", "image.svg", "metrics.jsonl"):
            assert (again.folder / name).read_bytes() == (result.folder / name).read_bytes(), name
    finally:
        shutil.rmtree(place)
