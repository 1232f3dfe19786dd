# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

"""Contains methods for accessing the API"""
