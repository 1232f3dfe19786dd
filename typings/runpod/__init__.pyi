# Runpod's own package has no types; for pyright, everything in it is Any.
from typing import Any

def __getattr__(name: str) -> Any: ...
