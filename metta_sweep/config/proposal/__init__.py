"""A sweep file proposed for a program that nobody described: its options, ranges for them, and its metric."""
