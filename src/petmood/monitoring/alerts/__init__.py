"""Alert rules and what is generated from them: Prometheus rules, Cloud Monitoring policies, a table."""
