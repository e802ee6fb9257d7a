"""The pages of docs/ that are made from the code itself, so that they cannot fall behind it."""
