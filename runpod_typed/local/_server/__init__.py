"""The HTTP side: operations, the checks before them, and uvicorn below."""
