"""Models that arrive by a job: the starter model, trained here, or one from a hub."""
