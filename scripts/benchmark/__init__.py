"""What scripts/bench measures. Each round takes one of each measurement in turn; medians over the rounds count."""
