"""Compare methods with the best of real only, synthetic only and both pooled."""
