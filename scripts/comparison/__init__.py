"""Two checkouts of this program, run on the same mixed source: whether their results are the same, byte for byte."""
