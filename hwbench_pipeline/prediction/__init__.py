"""A first, honest performance predictor: what it learns from, how wrong it is, and when it says nothing.

Belongs here: features, regression, baselines, leave-one-model-out evaluation, predictions, parity plots; all of it
pure functions over rows. Does not belong here: reading or writing the warehouse (`warehouse/`), or Dagster.
Import the submodules directly; this package wires nothing on import.
"""
