"""Why rows or points were left out, counted, in words.

Belongs here: turning counted reasons into lines for people. Does not belong here: the reasons themselves.
"""

from __future__ import annotations

from collections import Counter


def counted_lines(reasons: Counter[str], noun: str) -> list[str]:
    """One line per reason, the most frequent first, e.g. `12 result rows left out: flops is NULL`.

    Every line starts with its count, so the counts of all lines sum up to what was left out.
    """
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return [f"{count} {noun}{'s' * (count != 1)} left out: {reason}" for reason, count in ordered]
