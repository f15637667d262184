"""Timings, memory and evaluations, printed beside their goals and written as JSON with the versions used."""

from artgen.threads import let_waiting_threads_sleep

let_waiting_threads_sleep()  # as in artgen itself, before any benchmark imports torch
