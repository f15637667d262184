"""Probes: read-only analyses of pictures, runs and guides."""
