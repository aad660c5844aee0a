"""The paper's own figures."""

# Seconds in the paper's own table of computational time (BERT-base, one GPU), None where it gives none.
PAPER_SECONDS = {
    "cross-entropy": (None, None, None, None, 333.242),
    "SunGen": (None, None, None, None, 2680),
    "IMP": (8.824, 333.516, 57.695, 333.328, 733.363),
    "DIMP": (8.824, None, 29.274, 333.426, 371.524),
}
PAPER_RATIO = {"cross-entropy": 1.00, "SunGen": 8.04, "IMP": 2.20, "DIMP": 1.11}

# Accuracy in the paper's main table: Financial, Tweet Irony, MRPC. On which rows its SunGen was steered is not known.
PAPER_TASKS = ("Financial", "Irony", "MRPC")
PAPER_ACCURACY = {
    "real only": (78.05, 62.5, 73.16),
    "cross-entropy": (77.39, 76.91, 72.0),
    "focal": (79.29, 74.87, 72.17),
    "Hu et al.": (71.7, 71.42, 67.13),
    "SunGen": (80.45, 78.96, 71.65),
    "IMP": (82.09, 81.89, 75.83),
    "DIMP": (82.67, 78.44, 75.83),
    "w/o diversity checker": (81.35, 77.68, 74.72),
}
