"""Tests of whether the photos of a window differ from the photos of a reference."""
