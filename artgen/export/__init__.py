"""Files out of snapshots: PNG, SVG, layers, video."""
