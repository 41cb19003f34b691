"""Videos: which frames become those of a task, and what is no video."""

import io
import zipfile

import cv2
import numpy as np
import pytest
from PIL import Image

from cvat.embedded.errors import RefusedUpload
from cvat.embedded.videos import VideoFrame, probe_video, reading

GREY = 10


def make_video(path, count, size=(64, 48), codec="MJPG"):
    """Frame n is grey, 10 times n bright."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 10, size)
    for number in range(count):
        writer.write(np.full((size[1], size[0], 3), GREY * number, np.uint8))
    writer.release()
    return path.read_bytes()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_video(tmp_path_factory.mktemp("videos") / "clip.avi", 12)


def shown(content):
    return round(np.asarray(Image.open(io.BytesIO(content)).convert("L")).mean() / GREY)


def frame(api, place, number, quality="original"):
    url = f"{api.server.url}/api/{place}/data?type=frame&number={number}&quality={quality}"
    return api.session.get(url)


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ({}, list(range(12))),
        ({"frame_filter": "step=5"}, [0, 5, 10]),
        ({"start_frame": 3, "stop_frame": 9, "frame_filter": "step=3"}, [3, 6, 9]),
        ({"start_frame": 10, "stop_frame": 99}, [10, 11]),
    ],
)
def test_the_frames_asked_for_become_those_of_the_task(shared_garage, clip, options, numbers):
    api = shared_garage.api
    task_id = api.new_task(shared_garage.project_id)
    assert api.send(task_id, {"clip.avi": clip}, **options)["status"] == "finished"
    meta = api.call("GET", f"tasks/{task_id}/data/meta")
    assert (meta["size"], meta["start_frame"], meta["stop_frame"]) == (len(numbers), numbers[0], numbers[-1])
    backwards = reversed(range(len(numbers)))
    assert [shown(frame(api, f"tasks/{task_id}", i).content) for i in backwards] == numbers[::-1]


@pytest.fixture(scope="module")
def task_id(shared_garage, clip):
    """Every second frame, in jobs of three."""
    made = shared_garage.api.new_task(shared_garage.project_id, segment_size=3, overlap=0)
    shared_garage.api.send(made, {"clip.avi": clip}, frame_filter="step=2", chunk_size=2, use_zip_chunks="true")
    return made


def test_a_job_of_a_video_shows_its_own_frames(shared_garage, task_id):
    api, (_, second) = shared_garage.api, shared_garage.jobs(task_id)
    job = api.call("GET", f"jobs/{second}")
    assert (job["mode"], job["data_original_chunk_type"], job["start_frame"]) == ("interpolation", "video", 3)
    assert shown(frame(api, f"jobs/{second}", 4).content) == 8
    assert [item["name"] for item in api.call("GET", f"jobs/{second}/data/meta")["frames"]] == ["clip.avi"]


def test_a_chunk_of_a_video_is_a_video_or_where_that_is_asked_for_a_zip_of_images(shared_garage, task_id, tmp_path):
    url = f"{shared_garage.api.server.url}/api/tasks/{task_id}/data?type=chunk&number=1&quality="
    original = shared_garage.api.session.get(url + "original")
    assert original.headers["Content-Type"] == "video/mp4"
    (tmp_path / "chunk.mp4").write_bytes(original.content)
    assert len(probe_video(tmp_path / "chunk.mp4", "", max_pixels=10**6, max_frames=9).frames) == 2
    compressed = shared_garage.api.session.get(url + "compressed")
    with zipfile.ZipFile(io.BytesIO(compressed.content)) as archive:
        assert [shown(archive.read(name)) for name in archive.namelist()] == [4, 6]


def test_an_export_names_frames_by_their_place_in_the_video(shared_garage, task_id):
    archive = shared_garage.api.export("tasks", task_id, "COCO 1.0", images=True)
    images = [name for name in archive.namelist() if name.startswith("images/")]
    assert images == [f"images/default/frame_{number:06d}.PNG" for number in range(0, 12, 2)]
    assert shown(archive.read(images[4])) == 8


def test_each_frame_is_found_in_any_order_where_most_depend_on_others(tmp_path):
    make_video(tmp_path / "clip.mp4", 25, codec="mp4v")
    video = probe_video(tmp_path / "clip.mp4", "clip.mp4", max_pixels=10**6, max_frames=99)
    with reading(tmp_path / "clip.mp4") as opened:
        wanted = [20, 3, 3, 24, 0, 11]
        assert [round(opened.picture(video.frames[n]).mean() / GREY) for n in wanted] == wanted


def test_a_jump_that_lands_on_another_frame_is_put_right(tmp_path):
    make_video(tmp_path / "clip.avi", 12)
    with reading(tmp_path / "clip.avi") as opened:
        opened._next = 10  # so that frame 5 takes a jump
        assert round(opened.picture(VideoFrame(5, time=-1.0)).mean() / GREY) == 5


PLAYLIST = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"


@pytest.mark.parametrize("content", [b"", b"text", PLAYLIST, b"RIFF\0\0\0\0AVI but no more", b"\0\0\0\x18ftypmp42" * 9])
def test_what_is_no_video_is_refused_by_name(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(RefusedUpload, match=r"clip\.mp4: this is not a video"):
        probe_video(tmp_path / "x", "clip.mp4", max_pixels=10**6, max_frames=99)


@pytest.mark.parametrize(("limit", "word"), [({"max_pixels": 100}, "pixels"), ({"max_frames": 11}, "frames")])
def test_a_video_that_is_too_large_is_refused(tmp_path, clip, limit, word):
    (tmp_path / "clip.avi").write_bytes(clip)
    with pytest.raises(RefusedUpload, match=word):
        probe_video(tmp_path / "clip.avi", "clip.avi", **{"max_pixels": 10**6, "max_frames": 99, **limit})


def test_a_video_beside_images_is_refused(shared_garage, clip, jpeg):
    task_id = shared_garage.api.new_task(shared_garage.project_id)
    state = shared_garage.api.send(task_id, {"clip.avi": clip, "a.jpg": jpeg(1)})
    assert (state["status"], "either one video or images" in state["message"]) == ("failed", True)


@pytest.mark.parametrize("place", ["tasks", "jobs", "projects"])
def test_a_preview_is_a_small_picture_of_the_first_frame(garage, clip, place):
    api = garage.api
    task_id = api.new_task(garage.project_id)
    url = f"{api.server.url}/api/{place}/{{}}/preview"
    assert api.session.get(url.format(10**6)).status_code == 404
    assert api.session.get(f"{api.server.url}/api/tasks/{task_id}/preview").status_code == 404  # no images yet
    api.send(task_id, {"clip.avi": clip}, start_frame=5)
    target = {"tasks": task_id, "projects": garage.project_id}.get(place) or garage.jobs(task_id)[0]
    answer = api.session.get(url.format(target))
    assert (answer.headers["Content-Type"], shown(answer.content)) == ("image/jpeg", 5)
