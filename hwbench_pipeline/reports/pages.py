"""HTML pages from the templates beside this module.

Belongs here: how a template is filled. Does not belong here: what it is filled with (`coverage`, `breadth`).
"""

from __future__ import annotations

from typing import Any

import jinja2

from hwbench_pipeline.reports.tables import significant


def page(template: str, **values: Any) -> str:
    """The template of that name with the values in their places, escaped. Raises jinja2's error for one that is missing."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hwbench_pipeline.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["significant"] = significant
    return environment.get_template(template).render(values)
