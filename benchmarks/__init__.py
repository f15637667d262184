"""Timings and evaluations; each prints one JSON object with the versions it ran on."""
