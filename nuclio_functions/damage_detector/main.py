"""Nuclio's entry to the damage detector; what it does is in nuclio_functions/handler.py."""

import os

from nuclio_functions.handler import handle, init_model


def init_context(context):
    init_model(context, os.environ["CARLOOP_BUNDLES"], "damage_detector")


def handler(context, event):
    return handle(context, event)
