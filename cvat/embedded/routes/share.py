"""What lies on the file share."""

from dataclasses import asdict

from fastapi import APIRouter

from cvat.embedded.errors import RefusedUpload
from cvat.embedded.http import Caller, Reply

router = APIRouter()


@router.get("/server/share")
def list_share(call: Caller, directory: str = "/", search: str = "") -> Reply:
    """The files and folders of one folder; a server without a share has none."""
    try:
        found = call.context.share.list_folder(directory, search)
    except RefusedUpload as error:
        return Reply(str(error), status_code=400)
    return Reply([asdict(entry) for entry in found])
