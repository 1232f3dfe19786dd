"""What the engine refuses. Each message is meant for the person who reads the answer's body."""


class EngineError(Exception):
    """Something was asked that the queue's rules do not allow."""


class NotFoundError(EngineError):
    """No such job or batch, or it is gone: expired, purged, deleted."""


class NotAllowedError(EngineError):
    """It is there, but its state or a limit forbids this."""
