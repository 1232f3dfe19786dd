# The I/O layer of the async API.
"""The I/O layer of the async API: it awaits, and leaves decisions to `runpod_typed._core`."""
