# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

"""Contains endpoint functions for accessing the API"""
