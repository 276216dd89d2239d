"""What can be known of one 64-bit number: intervals, known bits, and both together. Integers in, integers out."""
