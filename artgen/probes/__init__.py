"""Probes: read-only analyses of a picture, a run or a guide."""
