"""One worker process of a function: `python -m nuclio_functions.host.worker FOLDER main:handler WORKER_ID`.

It is to the host what Nuclio's Python wrapper is to the processor: it imports the handler's file, calls `init_context`
once, then `handler` for one event at a time. It leads a process group of its own, so that Ctrl-C is the host's alone,
and ends with the host, even in the middle of a call, together with whatever its handler has forked.
Source: pkg/processor/runtime/python/py/_nuclio_wrapper.py of https://github.com/nuclio/nuclio.
"""

import base64
import importlib
import json
import logging
import os
import signal
import sys
import time
import traceback
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, BinaryIO

from nuclio_sdk import Context, Event, Logger, Platform, Response, TriggerInfo
from nuclio_sdk.logger import HumanReadableFormatter

from nuclio_functions.host.protocol import Answer, Call, pack, read_call, refusal

Handler = Callable[[Any, Any], Any]


def serve_worker(folder: Path, handler_spec: str, worker_id: int, calls: BinaryIO, answers: BinaryIO) -> None:
    """Answer calls until their stream ends."""
    queue: SimpleQueue[Call] = SimpleQueue()
    Thread(target=_queue_calls, args=(calls, queue), daemon=True).start()
    context = make_context(worker_id)
    handler = load_handler(folder, handler_spec, context)
    _write(answers, Answer())
    while True:
        _write(answers, answer(handler, context, queue.get()))


def _queue_calls(calls: BinaryIO, queue: SimpleQueue[Call]) -> None:
    while call := read_call(calls):
        queue.put(call)
    with suppress(ProcessLookupError):
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(0)  # when it was started without a group of its own


def _write(answers: BinaryIO, message: Answer) -> None:
    answers.write(pack(message))
    answers.flush()


def make_context(worker_id: int) -> Any:
    """Nuclio's context, with a logger that writes to standard error."""
    logger = Logger(logging.INFO)
    logger.set_handler("default", sys.stderr, HumanReadableFormatter())
    return Context(logger, Platform("local", namespace="nuclio"), worker_id, TriggerInfo("http", "http"))


def load_handler(folder: Path, handler_spec: str, context: Any) -> Handler:
    """Import `module:function` from the folder and run the module's `init_context`, where it has one."""
    module_name, function_name = handler_spec.split(":")
    sys.path.insert(0, str(folder))
    module = importlib.import_module(module_name)
    if hasattr(module, "init_context"):
        module.init_context(context)
    handler: Handler = getattr(module, function_name)
    return handler


def answer(handler: Handler, context: Any, call: Call) -> Answer:
    """What the handler makes of a call; 500 when it raises."""
    try:
        return to_answer(handler(context, to_event(call)))
    except Exception as error:
        context.logger.error(traceback.format_exc())
        return refusal(500, f"the handler raised {type(error).__name__}: {error}")


def to_event(call: Call) -> Any:
    """Nuclio's event for a call; its body is a dict only if the content type is exactly application/json."""
    return Event(
        body=_parsed(call.body) if call.content_type == "application/json" else call.body,
        content_type=call.content_type,
        trigger=TriggerInfo("http", "http"),
        fields=call.fields,
        headers=call.headers,
        _id=str(uuid.uuid4()),
        method=call.method,
        path=call.path,
        size=len(call.body),
        timestamp=time.time(),
        url=call.path,
    )


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body.decode())
    except (ValueError, RecursionError):  # as nuclio-sdk does: what is no JSON, or nested too deeply, stays bytes
        return body


def to_answer(output: Any) -> Answer:
    """The handler's output as Nuclio's SDK reads it. Raises TypeError for a bare list, which Nuclio would split."""
    if isinstance(output, list):
        raise TypeError("a bare list is several replies to Nuclio; return context.Response(body=json.dumps(…))")
    response = Response.from_entrypoint_output(json.dumps, output)
    text = response["body"]
    body = base64.b64decode(text) if response["body_encoding"] == "base64" else text.encode()
    return Answer(body, response["status_code"], response["content_type"], response["headers"])


def main() -> None:
    folder, handler_spec, worker_id = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a handler prints must not run into the answers
    serve_worker(Path(folder), handler_spec, int(worker_id), sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
