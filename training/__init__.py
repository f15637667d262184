"""The recipe that makes the bundled guide `doodle`, from public packages to weights."""
