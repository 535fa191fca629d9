"""How far a run over several cells is, in words: for logs, where nobody sees a bar.

Belongs here: the sentence. Does not belong here: bars (`cli.output`), or how long one cell may take (`plan`).
"""

from __future__ import annotations


def pace_text(n_done: int, n_total: int, elapsed_s: float) -> str:
    """`cell 4 of 12; 3 took 1 min 10 s, the rest about 3 min 30 s`: the cells left at the mean of those that are done."""
    begun = f"cell {n_done + 1} of {n_total}"
    if n_done == 0:
        return begun
    rest_s = elapsed_s / n_done * (n_total - n_done)
    return f"{begun}; {n_done} took {duration_text(elapsed_s)}, the rest about {duration_text(rest_s)}"


def duration_text(seconds: float) -> str:
    """`8 s`, `3 min 20 s`, `2 h 5 min`: as exact as anybody wants to know a duration."""
    whole = round(seconds)
    minutes, left_s = divmod(whole, 60)
    if minutes == 0:
        return f"{left_s} s"
    if minutes < 60:
        return f"{minutes} min {left_s} s"
    return f"{minutes // 60} h {minutes % 60} min"
