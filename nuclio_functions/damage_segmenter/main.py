"""Nuclio's entry to the segmenter; what it does is in nuclio_functions/segmenting/."""

import os

from nuclio_functions.interactive import handle
from nuclio_functions.segmenting.service import init_segmenter


def init_context(context):
    init_segmenter(context, os.environ)


def handler(context, event):
    return handle(context, event)
