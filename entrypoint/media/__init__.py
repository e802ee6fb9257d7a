"""Media: what a source holds, and pixels from it."""
