"""Decisions and data: nothing in here does I/O, sleeps, or reads a clock."""
