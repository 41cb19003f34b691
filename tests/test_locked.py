"""What is installed, and what must not be."""

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_lock_names_no_address() -> None:
    assert not re.search(r"https?://|file:", (ROOT / "requirements.lock").read_text())


def test_openvino_cannot_report_usage() -> None:
    assert importlib.util.find_spec("openvino_telemetry") is None
