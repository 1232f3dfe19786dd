"""HTTP requests and responses, and what each HTTP library needs around it."""
