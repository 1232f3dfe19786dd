# The shell of the async half: it awaits, and decides nothing.
"""The async half of the facade: thin, awaiting, without decisions of its own."""
