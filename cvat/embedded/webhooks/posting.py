"""One signed POST to an address that a user named: only to networks that are allowed, with limits on time and size."""

import hashlib
import hmac
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

import urllib3

from cvat.embedded.settings import WEBHOOK_VARIABLE, Network
from datasets.errors import BadInput

#: As in CVAT: seconds to wait for an answer, and the longest answer that is kept.
TIMEOUT = 10
MAX_ANSWER_BYTES = 2**20

_PORTS = {"http": 80, "https": 443}


class Refused(BadInput):
    """An address that the server may not post to."""


@dataclass(frozen=True)
class Answer:
    """What came back. Without an answer it is CVAT's 502, or 504 when it took too long, and `text` says why."""

    status: int
    text: str


def signature(body: bytes, secret: str) -> dict[str, str]:
    """The header by which a receiver knows that the sender has the secret."""
    if not secret:
        return {}
    return {"X-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def post(url: str, body: bytes, secret: str, *, verify: bool, private_networks: Sequence[Network]) -> Answer:
    """Post JSON. Redirects are not followed, as they could lead anywhere; `verify` is about the TLS certificate."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    headers = {"Host": parts.netloc.rpartition("@")[2], "Content-Type": "application/json", **signature(body, secret)}
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        address = find_address(host, port, private_networks)
        with _connect(parts.scheme, host, address, port, verify=verify) as pool:
            answer = pool.urlopen("POST", path, body, headers, preload_content=False, redirect=False)
            content = answer.read(MAX_ANSWER_BYTES + 1)
    except Refused as error:
        return Answer(502, str(error))
    except urllib3.exceptions.ReadTimeoutError as error:
        return Answer(504, str(error))
    except (urllib3.exceptions.HTTPError, OSError, UnicodeError) as error:  # UnicodeError: no name of a host
        return Answer(502, str(error))
    return Answer(answer.status, "" if len(content) > MAX_ANSWER_BYTES else content.decode(errors="replace"))


def find_address(host: str, port: int, private_networks: Sequence[Network]) -> str:
    """The address to connect to. Raises Refused where one of the host's addresses is on a network not allowed."""
    found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for text in found:
        address = ip_address(text)
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        if not address.is_global and not any(address in network for network in private_networks):
            raise Refused(f"{host} is on a private network ({text}); if that is meant, name it in {WEBHOOK_VARIABLE}")
    return found[0]


def _connect(scheme: str, host: str, address: str, port: int, *, verify: bool) -> urllib3.HTTPConnectionPool:
    """A connection to the address that was checked, so that no second look-up can give another one."""
    if scheme == "http":
        return urllib3.HTTPConnectionPool(address, port, timeout=TIMEOUT, retries=False)
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return urllib3.HTTPSConnectionPool(
        address,
        port,
        timeout=TIMEOUT,
        retries=False,
        ssl_context=context,
        server_hostname=host,
        assert_hostname=host if verify else False,
    )
