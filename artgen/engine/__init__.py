"""The engine: one loop from parameters to a finished picture."""
