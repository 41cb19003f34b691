"""The committed tracker in the host, asked as CVAT asks it."""

import base64
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import nuclio_functions
from cvat.embedded.functions.nuclio import Nuclio

COMMITTED = Path(nuclio_functions.__file__).parent


def test_a_box_is_followed_from_frame_to_frame_whichever_worker_answers(
    run_host: Callable[..., Any], tmp_path: Path, film: Callable[[str], Sequence[Any]], encode: Callable[..., bytes]
) -> None:
    shutil.copytree(COMMITTED / "damage_tracker", tmp_path / "functions" / "damage_tracker")
    nuclio = Nuclio(run_host("--functions", tmp_path / "functions").url)
    (tracker,) = nuclio.functions()
    first, *others = film("moves")[:6]

    def ask(picture: Any, **body: Any) -> Any:
        return nuclio.invoke(tracker, {"image": base64.b64encode(encode(picture)).decode(), **body})

    told = ask(first.picture, shapes=[{"type": "rectangle", "points": first.bbox}], states=[])
    for frame in others:
        told = ask(frame.picture, shapes=[None], states=told["states"])
        assert told["shapes"][0]["points"] == pytest.approx(list(frame.bbox), abs=0.5)

    assert tracker.show()["kind"] == "tracker"
