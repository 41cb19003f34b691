"""Conflicts as issues: said so that an annotator can decide, posted once, and missed only where CVAT has none."""

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from cvat.client import Credentials, connect
from cvat.filling import Content
from cvat.issues import Issue, issues_of
from datasets.merging.conflicts import Conflict
from tests.cvat.played import directly
from tests.cvat.proxy import Proxy
from tests.cvat.pushed import PushDesk, make_desk

SHA256 = "ab" * 32


def conflict(kind: str, *categories: str, annotation_ids: tuple[int, ...] = (), detail: str = "") -> Conflict:
    return Conflict(kind, SHA256, "a.jpg", categories, ("kaggle", "ours"), annotation_ids, detail)  # type: ignore[arg-type]


def test_a_conflict_says_what_is_to_be_decided_and_where() -> None:
    found = issues_of(
        [conflict("class", "dent", "scratch", annotation_ids=(3, 4), detail="IoU 0.82")],
        {3: (10.0, 10.0, 20.0, 10.0), 4: (12.0, 8.0, 20.0, 10.0)},
    )
    told = "Sources see different classes here: dent or scratch (kaggle, ours); IoU 0.82"
    assert found == {SHA256: [Issue(told, (10.0, 8.0, 32.0, 20.0))]}


@pytest.mark.parametrize("kind", ["class", "place", "presence", "name", "tag"])
def test_annotators_are_asked_whatever_they_can_see(kind: str) -> None:
    ((issue,),) = issues_of([conflict(kind, "dent")], {}).values()
    assert "dent" in issue.message
    assert issue.position == (0.0, 0.0)


@pytest.mark.parametrize("kind", ["split", "license"])
def test_annotators_are_not_asked_about_splits_and_licences(kind: str) -> None:
    assert issues_of([conflict(kind)], {}) == {}


class ProxyWithIssues(Proxy):
    """A server that has no issues, behind two lists of them as CVAT answers."""

    def __init__(self, server_url: str) -> None:
        super().__init__(server_url)
        self.issues: list[dict[str, object]] = []

    def pass_on(self, method, path, headers, body):
        asked = urlsplit(path)
        if asked.path not in ("/api/issues", "/api/comments"):
            return super().pass_on(method, path, headers, body)
        if method == "POST":
            self.issues.append({"id": len(self.issues) + 1, **json.loads(body)})
            found: object = self.issues[-1]
        else:
            (job_id,) = parse_qs(asked.query)["job_id"]
            ours = [issue for issue in self.issues if issue["job"] == int(job_id)]
            rows = ours if asked.path == "/api/issues" else [{"issue": i["id"], "message": i["message"]} for i in ours]
            found = {"next": None, "results": rows}
        return _Answer(), json.dumps(found).encode()


class _Answer:
    status = 200

    def getheaders(self) -> list[tuple[str, str]]:
        return [("Content-Type", "application/vnd.cvat+json")]

    def getheader(self, name: str) -> None:
        return None


def asking(desk: PushDesk) -> Content:
    return Content(issues={image.sha256: [Issue("dent or scratch?", (1.0, 2.0, 3.0, 4.0))] for image in desk.images})


def test_issues_are_posted_once_for_each_frame(shared_cvat_server, tmp_path: Path) -> None:
    proxy = ProxyWithIssues(shared_cvat_server.url)
    credentials = Credentials(shared_cvat_server.user, shared_cvat_server.password)
    with proxy.running(), connect(proxy.url, credentials) as client:
        desk = make_desk(client, tmp_path, images=3)
        first = desk.push(content=asking(desk))
        desk.ledger.forget_tasks(first.tasks)  # as if the push had been cut short before it was noted
        desk.push(content=asking(desk))
        desk.ledger.close()
    assert first.told["issues"] == 3
    assert sorted((issue["frame"], issue["position"], issue["message"]) for issue in proxy.issues) == [
        (number, [1.0, 2.0, 3.0, 4.0], "dent or scratch?") for number in range(3)
    ]


def test_what_a_server_without_issues_cannot_ask_is_counted(shared_cvat_server, tmp_path: Path) -> None:
    with directly(shared_cvat_server) as client:
        desk = make_desk(client, tmp_path, images=3)
        pushed = desk.push(content=asking(desk))
        desk.ledger.close()
    assert (pushed.told["issues"], pushed.told["untold_issues"]) == (0, 3)
