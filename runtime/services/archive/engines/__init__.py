"""Who answers the photos of an archive: processes on this machine, or those of a cluster."""
