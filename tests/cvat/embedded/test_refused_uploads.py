"""Uploads that are refused: the request says why, and the task stays empty."""

import struct
import zlib

import pytest


@pytest.fixture
def task_id(shared_api):
    return shared_api.new_task(shared_api.new_project())


def png_that_declares(width, height):
    """A PNG of a few bytes whose header declares any size."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def assert_refused(api, task_id, files, *words, **fields):
    state = api.send(task_id, files, **fields)
    assert state["status"] == "failed"
    for word in words:
        assert word in state["message"]
    assert api.frames(task_id) == []


@pytest.mark.parametrize("name", ["../evil.jpg", "a/../../evil.jpg", "/etc/evil.jpg", "C:/evil.jpg", "..\\evil.jpg"])
def test_a_zip_with_a_file_outside_its_folder_is_refused(shared_api, task_id, jpeg, make_zip, name):
    assert_refused(
        shared_api, task_id, {"all.zip": make_zip({"fine.jpg": jpeg(0), name: jpeg(1)})}, "outside", "evil.jpg"
    )


def test_a_zip_that_unpacks_to_far_more_is_refused(shared_api, task_id, make_zip):
    assert_refused(shared_api, task_id, {"bomb.zip": make_zip({"zeros.jpg": bytes(20 * 2**20)})}, "bomb.zip", "times")


def test_a_file_that_only_claims_to_be_a_zip_is_refused(shared_api, task_id):
    assert_refused(shared_api, task_id, {"all.zip": b"PK but nothing more"}, "all.zip", "cannot be read")


@pytest.mark.parametrize("size", [(12_000, 9_000), (60_000, 60_000)])
def test_an_image_with_too_many_pixels_is_refused_undecoded(shared_api, task_id, jpeg, size):
    assert_refused(shared_api, task_id, {"a.jpg": jpeg(0), "huge.png": png_that_declares(*size)}, "huge.png", "pixels")


def test_a_file_that_is_no_image_is_refused_by_name(shared_api, task_id, jpeg):
    assert_refused(shared_api, task_id, {"a.jpg": jpeg(0), "b.jpg": b"text"}, "b.jpg", "no image that is")


def test_an_order_that_does_not_fit_the_files_is_refused(shared_api, task_id, jpeg):
    order = {"sorting_method": "predefined", "upload_file_order[0]": "other.jpg"}
    assert_refused(shared_api, task_id, {"a.jpg": jpeg(0)}, "upload_file_order", "other.jpg", **order)


def test_two_files_of_one_name_are_refused_at_once(shared_api, task_id, jpeg):
    files = [("client_files[0]", ("x/a.jpg", jpeg(0))), ("client_files[1]", ("y/a.jpg", jpeg(1)))]
    told = shared_api.call("POST", f"tasks/{task_id}/data", files=files, status=400)
    assert "a.jpg" in told["client_files"][0]


def test_after_a_refused_upload_the_task_takes_a_good_one(shared_api, task_id, jpeg):
    assert_refused(shared_api, task_id, {"b.jpg": b"text"}, "b.jpg")
    assert shared_api.send(task_id, {"a.jpg": jpeg(0)})["status"] == "finished"
    assert shared_api.frames(task_id) == ["a.jpg"]
