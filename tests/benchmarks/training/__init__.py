"""The suites about training and calibration."""
