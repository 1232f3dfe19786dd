"""The operations of the queue, as functions of the service and the request."""
