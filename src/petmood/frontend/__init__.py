"""How does a person ask? A page that speaks HTTP to the service, and knows nothing else of it."""
