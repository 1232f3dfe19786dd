"""Typed inputs and outputs: values to JSON and back."""
