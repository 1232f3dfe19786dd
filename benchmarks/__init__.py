"""Measures runpod_typed beside its peers: ``nox -s bench`` writes RESULTS.md. See README.md."""
