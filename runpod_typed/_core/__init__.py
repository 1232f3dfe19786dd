"""Decisions and data: nothing in here does I/O, sleeps, or reads a clock.

What people set            `config`, `options`, `durations`, `redaction`
One call                   `operations` (the seam to the generated client), `envelope`, `call`, `http`, `error_mapping`
Asking again               `retry`, `retry_rules`, `retry_after`
Asking slowly enough       `rate_limit`, `rate_budget`
Waiting for a job          `waiting`, `waiting_room`, `crowd`, `polling`, `wait_errors`, `streaming`
What is known of a job     `jobs`, `job_answers`, `job_outcomes`, `worker_errors`; of an endpoint: `health`
JSON and types             `json`, `plain_json`, `shapes`, `codecs`, `msgspec_codec`, `pydantic_codec`
"""
