# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

"""The bodies that the service posts to webhooks, by operation."""

from typing import TypeAlias

from . import models

JobFinished: TypeAlias = models.Job
