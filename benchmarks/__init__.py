"""Timings, memory and evaluations, each printed beside its goal; the same as JSON with the versions it ran on."""
