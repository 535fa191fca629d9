"""The Dagster layer: the only part of the package that imports dagster.

Belongs here: assets, checks, partitions, resources, jobs, schedules and sensors, each a few lines over a function of
the other packages. `hwbench_pipeline.definitions` brings them together. Does not belong here: any logic worth testing
without Dagster.

Modules that define assets, checks, sensors and schedules do without `from __future__ import annotations`: Dagster
reads the annotations of what it decorates, and refuses them as text.
"""
