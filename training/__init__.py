"""The recipe that makes the bundled guide `doodle`, from public packages to weights."""

from artgen.threads import let_waiting_threads_sleep

let_waiting_threads_sleep()  # before any step imports torch
