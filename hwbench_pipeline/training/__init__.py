"""Training: the step that is measured. Measuring it is `bench/`'s work."""
