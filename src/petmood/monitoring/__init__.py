"""What happens in production, and how is it watched? Every metric is declared here, once."""
