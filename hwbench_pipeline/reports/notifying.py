"""Telling somebody of new alarms: one message to a webhook.

Belongs here: the message and its sending. Does not belong here: what is an alarm (`analysis.regressions`).

The address is a secret: whoever has it can write to the channel. It is read from an environment variable and stands in no log,
no error and no table; the errors of the library that sends would quote it, so none of them is passed on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from hwbench_pipeline.reports.comparison import alarm_lines

WEBHOOK_VARIABLE = "HWBENCH_WEBHOOK_URL"
_TIMEOUT_S = 10
_LONGEST_MESSAGE = 3000


class NotificationError(Exception):
    """The message could not be delivered; says why, without the address."""


def message_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """What is told of alarms: how many, and a line for each family."""
    count = len(rows)
    head = f"hwbench: {count} new regression{'s' * (count != 1)} or lost cell{'s' * (count != 1)}"
    text = "\n".join([head, *(f"• {line}" for line in alarm_lines(rows))])
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}…"


def notify(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Post the message as `{"text": …}`, which Slack, Mattermost and their like take. Returns whether it was sent: nothing is
    where there are no alarms or HWBENCH_WEBHOOK_URL is not set.

    Raises `NotificationError` where it was not taken.
    """
    address = os.environ.get(WEBHOOK_VARIABLE)
    if not rows or not address:
        return False
    import requests

    try:
        answer = requests.post(address, json={"text": message_of(rows)}, timeout=_TIMEOUT_S, allow_redirects=False)
        status: int | str = answer.status_code
    except (requests.RequestException, ValueError) as error:
        status = type(error).__name__
    if not (isinstance(status, int) and 200 <= status < 300):
        raise NotificationError(
            f"the webhook of {WEBHOOK_VARIABLE} did not take the message: {status}. Fix: check the address that the variable "
            "holds, or unset it"
        )
    return True
