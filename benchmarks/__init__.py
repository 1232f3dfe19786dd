"""How fast runpod_typed is beside its peers: ``nox -s bench`` measures, RESULTS.md tells. See README.md."""
