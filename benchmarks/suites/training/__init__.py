"""The suites about training, about the networks that it makes smaller, and about their calibration."""
