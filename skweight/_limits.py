"""Limits that the numpy and the torch form of the weights share."""

# exp(30) is about 1e13: a bound against overflow only, far above every weight that makes sense.
MAX_LOG_WEIGHT = 30.0
