"""Many jobs at once: maps over inputs, their journal and progress, and jobs as they finish."""
