"""What plugin authors use: a fake clock, a fake provider with faults, and conformance suites."""
