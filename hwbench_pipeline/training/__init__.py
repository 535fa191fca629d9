"""Training: what a step is made of, the step itself, and what it tells of itself. Measuring it is `bench/`'s work."""
