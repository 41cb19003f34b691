"""Who may use the server, and that secrets are not on the disk."""

import re

import requests


def test_a_wrong_password_is_refused_with_400(shared_cvat_server):
    body = {"username": shared_cvat_server.user, "password": "wrong"}
    answer = requests.post(f"{shared_cvat_server.url}/api/auth/login", json=body)
    assert answer.status_code == 400
    assert answer.json() == {"non_field_errors": ["Unable to log in with provided credentials."]}


def test_without_a_login_nothing_answers_but_what_tells_of_the_server_itself(shared_cvat_server):
    url = f"{shared_cvat_server.url}/api"
    schema = requests.get(f"{url}/schema/").json()
    for path, methods in schema["paths"].items():
        for method in methods:
            answer = requests.request(method, shared_cvat_server.url + re.sub(r"{\w+}", "1", path), json={})
            expected = {"/api/server/about": 200, "/api/auth/login": 400}.get(path, 401)
            assert answer.status_code == expected, (method, path)
    assert requests.post(f"{url}/tasks/1/data", headers={"Upload-Start": ""}).status_code == 401


def test_a_session_cookie_alone_cannot_change_anything(shared_cvat_server):
    url = f"{shared_cvat_server.url}/api"
    session = requests.Session()
    session.post(
        f"{url}/auth/login", json={"username": shared_cvat_server.user, "password": shared_cvat_server.password}
    )
    assert session.get(f"{url}/projects").status_code == 200
    assert session.post(f"{url}/projects", json={"name": "x"}).status_code == 403
    session.headers["X-CSRFToken"] = session.cookies["csrftoken"]
    assert session.post(f"{url}/projects", json={"name": "x"}).status_code == 201


def test_logging_out_ends_the_login(shared_cvat_server):
    session = shared_cvat_server.session()
    assert session.post(f"{shared_cvat_server.url}/api/auth/logout").status_code == 200
    assert session.get(f"{shared_cvat_server.url}/api/users/self").status_code == 401


def test_neither_passwords_nor_tokens_are_in_the_data_folder(shared_cvat_server):
    key = shared_cvat_server.session().headers["Authorization"].removeprefix("Token ")
    for path in shared_cvat_server.data_dir.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert key.encode() not in content
        assert shared_cvat_server.password.encode() not in content


def test_a_new_password_takes_the_place_of_the_old_one_and_ends_its_logins(cvat_server):
    session, old = cvat_server.session(), cvat_server.password
    cvat_server.password = "another one"
    cvat_server.restart()
    assert session.get(f"{cvat_server.url}/api/users/self").status_code == 401
    assert cvat_server.session().get(f"{cvat_server.url}/api/users/self").status_code == 200
    body = {"username": cvat_server.user, "password": old}
    assert requests.post(f"{cvat_server.url}/api/auth/login", json=body).status_code == 400
