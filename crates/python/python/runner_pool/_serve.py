"""The worker side of `runner --define` and `runner each`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any, BinaryIO


def serve(fn: Callable[[Any], Any], protocol: str = "json") -> None:
    """Answers each request on standard input with ``fn(request)``, until the input ends.

    With ``protocol="json"``, requests and results are JSON values, and an exception is the error of its
    request. With ``"text"``, both are lines, and an exception ends the program, which is then started again.

    What ``fn`` and the programs that it starts print goes to standard error, and they read nothing from
    standard input, so that they cannot be taken for replies or take requests::

        import runner_pool
        runner_pool.serve(lambda value: 1 / value)
    """
    if protocol not in ("json", "text"):
        raise ValueError('protocol must be "json" or "text"')
    requests, replies = _private_streams()
    answer = _json_reply if protocol == "json" else _text_reply
    for line in requests:
        replies.write(answer(fn, line.rstrip(b"\n")) + b"\n")
        replies.flush()


def _private_streams() -> tuple[BinaryIO, BinaryIO]:
    """Returns standard input and output, and has everything else use others in their places."""
    sys.stdout.flush()
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return requests, replies


def _json_reply(fn: Callable[[Any], Any], line: bytes) -> bytes:
    try:
        reply = {"result": fn(json.loads(line))}
        # A number that JSON does not have, such as NaN, is an error as well.
        return json.dumps(reply, allow_nan=False).encode()
    except Exception as error:
        return json.dumps({"error": str(error) or type(error).__name__}).encode()


def _text_reply(fn: Callable[[Any], Any], line: bytes) -> bytes:
    result = str(fn(line.decode(errors="surrogateescape"))).encode(errors="surrogateescape")
    if b"\n" in result:
        raise ValueError("a reply is one line")
    return result
