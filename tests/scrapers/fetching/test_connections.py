"""The HTTP of a transfer, answered by servers that say exactly what a test wants, over plain sockets and TLS."""

import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from scrapers.fetching.answers import Arrived, Fate, Outcome, Wanted
from scrapers.fetching.bulk import transfer
from scrapers.fetching.settings import FetchSettings, HostSettings
from tests.scrapers.misbehaving_site import head, photograph

NAME = "cars.test"


class Server(ThreadingTCPServer):
    """Answers every request but the one for robots.txt with `reply`; `connections` counts what was opened."""

    daemon_threads = True

    def __init__(self, reply: Callable[[str], bytes], *, hangs_up: bool, context: ssl.SSLContext | None) -> None:
        self.reply, self.hangs_up, self.context = reply, hangs_up, context
        self.connections = 0
        super().__init__(("127.0.0.1", 0), Handler)

    def get_request(self) -> Any:
        sock, address = super().get_request()
        self.connections += 1
        return (self.context.wrap_socket(sock, server_side=True) if self.context else sock), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients hang up."""


class Handler(StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        while line := self.rfile.readline():
            path = line.split()[1].decode()
            while self.rfile.readline().strip():
                pass
            is_robots = path == "/robots.txt"
            self.wfile.write(head("404 Not Found", length=0) if is_robots else self.server.reply(path))
            if self.server.hangs_up and not is_robots:
                return


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(
        reply: Callable[[str], bytes], *, hangs_up: bool = False, context: ssl.SSLContext | None = None
    ) -> Server:
        server = Server(reply, hangs_up=hangs_up, context=context)
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def bring(server: Server, paths: list[str], *, scheme: str = "http", at_once: int = 1) -> list[Fate]:
    """The fates of images on a server, whose name only the resolver knows."""
    host = f"{NAME}:{server.server_address[1]}"
    settings = FetchSettings(allow_private=(host,), attempts=1, timeout_s=5, private=HostSettings(at_once=at_once))

    def ignore(arrived: Arrived) -> None:
        assert arrived.read() == photograph()

    wanted = [Wanted(f"{scheme}://{host}{path}") for path in paths]
    return list(transfer(wanted, ignore, settings=settings, resolve=lambda host, port: ["127.0.0.1"]))


def whole(path: str) -> bytes:
    return head(length=len(photograph())) + photograph()


def test_one_connection_serves_many_requests(serve: Callable[..., Server]) -> None:
    server = serve(whole)
    assert {fate.outcome for fate in bring(server, [f"/{number}.jpg" for number in range(20)])} == {Outcome.STORED}
    assert server.connections == 1


def test_a_connection_that_was_closed_meanwhile_is_opened_again(serve: Callable[..., Server]) -> None:
    server = serve(whole, hangs_up=True)
    assert {fate.outcome for fate in bring(server, ["/1.jpg", "/2.jpg", "/3.jpg"])} == {Outcome.STORED}
    assert server.connections == 3


PARTS = [photograph()[:100], photograph()[100:]]
BODIES = {
    "in chunks": head("200 OK", "Transfer-Encoding: chunked")
    + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in PARTS)
    + b"0\r\n\r\n",
    "until the server hangs up": head() + photograph(),
    "after words of patience": head("103 Early Hints", "Link: </a.css>") + whole(""),
}


@pytest.mark.parametrize("way", BODIES)
def test_a_body_is_read_however_its_end_is_told(way: str, serve: Callable[..., Server]) -> None:
    (fate,) = bring(serve(lambda path: BODIES[way], hangs_up=True), ["/car.jpg"])
    assert fate.outcome is Outcome.STORED
    assert fate.answer is not None
    assert "link" not in fate.answer.headers


ODD = {
    "endless headers": (
        head("200 OK", *[f"X-{number}: {'x' * 1000}" for number in range(1000)]),
        "headers are larger than",
    ),
    "another protocol": (head("101 Switching Protocols", "Upgrade: h2c", "Connection: upgrade"), "not answer in HTTP"),
    "two lengths": (head("200 OK", "Content-Length: 5", "Content-Length: 7") + b"1234567", "not answer in HTTP"),
    "half a chunk": (head("200 OK", "Transfer-Encoding: chunked") + b"ff\r\n" + PARTS[0], "ends in its middle"),
}


@pytest.mark.parametrize("way", ODD)
def test_what_is_no_whole_answer_is_none(way: str, serve: Callable[..., Server]) -> None:
    reply, reason = ODD[way]
    (fate,) = bring(serve(lambda path: reply, hangs_up=True), ["/car.jpg"])
    assert fate.outcome is Outcome.FAILED
    assert reason in str(fate.reason)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for NAME, with its key, that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize("is_trusted", [True, False])
def test_a_certificate_must_be_vouched_for_and_for_the_name(
    is_trusted: bool, serve: Callable[..., Server], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    (fate,) = bring(serve(whole, context=context), ["/car.jpg"], scheme="https")
    assert fate.outcome is (Outcome.STORED if is_trusted else Outcome.FAILED)
    assert is_trusted or "CERTIFICATE_VERIFY_FAILED" in str(fate.reason)
