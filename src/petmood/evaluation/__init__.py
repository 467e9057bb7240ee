"""Model evaluation: metrics with confidence intervals, baselines, calibration, abstention and prediction sets."""
