"""What the server is told at its start: flags, and the user from the environment."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from cvat.embedded.errors import CannotServe

USER_VARIABLE = "CARLOOP_CVAT_USER"
PASSWORD_VARIABLE = "CARLOOP_CVAT_PASSWORD"


class Limits(BaseModel):
    """How large an upload may become once it is unpacked or decoded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_pixels: int = Field(default=89_478_485, gt=0, description="width x height of one image; Pillow's own limit")
    zip_members: int = Field(default=100_000, gt=0, description="files in one archive")
    zip_ratio: int = Field(default=200, gt=0, description="unpacked bytes for each packed byte, beyond 10 MB unpacked")


class Settings(BaseModel):
    """Where the server listens, where its data lies and who may log in. Port 0 means any free port."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535)
    data_dir: Path
    user: str = Field(min_length=1, max_length=150)
    password: SecretStr = Field(min_length=1)
    ready_file: Path | None = None
    exit_with_stdin: bool = False
    limits: Limits = Limits()


def read_settings(arguments: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Settings from command-line arguments and the environment.

    Raises:
        CannotServe: the user or the password is not in the environment.
    """
    flags = _parser().parse_args(arguments)
    user, password = environ.get(USER_VARIABLE), environ.get(PASSWORD_VARIABLE)
    if not user or not password:
        raise CannotServe(
            f"no user is configured; set {USER_VARIABLE} and {PASSWORD_VARIABLE} to the name and password to log in"
        )
    return Settings(user=user, password=SecretStr(password), **vars(flags))


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{port} is not a port; give one from 0 to 65535")
    return port


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m cvat.embedded", description="Serve a CVAT-compatible API from a folder."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=0, help="port; 0 takes a free one (default: %(default)s)")
    parser.add_argument("--data", dest="data_dir", type=Path, required=True, metavar="DIR", help="folder of the data")
    parser.add_argument("--ready-file", type=Path, metavar="PATH", help="file that gets the URL once it is served")
    parser.add_argument("--exit-with-stdin", action="store_true", help="end when standard input is closed")
    return parser
