"""Where the embedded demo comes from: scenes it draws, a tiny YOLOv5 it trains on them. Not part of the program."""
