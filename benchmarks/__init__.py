"""Scripts that compare skweight with others; they run as modules from the root of the repository."""
