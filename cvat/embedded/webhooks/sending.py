"""Sending messages from the table of outgoing ones. Each is sent at least once, over a kill too, and then logged."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import delete, select

from cvat.embedded.database import Database, timestamp
from cvat.embedded.settings import Network
from cvat.embedded.tables import Delivery, Outgoing, Webhook
from cvat.embedded.webhooks.posting import Answer, post
from cvat.embedded.workers import Workers

#: A webhook's messages go out in order, on one of these threads; one that does not answer holds up few others.
_THREADS = 4


class Sender:
    """Sends messages in the background. As in CVAT 2.54, one that a receiver does not take is not sent again."""

    def __init__(self, database: Database, private_networks: Sequence[Network]) -> None:
        self._database = database
        self._private_networks = private_networks
        self._workers = [Workers(self._send, threads=1) for _ in range(_THREADS)]

    def start(self) -> None:
        """Begin with what an earlier process left unsent."""
        with self._database.reading() as session:
            self.put(session.scalars(select(Outgoing).order_by(Outgoing.id)).all())

    def put(self, messages: Iterable[Outgoing]) -> None:
        """Send messages that are stored."""
        for message in messages:
            self._workers[message.webhook_id % _THREADS].put(message.id)

    def send_now(self, webhook: Webhook, payload: Mapping[str, Any]) -> Delivery:
        """Send one message and wait for the answer."""
        answer = self._post(webhook, payload)
        with self._database.writing() as session:
            delivery = _delivery(webhook.id, payload, answer, redelivery=False)
            session.add(delivery)
        return delivery

    def _send(self, message_id: int) -> None:
        with self._database.reading() as session:
            message = session.get_one(Outgoing, message_id)
        answer = self._post(message, message.payload)
        with self._database.writing() as session:
            session.execute(delete(Outgoing).where(Outgoing.id == message_id))
            if session.get(Webhook, message.webhook_id) is not None:  # else its project is gone, and its log
                session.add(_delivery(message.webhook_id, message.payload, answer, redelivery=message.redelivery))

    def _post(self, target: Webhook | Outgoing, payload: Mapping[str, Any]) -> Answer:
        return post(
            target.target_url,
            orjson.dumps(payload),
            target.secret,
            verify=target.enable_ssl,
            private_networks=self._private_networks,
        )


def _delivery(webhook_id: int, payload: Mapping[str, Any], answer: Answer, *, redelivery: bool) -> Delivery:
    return Delivery(
        webhook_id=webhook_id,
        event=payload["event"],
        status_code=answer.status,
        redelivery=redelivery,
        changed_fields=",".join(payload.get("before_update", ())),
        request=dict(payload),
        response=answer.text,
        created_date=timestamp(),
    )
