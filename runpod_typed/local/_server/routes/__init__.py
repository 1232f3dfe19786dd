"""The operations of the queue, as functions of the runtime and the request."""
