"""Predictions as CSV or Parquet, written in parts and joined."""

import shutil

from skweight.datasets._formulas import defuse
from skweight.datasets._parquet import import_pyarrow
from skweight.datasets._writer import csv_writer
from skweight.scale._predictor import prediction_columns, prediction_fields, prediction_names


class CsvOutput:
    """Rows as CSV: the kept columns, the label, and the probability of each class.

    Parameters
    ----------
    source : Input
    classes : ndarray of shape (n_classes,)
    shown : callable, default=str
        Last change of a text cell before it is written.
    """

    suffix = ".csv"

    def __init__(self, source, classes, shown=str):
        self.classes = classes
        self._spell = shown if source.raw else lambda cell: shown(defuse(cell))
        names = source.output_names(prediction_names(classes, source.keep))
        self.header = list(map(self._spell, names))
        if source.schema is not None:
            pa = import_pyarrow()
            for name in source.keep:
                of = source.schema.field(name).type
                try:
                    pa.nulls(0, of).cast(pa.string())
                except NotImplementedError as error:
                    raise TypeError(
                        f"Column {name!r} holds {of}, which has no place in CSV; write .parquet."
                    ) from error

    def open(self, path):
        return open(path, "w", encoding="utf-8", newline="")

    def write_header(self, file):
        csv_writer(file).writerow(self.header)

    def write(self, file, chunk, proba):
        """Write the rows of a chunk."""
        labels = map(self._spell, map(str, self.classes[proba.argmax(axis=1)].tolist()))
        columns = [map(self._spell, _strings(column)) for column in chunk.kept]
        kept = zip(*columns, strict=True) if columns else [()] * len(proba)
        csv_writer(file).writerows(
            [*cells, label, *(f"{p:.6f}" for p in row)] for cells, label, row in zip(kept, labels, proba, strict=True)
        )

    def join(self, file, parts):
        """Write all parts as one."""
        self.write_header(file)
        for path in parts:
            with open(path, encoding="utf-8", newline="") as part:
                shutil.copyfileobj(part, file)


class ParquetOutput:
    """The same as Parquet, each column in its own data type."""

    suffix = ".parquet"

    def __init__(self, source, classes):
        self.classes = classes
        self.schema = source.output_schema(prediction_fields(classes, source.keep))

    def open(self, path):
        return open(path, "wb")

    def write(self, file, chunk, proba):
        """Write the rows of a chunk."""
        pa = import_pyarrow()
        columns = [*chunk.kept, *prediction_columns(self.classes, proba)]
        self._write(file, [pa.table(columns, schema=self.schema)])

    def join(self, file, parts):
        """Write all parts as one, with a row group for each."""
        self._write(file, map(self._read, parts))

    def _read(self, path):
        import pyarrow.parquet

        with pyarrow.parquet.ParquetFile(path) as file:
            return file.read()

    def _write(self, file, tables):
        import pyarrow.parquet

        with pyarrow.parquet.ParquetWriter(file, self.schema) as writer:
            for table in tables:
                writer.write_table(table)


def output_class(path):
    """Class for a file of the kind that its name says."""
    kinds = {".csv": CsvOutput, ".parquet": ParquetOutput}
    if path.suffix.lower() not in kinds:
        raise ValueError(f"{path}: expected a name that ends in .csv or .parquet.")
    return kinds[path.suffix.lower()]


def _strings(column):
    cells = column if isinstance(column, list) else column.cast("string").to_pylist()
    return ["" if cell is None else cell for cell in cells]
