"""The exit codes of the commands."""

from enum import IntEnum

import runpod_typed


class ExitCode(IntEnum):
    """An exit code."""

    DONE = 0
    FAILED = 1
    """The job failed, or a call did."""
    USAGE = 2
    NOT_AUTHORIZED = 3
    TIMED_OUT = 4
    """A time limit of the caller ended first; the job keeps running."""
    UNCERTAIN = 5
    """A job was sent, and may or may not run."""
    INTERRUPTED = 130


EXIT_CODES_HELP = (
    "Exit codes: 0 done, 1 the job or a call failed, 2 usage, 3 not authorized, 4 timed out, 5 a job was sent and its "
    "fate is unknown, 130 interrupted."
)


def exit_code_for(error: BaseException) -> ExitCode:
    """Return the exit code that an error of the package ends a command with."""
    errors = runpod_typed.errors
    match error:
        case errors.AuthenticationError() | errors.PermissionDeniedError():
            return ExitCode.NOT_AUTHORIZED
        case errors.ConfigurationError() | errors.InputError():
            return ExitCode.USAGE
        case errors.SubmissionUncertainError():
            return ExitCode.UNCERTAIN
        case errors.WaitTimeoutError() | errors.APITimeoutError():
            return ExitCode.TIMED_OUT
        case _:
            return ExitCode.FAILED
