"""Working times as CVAT tells them."""

from cvat.times import read_working_seconds, working_seconds
from tests.cvat.played import directly

EVENTS = """scope,obj_name,job_id,payload
send:working_time,,7,"{""working_time"": 90500, ""note"": ""a, b""}"
change:frame,,7,"{""working_time"": 1}"
send:working_time,,8,"{""working_time"": 1000}"
send:working_time,,7,"{""working_time"": 500}"
send:working_time,,,"{""working_time"": 99}"
"""


def test_the_milliseconds_of_each_job_are_added_up() -> None:
    assert working_seconds(EVENTS) == {7: 91.0, 8: 1.0}


def test_a_server_that_counts_nothing_tells_nothing(shared_cvat_server) -> None:
    with directly(shared_cvat_server) as client:
        assert read_working_seconds(client, 1) == {}
