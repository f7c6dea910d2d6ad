"""What a table of answers for an archive costs, and whether a crash changes it."""
