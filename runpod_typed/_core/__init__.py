"""Decisions: pure functions and values that do no I/O, never sleep and read no clock."""
