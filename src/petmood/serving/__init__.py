"""HTTP service for a model bundle: application, middleware, routes, worker threads and server."""
