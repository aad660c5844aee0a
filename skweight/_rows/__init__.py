"""Rows that `fit` and `predict` are given: checked, and encoded once. It knows no classifiers and no torch."""
