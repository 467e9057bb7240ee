"""How good is a model, honestly? Measures with intervals, controls beside them, and a report that shows the photos."""
