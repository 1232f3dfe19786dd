"""The workers that the queue starts: handlers in this process, and subprocesses that run the worker SDK."""
