"""What suites measure: each module measures one subject and returns figures.

Nothing here parses options or writes a report.
"""
