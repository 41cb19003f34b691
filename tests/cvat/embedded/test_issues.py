"""Issues and comments, written and read by cvat-sdk's own models."""

import sqlite3
from contextlib import closing

import pytest
from cvat_sdk import Client, models
from cvat_sdk.exceptions import ApiException

PLACE = [10.0, 20.5, 30.0, 40.25]


@pytest.fixture(scope="module")
def api_client(shared_cvat_server):
    with Client(shared_cvat_server.url) as client:
        client.login((shared_cvat_server.user, shared_cvat_server.password))
        yield client.api_client


@pytest.fixture
def task_id(shared_garage) -> int:
    return shared_garage.new_task(["a.jpg", "b.jpg", "c.jpg"], segment_size=2)


@pytest.fixture
def job_ids(shared_garage, task_id) -> list[int]:
    return shared_garage.jobs(task_id)


@pytest.fixture
def ask(api_client):
    def ask(job_id: int, message: str = "dent or scratch?", frame: int = 0, **more):
        body = models.IssueWriteRequest(frame=frame, position=PLACE, job=job_id, message=message, **more)
        return api_client.issues_api.create(body)[0]

    return ask


def listed(api_client, **filters):
    return [issue.id for issue in api_client.issues_api.list(**filters)[0].results]


def test_an_issue_says_where_it_is_who_asks_and_what(api_client, shared_cvat_server, job_ids, ask):
    issue = api_client.issues_api.retrieve(ask(job_ids[0]).id)[0]
    assert (issue.job, issue.frame, issue.position, issue.resolved) == (job_ids[0], 0, PLACE, False)
    assert issue.owner.username == shared_cvat_server.user
    (comment,) = api_client.comments_api.list(issue_id=issue.id)[0].results
    assert (comment.issue, comment.message, comment.owner.username) == (
        issue.id,
        "dent or scratch?",
        shared_cvat_server.user,
    )
    assert issue.comments.count == 1


def test_a_job_counts_its_issues_resolved_ones_too(api_client, job_ids, ask):
    ask(job_ids[0])
    ask(job_ids[0], resolved=True)
    counts = [api_client.jobs_api.retrieve(job_id)[0].issues.count for job_id in job_ids]
    assert counts == [2, 0]


def test_an_issue_is_resolved_moved_and_assigned(api_client, shared_api, job_ids, ask):
    issue = ask(job_ids[0])
    me = shared_api.call("GET", "users/self")["id"]
    patch = models.PatchedIssueWriteRequest(resolved=True, position=[1.0, 2.0], assignee=me)
    changed = api_client.issues_api.partial_update(issue.id, patched_issue_write_request=patch)[0]
    assert (changed.resolved, changed.position, changed.assignee.id) == (True, [1.0, 2.0], me)
    patch = models.PatchedIssueWriteRequest(resolved=False)
    again = api_client.issues_api.partial_update(issue.id, patched_issue_write_request=patch)[0]
    assert (again.resolved, again.position, again.assignee.id) == (False, [1.0, 2.0], me)


def test_where_an_issue_is_and_what_was_said_first_cannot_change(shared_api, job_ids, ask):
    issue = ask(job_ids[0])
    changed = shared_api.call("PATCH", f"issues/{issue.id}", json={"job": job_ids[1], "frame": 2, "message": "other"})
    assert (changed["job"], changed["frame"], changed["comments"]["count"]) == (job_ids[0], 0, 1)


def test_issues_are_found_by_job_task_frame_and_state(api_client, shared_garage, task_id, job_ids, ask):
    first, second = ask(job_ids[0]).id, ask(job_ids[1], frame=2, resolved=True).id
    ask(shared_garage.jobs(shared_garage.new_task())[0])
    assert listed(api_client, task_id=task_id) == [second, first]
    assert listed(api_client, job_id=job_ids[0]) == [first]
    assert listed(api_client, task_id=task_id, frame_id=2) == [second]
    assert listed(api_client, task_id=task_id, resolved=False) == [first]
    assert listed(api_client, task_id=task_id, filter='{"==": [{"var": "resolved"}, true]}') == [second]
    assert listed(api_client, task_id=task_id, sort="id") == [first, second]


def test_comments_are_added_changed_found_and_deleted(api_client, job_ids, ask):
    issue, comments = ask(job_ids[0], frame=1), api_client.comments_api
    answer = comments.create(models.CommentWriteRequest(issue=issue.id, message="a scratch"))[0]
    patch = models.PatchedCommentWriteRequest(message="two scratches")
    comments.partial_update(answer.id, patched_comment_write_request=patch)
    assert comments.retrieve(answer.id)[0].message == "two scratches"
    found = comments.list(job_id=job_ids[0], frame_id=1, sort="id")[0].results
    assert [comment.message for comment in found] == ["dent or scratch?", "two scratches"]
    comments.destroy(answer.id)
    assert api_client.issues_api.retrieve(issue.id)[0].comments.count == 1


def test_an_issue_goes_with_its_comments(api_client, job_ids, ask):
    issue = ask(job_ids[0])
    api_client.issues_api.destroy(issue.id)
    assert api_client.comments_api.list(job_id=job_ids[0])[0].count == 0
    with pytest.raises(ApiException, match="404"):
        api_client.issues_api.retrieve(issue.id)


def test_issues_go_with_their_task(api_client, shared_api, task_id, job_ids, ask):
    issue = ask(job_ids[0])
    shared_api.call("DELETE", f"tasks/{task_id}", status=204)
    with pytest.raises(ApiException, match="404"):
        api_client.issues_api.retrieve(issue.id)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"job": 10**6}, {"job": ['Invalid pk "1000000" - object does not exist.']}),
        ({"message": ""}, {"message": ["This field may not be blank."]}),
        ({"frame": -1}, {"frame": ["Ensure this value is greater than or equal to 0."]}),
        ({"assignee": 10**6}, {"assignee": ['Invalid pk "1000000" - object does not exist.']}),
    ],
)
def test_a_wrong_issue_is_refused_by_field(shared_api, job_ids, wrong, told):
    body = {"job": job_ids[0], "frame": 0, "position": PLACE, "message": "?", **wrong}
    assert shared_api.call("POST", "issues", json=body, status=400) == told


def test_a_comment_needs_its_issue(shared_api):
    told = shared_api.call("POST", "comments", json={"issue": 10**6, "message": "?"}, status=400)
    assert told == {"issue": ['Invalid pk "1000000" - object does not exist.']}


@pytest.mark.parametrize("path", ["issues", "comments"])
def test_nobody_asks_or_answers_without_a_token(shared_api, path):
    for method in ("GET", "POST"):
        shared_api.call(method, path, headers={"Authorization": "Token none"}, json={}, status=401)


def test_data_of_the_version_before_gets_issues_and_keeps_the_rest(cvat_server, api, jpeg):
    task_id = api.new_task(api.new_project())
    api.send(task_id, {"a.jpg": jpeg(0)})
    cvat_server.stop()
    with closing(sqlite3.connect(cvat_server.data_dir / "cvat.sqlite3")) as database:
        statements = ("DROP TABLE comment", "DROP TABLE issue", "ALTER TABLE job DROP COLUMN type")
        for statement in (*statements, "ALTER TABLE job DROP COLUMN frames", "PRAGMA user_version = 2"):
            database.execute(statement)
    cvat_server.restart()
    (job,) = api.call("GET", f"jobs?task_id={task_id}")["results"]
    assert (job["type"], job["frame_count"]) == ("annotation", 1)
    body = {"job": job["id"], "frame": 0, "position": PLACE, "message": "?"}
    assert api.call("POST", "issues", json=body, status=201)["comments"]["count"] == 1
