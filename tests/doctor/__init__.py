"""The doctor, against faults that are really planted: each look finds its own, and its command mends it."""
