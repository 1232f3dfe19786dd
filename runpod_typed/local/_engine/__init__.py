"""The pure half of the local queue: no HTTP, no I/O, no clock of its own."""
