"""Giving a task its frames: images uploaded from the store, or named where CVAT fetches them itself."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from cvat_sdk import Client
from cvat_sdk.core.helpers import make_request_headers
from cvat_sdk.core.progress import NullProgressReporter
from cvat_sdk.core.uploading import DataUploader
from PIL import Image as PillowImage

from cvat.client import call
from cvat.frames import frame_name
from cvat.settings import CvatSettings
from datasets.coco import Image
from datasets.errors import BadDataset
from datasets.store import ImageStore

Sent = Callable[[int], object]
"""Told of how many more images have been sent."""

_GROUP_BYTES = 32 * 2**20
_SHOWN = 3


class _Answer(msgspec.Struct):
    rq_id: str


def check_images(images: Iterable[Image], store: ImageStore) -> None:
    """Make sure that all can be sent. Raises BadDataset when one is missing, was changed, or is too large."""
    with ThreadPoolExecutor() as pool:
        wrong = [problem for problem in pool.map(lambda image: _problem(image, store), images) if problem]
    if wrong:
        more = f"; and {len(wrong) - _SHOWN} more images" if len(wrong) > _SHOWN else ""
        raise BadDataset(f"nothing was pushed: {'; '.join(wrong[:_SHOWN])}{more}; import their dataset again")


def _problem(image: Image, store: ImageStore) -> str | None:
    path, most = store.path(image.file_name), PillowImage.MAX_IMAGE_PIXELS
    if most and image.width * image.height > most:
        return f"{path} has {image.width} x {image.height} pixels, more than the {most:,} that are safe to decode"
    try:
        with path.open("rb") as handle:
            found = hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"
    return None if found == image.sha256 else f"{path} was changed after it was stored"


def send_images(
    client: Client,
    task_id: int,
    images: Sequence[Image],
    store: ImageStore,
    settings: CvatSettings,
    *,
    validation: Mapping[str, Any] | None = None,
    sent: Sent = lambda count: None,
) -> None:
    """Give a new task its frames, in this order, and wait until CVAT has made them.

    `validation` is what CVAT is to choose as ground truth; honeypots among it need a random order.

    Raises:
        CvatSdkException, ApiException: CVAT does not take them.
    """
    is_shuffled = validation is not None and validation["mode"] == "gt_pool"
    fields: dict[str, Any] = {
        "image_quality": settings.image_quality,
        "sorting_method": "random" if is_shuffled else "predefined",
        **({"validation_params": validation} if validation else {}),
    }
    if settings.source == "upload":
        names = [frame_name(image) for image in images]
        if not is_shuffled:
            fields["upload_file_order"] = names
        files = [(name, store.path(image.file_name)) for name, image in zip(names, images, strict=True)]
        answer = _Uploader(client).upload(f"{client.api_map.host}/api/tasks/{task_id}/data/", files, fields, sent)
    else:
        body = msgspec.json.encode(fields | references(images, settings))
        answer = call(client, "POST", f"/api/tasks/{task_id}/data", body=body)
        sent(len(images))
    client.wait_for_completion(msgspec.json.decode(answer, type=_Answer).rq_id)


def send_video(client: Client, task_id: int, path: Path, name: str, fields: Mapping[str, Any]) -> None:
    """Give a new task the frames of a video, in pieces that go on after a failure.

    Raises:
        CvatSdkException, ApiException: CVAT does not take it.
    """
    answer = _Uploader(client).upload(
        f"{client.api_map.host}/api/tasks/{task_id}/data/", [(name, path)], fields, lambda count: None
    )
    client.wait_for_completion(msgspec.json.decode(answer, type=_Answer).rq_id)


def references(images: Sequence[Image], settings: CvatSettings) -> dict[str, Any]:
    """Where CVAT finds images by itself, as the fields of its data request."""
    place = f"{settings.store_at.rstrip('/')}/" if settings.store_at else ""
    if settings.source == "urls":
        return {"remote_files": [place + quote(image.file_name) for image in images]}
    stored = {"cloud_storage_id": settings.cloud_storage} if settings.source == "cloud" else {}
    return {"server_files": [place + image.file_name for image in images], "use_cache": True, **stored}


class _Uploader(DataUploader):  # type: ignore[misc]
    """cvat-sdk's protocol, with the frames' names instead of the files' own and in smaller requests."""

    def upload(self, url: str, files: Sequence[tuple[str, Path]], fields: Mapping[str, Any], sent: Sent) -> bytes:
        self._tus_start_upload(url)
        for group in _groups(files):
            if len(group) == 1 and _size(group[0]) > _GROUP_BYTES:
                self._upload_in_pieces(url, *group[0])
            else:
                self._upload_group(url, group, fields)
            sent(len(group))
        answer: bytes = self._tus_finish_upload(url, fields=fields).data
        return answer

    def _upload_in_pieces(self, url: str, name: str, path: Path) -> None:
        progress = NullProgressReporter()
        with progress.task(total=path.stat().st_size):
            self._upload_file_data_with_tus(url, path, meta={"filename": name}, pbar=progress)

    def _upload_group(self, url: str, group: Sequence[tuple[str, Path]], fields: Mapping[str, Any]) -> None:
        parts = {f"client_files[{number}]": (name, path.read_bytes()) for number, (name, path) in enumerate(group)}
        headers = {"Content-Type": "multipart/form-data", "Upload-Multiple": ""}
        self._client.api_client.rest_client.POST(
            url,
            post_params={"image_quality": str(fields["image_quality"]), **parts},
            headers={**headers, **make_request_headers(self._client.api_client)},
        )


def _size(file: tuple[str, Path]) -> int:
    return file[1].stat().st_size


def _groups(files: Sequence[tuple[str, Path]]) -> list[list[tuple[str, Path]]]:
    """Files that go in one request each, in their order; one that is too large for a request is alone."""
    groups: list[list[tuple[str, Path]]] = []
    room = 0
    for file in files:
        size = _size(file)
        if not groups or size > room:
            groups.append([])
            room = _GROUP_BYTES
        groups[-1].append(file)
        room -= size
    return groups
