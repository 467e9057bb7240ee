"""Checks that decide whether a candidate may replace the champion."""
