"""Conflicts as issues: said so that an annotator can decide, posted once, and missed only where CVAT has none."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cvat_sdk import models

from cvat.client import Credentials, connect, list_all
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


class ProxyWithoutIssues(Proxy):
    """A server that has no issues."""

    def pass_on(self, method, path, headers, body):
        return super().pass_on(method, path.replace("/api/issues", "/api/none"), headers, body)


def asking(desk: PushDesk) -> Content:
    return Content(issues={image.sha256: [Issue("dent or scratch?", (1.0, 2.0, 3.0, 4.0))] for image in desk.images})


def asked(desk: PushDesk) -> list[tuple[str, int, list[float], list[str]]]:
    """The project's issues by cvat-sdk's own models: their frame's name, number, position and comments."""
    found = []
    for task in desk.tasks():
        names = desk.frames(task.id)
        for issue in list_all(desk.client.api_client.issues_api, task_id=task.id):
            comments = list_all(desk.client.api_client.comments_api, issue_id=issue.id)
            found.append((names[issue.frame], issue.frame, issue.position, [comment.message for comment in comments]))
    return sorted(found)


@pytest.fixture
def desk(shared_cvat_server, tmp_path: Path) -> Iterator[PushDesk]:
    with directly(shared_cvat_server) as client:
        desk = make_desk(client, tmp_path, images=3)
        yield desk
        desk.ledger.close()


def test_issues_are_posted_once_for_each_frame(desk: PushDesk) -> None:
    first = desk.push(content=asking(desk))
    desk.ledger.forget_tasks(first.tasks)  # as if the push had been cut short before it was noted
    desk.push(content=asking(desk))
    assert first.told["issues"] == 3
    assert asked(desk) == sorted(
        (name, number, [1.0, 2.0, 3.0, 4.0], ["dent or scratch?"])
        for task in desk.tasks()
        for number, name in enumerate(desk.frames(task.id))
    )


def test_an_answer_or_a_resolution_does_not_have_it_asked_again(desk: PushDesk) -> None:
    first = desk.push(content=asking(desk))
    answered, resolved, _ = list_all(desk.client.api_client.issues_api, task_id=first.tasks[0])
    answer = models.CommentWriteRequest(issue=answered.id, message="a dent")
    desk.client.api_client.comments_api.create(answer)
    patch = models.PatchedIssueWriteRequest(resolved=True)
    desk.client.api_client.issues_api.partial_update(resolved.id, patched_issue_write_request=patch)
    desk.ledger.forget_tasks(first.tasks)
    desk.push(content=asking(desk))
    assert len(asked(desk)) == 3


def test_what_a_server_without_issues_cannot_ask_is_counted(shared_cvat_server, tmp_path: Path) -> None:
    credentials = Credentials(shared_cvat_server.user, shared_cvat_server.password)
    proxy = ProxyWithoutIssues(shared_cvat_server.url)
    with proxy.running(), connect(proxy.url, credentials) as client:
        desk = make_desk(client, tmp_path, images=3)
        pushed = desk.push(content=asking(desk))
        desk.ledger.close()
    assert (pushed.told["issues"], pushed.told["untold_issues"]) == (0, 3)
