"""The page of the local queue: jobs and workers live, in a browser on this machine."""
