"""Users, passwords and logins. Passwords are hashed with argon2; of a token only its SHA-256 is stored."""

import hashlib
import hmac
import secrets
import threading
from datetime import timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from cvat.embedded.database import timestamp
from cvat.embedded.errors import BadRequest, NotAuthenticated
from cvat.embedded.tables import Token, User

#: How long a login lasts. CVAT's keys have no end; here they have one, because each login makes a new key.
LIFETIME = timedelta(days=30)

KEY, SESSION = "key", "session"

#: One of OWASP's choices (https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html), in KiB:
#: the one whose memory is a block so large that it goes back to the system after each check.
_hasher = PasswordHasher(time_cost=1, memory_cost=46 * 1024, parallelism=1)

#: A check takes all that memory, so it is done for one client at a time.
_checking = threading.Lock()


def ensure_user(session: Session, username: str, password: str) -> None:
    """Create the user, or give it this password; a changed password ends all its logins."""
    user = session.scalar(select(User).where(User.username == username))
    if user is None:
        hashed = _hasher.hash(password)
        session.add(User(username=username, password_hash=hashed, date_joined=timestamp()))
    elif not _matches(user, password):
        user.password_hash = _hasher.hash(password)
        session.execute(delete(Token).where(Token.user_id == user.id))


def find_user(session: Session, username: str, password: str) -> User:
    """The user with this name and password. Raises BadRequest, with CVAT's words, where there is none."""
    user = session.scalar(select(User).where(User.username == username))
    if user is None or not _matches(user, password):
        raise BadRequest({"non_field_errors": ["Unable to log in with provided credentials."]})
    return user


def issue_token(session: Session, user: User, kind: str) -> str:
    """A new secret for the user; logins that have expired are forgotten on the way."""
    session.execute(delete(Token).where(Token.expires_date < timestamp()))
    secret = secrets.token_hex(20)
    expires = timestamp(after=LIFETIME)
    session.add(Token(digest=_digest(secret), user_id=user.id, kind=kind, expires_date=expires))
    return secret


def read_user_of_token(session: Session, secret: str, kind: str) -> User:
    """Who logged in with this secret. Raises NotAuthenticated."""
    digest = _digest(secret)
    token = session.get(Token, digest)
    if token is None or not hmac.compare_digest(token.digest, digest):
        raise NotAuthenticated("Invalid token.")
    if token.kind != kind or token.expires_date < timestamp():
        raise NotAuthenticated("Invalid token.")
    return session.get_one(User, token.user_id)


def forget_token(session: Session, secret: str) -> None:
    """End one login."""
    session.execute(delete(Token).where(Token.digest == _digest(secret)))


def _matches(user: User, password: str) -> bool:
    try:
        with _checking:
            return _hasher.verify(user.password_hash, password)
    except (VerifyMismatchError, InvalidHashError):
        return False


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
