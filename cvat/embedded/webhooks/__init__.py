"""Webhooks: which events there are, who is told of them, and sending the messages."""
