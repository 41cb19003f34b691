"""How long people worked on each job, as CVAT counts it: from what its page reports while somebody works there.

Servers without analytics count nothing. Source: https://docs.cvat.ai/docs/administration/advanced/analytics/
"""

import csv
import io
import logging
from collections import defaultdict
from urllib.parse import urlencode, urlsplit

import msgspec
from cvat_sdk import Client

from cvat.client import address, call
from cvat.errors import CvatError, told_in_a_sentence

_SCOPE = "send:working_time"
_SINCE = "2000-01-01T00:00:00Z"  # without it CVAT tells of the last 30 days only
_LOG = logging.getLogger("carloop.cvat")


class _Started(msgspec.Struct):
    rq_id: str


class _Payload(msgspec.Struct):
    working_time: float = 0.0


def read_working_seconds(client: Client, project_id: int) -> dict[int, float]:
    """Seconds of work by job; nothing where the server keeps no count or does not show it to this user."""
    try:
        return working_seconds(_read_events(client, project_id))
    except (CvatError, msgspec.MsgspecError, KeyError) as error:  # not worth a pull
        _LOG.info("no working times from CVAT: %s", error)
        return {}


def working_seconds(events: str) -> dict[int, float]:
    """Seconds of work by job, from CVAT's event log as CSV."""
    seconds: dict[int, float] = defaultdict(float)
    for row in csv.DictReader(io.StringIO(events)):
        if row["scope"] == _SCOPE and row["job_id"]:
            seconds[int(row["job_id"])] += msgspec.json.decode(row["payload"], type=_Payload).working_time / 1000
    return dict(seconds)


def _read_events(client: Client, project_id: int) -> str:
    query = urlencode({"project_id": project_id, "from": _SINCE})
    started = msgspec.json.decode(call(client, "POST", f"/api/events/export?{query}"), type=_Started)
    with told_in_a_sentence("exporting the event log", address(client)):
        request, _ = client.wait_for_completion(started.rq_id)
    result = urlsplit(str(request.result_url))  # behind a proxy CVAT may write another address than ours
    return call(client, "GET", f"{result.path}?{result.query}").decode()
