"""Nuclio's entry to the tracker; what it does is in nuclio_functions/tracking/."""

from nuclio_functions.interactive import handle
from nuclio_functions.tracking.service import init_tracker


def init_context(context):
    init_tracker(context)


def handler(context, event):
    return handle(context, event)
