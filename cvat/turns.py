"""Jobs to annotators, in turns."""

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec
from cvat_sdk import Client

from cvat.client import call, read_all, repeat
from cvat.errors import CvatConflict
from cvat.jobs import Job, User


def find_users(client: Client, names: Sequence[str]) -> list[User]:
    """Users by name, in this order. Raises CvatConflict where CVAT has none of a name."""
    found = {name: _find(client, name) for name in names}
    if unknown := [name for name, user in found.items() if user is None]:
        raise CvatConflict(f"CVAT has no user {', '.join(map(repr, unknown))}; register them there, or mend --assign")
    return [user for user in found.values() if user is not None]


def _find(client: Client, name: str) -> User | None:
    users = read_all(client, "/api/users", User, {"search": name})
    return next((user for user in users if user.username == name), None)


class Turns:
    """Whose turn it is: the one of several users who has the fewest jobs, in their order."""

    def __init__(self, users: Sequence[User], jobs: Iterable[Job]) -> None:
        self._users = users
        self._load = Counter(job.assignee.id for job in jobs if job.assignee)

    def take(self) -> User:
        """The user whose turn it is, who then has a job more."""
        user = min(self._users, key=lambda one: self._load[one.id])
        self._load[user.id] += 1
        return user

    def write(self, client: Client, jobs: Iterable[Job]) -> int:
        """Give each job that nobody has to the next user; gives how many that were. Raises CvatError."""
        free = [job for job in jobs if job.assignee is None and self._users]
        for job in free:
            _assign(client, job, self.take())
        return len(free)


def _assign(client: Client, job: Job, user: User) -> None:
    body = msgspec.json.encode({"assignee": user.id})
    repeat(lambda: call(client, "PATCH", f"/api/jobs/{job.id}", body=body))
