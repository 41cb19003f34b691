"""What the server is told at its start: flags, and the user from the environment."""

import argparse
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, DirectoryPath, Field, SecretStr

from cvat.embedded.errors import CannotServe

USER_VARIABLE = "CARLOOP_CVAT_USER"
PASSWORD_VARIABLE = "CARLOOP_CVAT_PASSWORD"
NUCLIO_VARIABLE = "CARLOOP_NUCLIO_URL"
SHARE_VARIABLE = "CARLOOP_CVAT_SHARE"
WEBHOOK_VARIABLE = "CARLOOP_WEBHOOK_NETWORKS"

_EPILOG = f"""environment:
  {USER_VARIABLE}, {PASSWORD_VARIABLE}
                           who may log in
  {SHARE_VARIABLE}       folder of the file share, unless --share names one (default: there is none)
  {NUCLIO_VARIABLE}       address of Nuclio's dashboard (default: http://127.0.0.1:8070)
  {WEBHOOK_VARIABLE} private networks that webhooks may reach, as in 10.0.0.0/8, with commas between
                           (default: this machine while --host is on it, else none)"""

Network = IPv4Network | IPv6Network

_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


class Limits(BaseModel):
    """How large an upload may become once it is unpacked or decoded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_pixels: int = Field(default=89_478_485, gt=0, description="width x height of one image; Pillow's own limit")
    video_frames: int = Field(default=500_000, gt=0, description="frames of one video")
    zip_members: int = Field(default=100_000, gt=0, description="files in one archive")
    text_bytes: int = Field(default=200 * 2**20, gt=0, description="a file of an archive that is read whole, as JSON")
    zip_ratio: int = Field(default=200, gt=0, description="unpacked bytes for each packed byte, beyond 10 MB unpacked")


class Settings(BaseModel):
    """Where the server listens, where its data lies and who may log in. Port 0 means any free port."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535)
    data_dir: Path
    share_dir: DirectoryPath | None = None
    user: str = Field(min_length=1, max_length=150)
    password: SecretStr = Field(min_length=1)
    ready_file: Path | None = None
    exit_with_stdin: bool = False
    nuclio_url: str = "http://127.0.0.1:8070"
    webhook_networks: tuple[Network, ...] | None = None
    limits: Limits = Limits()

    @property
    def private_networks(self) -> tuple[Network, ...]:
        """The networks, apart from the public one, that webhooks may reach. Without a setting: this machine alone, and
        that only while all clients are on it too, so that a webhook lets nobody reach what he could not reach himself.
        """
        if self.webhook_networks is not None:
            return self.webhook_networks
        return _LOOPBACK if self.host == "localhost" or ip_address(self.host).is_loopback else ()


def read_settings(arguments: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Settings from command-line arguments and the environment.

    Raises:
        CannotServe: the user or the password is not in the environment, a network there is none, or the share is no
            folder.
    """
    flags = _parser().parse_args(arguments)
    flags.share_dir = flags.share_dir or _shared(environ)
    if flags.share_dir is not None and not flags.share_dir.is_dir():
        raise CannotServe(f"{flags.share_dir}: the share is no folder; choose another with --share or {SHARE_VARIABLE}")
    user, password = environ.get(USER_VARIABLE), environ.get(PASSWORD_VARIABLE)
    if not user or not password:
        raise CannotServe(
            f"no user is configured; set {USER_VARIABLE} and {PASSWORD_VARIABLE} to the name and password to log in"
        )
    return Settings(user=user, password=SecretStr(password), **vars(flags), **_named_services(environ))


def _shared(environ: Mapping[str, str]) -> Path | None:
    named = environ.get(SHARE_VARIABLE)
    return Path(named) if named else None


def _named_services(environ: Mapping[str, str]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    if url := environ.get(NUCLIO_VARIABLE):
        named["nuclio_url"] = url
    if (text := environ.get(WEBHOOK_VARIABLE)) is not None:
        try:
            named["webhook_networks"] = tuple(ip_network(item.strip()) for item in text.split(",") if item.strip())
        except ValueError as error:
            raise CannotServe(
                f"{WEBHOOK_VARIABLE}: {error}; give networks as in 10.0.0.0/8, with commas between, or nothing for none"
            ) from None
    return named


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{port} is not a port; give one from 0 to 65535")
    return port


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m cvat.embedded",
        description="Serve a CVAT-compatible API from a folder.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=0, help="port; 0 takes a free one (default: %(default)s)")
    parser.add_argument("--data", dest="data_dir", type=Path, required=True, metavar="DIR", help="folder of the data")
    parser.add_argument(
        "--share", dest="share_dir", type=Path, metavar="DIR", help="folder that tasks can take images from by name"
    )
    parser.add_argument("--ready-file", type=Path, metavar="PATH", help="file that gets the URL once it is served")
    parser.add_argument("--exit-with-stdin", action="store_true", help="end when standard input is closed")
    return parser
