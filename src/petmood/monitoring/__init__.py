"""What a served model meets: the prediction log, drift, alert rules and feedback."""
