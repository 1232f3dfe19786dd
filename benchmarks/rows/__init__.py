"""The measurements, each in a module of its own, in the order of the table."""
