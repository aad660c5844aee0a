"""Files that users bring to the command line: their kinds, encodings, columns and labels, and what is said of them."""

import argparse
import csv
import gzip
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from helpers import write_csv

from skweight._cli.arguments import add_group_column, add_labelled_tables, read_labelled
from skweight.baselines import CrossEntropyClassifier

KINDS = ["csv", "tsv", "jsonl", "json", "parquet"]


def write(path, columns):
    """Write a table of the kind that the name says, gzipped if it ends in ``.gz``; return its path as a string."""
    frame, plain = pd.DataFrame(columns), Path(str(path).removesuffix(".gz"))
    {
        ".csv": lambda: frame.to_csv(plain, index=False),
        ".tsv": lambda: frame.to_csv(plain, index=False, sep="\t"),
        ".jsonl": lambda: frame.to_json(plain, orient="records", lines=True),
        ".json": lambda: frame.to_json(plain, orient="records", indent=1),
        ".parquet": lambda: frame.to_parquet(plain, row_group_size=5),
    }[plain.suffix]()
    if plain != Path(path):
        with open(plain, "rb") as file, gzip.open(path, "wb") as packed:
            shutil.copyfileobj(file, packed)
        plain.unlink()
    return str(path)


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def quick_fit(fit):
    return lambda *options: fit("--method", "cross-entropy", *options)


@pytest.fixture
def rewrite(files, toy):
    """Write the files of ``fit`` once more, with other columns or labels."""

    def run(
        text="text", label="label", real_text="text", real_label="label", labels=None, real_labels=None, suffix="csv"
    ):
        folder = Path(files["synthetic"]).parent
        for name, X, y, columns, names in (
            ("synthetic", "X", "y", (text, label), labels),
            ("real", "real_X", "real_y", (real_text, real_label), real_labels),
        ):
            own = [(names or {}).get(value, value) for value in toy[y]]
            files[name] = write(folder / f"{name}_again.{suffix}", dict(zip(columns, (toy[X], own), strict=True)))

    return run


# -- kinds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_any_kind_gives_the_same_model_and_the_same_predictions(
    quick_fit, rewrite, files, tmp_path, toy, kind, packed, predict
):
    rewrite(suffix=f"{kind}{packed}")
    files["test"] = write(
        tmp_path / f"test.{kind}{packed}", {"text": ["superb", "tedious"], "label": ["fresh", "rotten"]}
    )
    assert quick_fit("--test", files["test"]) == 0
    assert [row["text"] for row in read(tmp_path / "model" / "weights.csv")] == toy["X"]
    source = write(tmp_path / f"texts.{kind}{packed}", {"id": range(12), "text": toy["X"], "label": toy["y"]})
    out = tmp_path / "out.csv"
    assert predict(files["model"], source, out, "--keep", "id", "--keep", "label", "--chunk-rows", 5) == 0
    rows = read(out)
    assert [(row["id"], row["label"]) for row in rows] == [(str(i), label) for i, label in enumerate(toy["y"])]
    expected = CrossEntropyClassifier.from_pretrained(files["model"]).predict(toy["X"])
    assert [row["predicted_label"] for row in rows] == expected.tolist()


def test_json_holds_its_records_under_a_key_too(quick_fit, files, tmp_path, toy):
    records = [{"text": text, "label": label} for text, label in zip(toy["X"], toy["y"], strict=True)]
    for indent in (None, 2):
        Path(files["synthetic"]).write_text(json.dumps({"version": 1, "data": records}, indent=indent))
        assert quick_fit("--overwrite") == 0
        assert [row["text"] for row in read(tmp_path / "model" / "weights.csv")] == toy["X"]


@pytest.mark.parametrize(
    "content",
    [
        "text;label\na film, good;fresh\na film, bad;rotten\n",
        "sep=;\ntext;label\na film, good;fresh\na film, bad;rotten\n",
        "sep=\t\ntext\tlabel\na film, good\tfresh\na film, bad\trotten\n",
        "text|label\na film, good|fresh\na film, bad|rotten\n",
        '"the; id",text,label\n1,"a film, good",fresh\n2,"a film, bad",rotten\n',
    ],
)
def test_what_stands_between_fields_is_found_in_the_header(text_model, tmp_path, predict, content):
    (tmp_path / "in.csv").write_text(content)
    out = tmp_path / "out.csv"
    assert predict(text_model, tmp_path / "in.csv", out, "--keep", "text", "--keep", "label") == 0
    assert [(row["text"], row["label"]) for row in read(out)] == [("a film, good", "fresh"), ("a film, bad", "rotten")]


def test_a_file_is_what_its_content_says_whatever_its_name(text_model, tmp_path, predict):
    for i, kind in enumerate(KINDS):
        if kind == "tsv":
            continue
        other = tmp_path / f"{i}.txt"
        shutil.move(write(tmp_path / f"in.{kind}.gz", {"text": ["a film"]}), other)
        assert predict(text_model, other, tmp_path / f"out{i}.csv") == 0
        assert len(read(tmp_path / f"out{i}.csv")) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "{path} is empty."),
        (b"PK\x03\x04...", "{path} is a ZIP archive or an Excel workbook. Unpack it, or save the sheet as CSV."),
        (b"BZh9...", "{path} is compressed with bzip2. Unpack it with bunzip2."),
        (b"PAR1...", "{path} is a Parquet file that is damaged or cut short ("),
        (gzip.compress(b"text,label\n" * 99, mtime=0)[:30], "{path} is a gzip file that is damaged or cut short ("),
        (b'{"text": "a"}\n{"text": \n', "{path}, line 2: not JSON (Expecting value)."),
        (b'{"text": "a"}\n\n["b"]\n', "{path}, line 3: expected a JSON object, got a list (['b'])."),
        (b'{"text": "a", "text": "b"}', "{path}, line 1: an object has the key 'text' twice."),
        (b'[{"text": "a"}, 3]', "{path}, record 1: expected a JSON object, got a number ('3')."),
        (
            b'[{"text": "a"}, {"text": 3.50}]',
            "{path}: column 'text' holds a number in row 1 ('3.50'), expected a text.",
        ),
        (
            b'{"text": {"0": "a"}}',
            "{path} holds one JSON object without a list of records; its keys are ['text']. Write",
        ),
        (
            b'{"a": [{"text": "a"}], "b": [{"text": "a"}]}',
            "{path} holds several lists of records, under 'a', 'b'. Write",
        ),
        (b"[]", "{path} holds no records."),
    ],
)
def test_a_file_that_cannot_be_read_is_named_as_what_it_is(text_model, tmp_path, predict, refused, content, message):
    path = tmp_path / "in.txt"
    path.write_bytes(content)
    assert refused(predict(text_model, path, tmp_path / "out.csv")).startswith(message.format(path=path))
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(("suffix", "kind"), [("jsonl", "JSON"), ("json.gz", "JSON"), ("parquet", "Parquet")])
def test_a_file_that_is_not_what_its_name_says_is_named(text_model, tmp_path, predict, refused, suffix, kind):
    path = tmp_path / f"in.{suffix}"
    path.write_bytes(b"text\na film\n")
    message = refused(predict(text_model, path, tmp_path / "out.csv"))
    assert message == f"{path} is not {kind}, as its name says: it begins with 'text\\na film\\n'."


@pytest.mark.parametrize("name", ["synthetic", "real", "test"])
def test_files_without_rows_and_files_that_are_not_there_are_one_sentence(quick_fit, files, trained, refused, name):
    for content, message in (("", "is empty."), ("text,label\n", "has no rows."), (None, "does not exist.")):
        path = Path(files[name])
        path.unlink() if content is None else path.write_text(content)
        assert refused(quick_fit("--test", files["test"])) == f"{path} {message}"
    assert trained == []


# -- encodings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "line", "likely"),
    [("utf-16", 1, "utf-16"), ("utf-16-le", 1, "utf-16-le"), ("utf-16-be", 1, "utf-16-be"), ("cp1252", 3, "cp1252")],
)
@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
def test_another_encoding_is_named_and_can_be_given(
    text_model, tmp_path, predict, refused, encoding, line, likely, suffix
):
    path, content = tmp_path / f"in.{suffix}", "id,text\n1,a film\né,“a” film\n".encode(encoding)
    path.write_bytes(gzip.compress(content, mtime=0) if suffix == "csv.gz" else content)
    message = refused(predict(text_model, path, tmp_path / "out.csv"))
    advice = f"It looks like {likely}: add --encoding {likely}, or save the file as UTF-8."
    assert message == f"{path}, line {line}: not UTF-8. {advice}"
    assert predict(text_model, path, tmp_path / "out.csv", "--encoding", likely, "--keep", "id") == 0
    assert [row["id"] for row in read(tmp_path / "out.csv")] == ["1", "é"]


def test_an_encoding_that_nobody_can_guess_or_that_does_not_exist_is_asked_for(text_model, tmp_path, predict, refused):
    path = tmp_path / "in.csv"
    path.write_bytes("text\n映画は良い\n".encode("shift_jis"))
    message = refused(predict(text_model, path, tmp_path / "out.csv"))
    assert "line 2: not UTF-8. Name its encoding with --encoding (gb18030, shift_jis, cp1251, …)" in message
    message = refused(predict(text_model, path, tmp_path / "out.csv", "--encoding", "utf-99"))
    assert message == "--encoding utf-99: no such encoding. Common ones are utf-8, utf-16 and cp1252."


# -- columns ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "advice"),
    [
        (
            "review,sentiment",
            "Name the right ones with --text-column, perhaps --text-column review --label-column sentiment.",
        ),
        ("Text, label", "Name the right ones with --text-column, perhaps --text-column Text --label-column ' label'."),
        ("sentence,label", "Name the right ones with --text-column, perhaps --text-column sentence."),
        ("a,b", "Name the right ones with --text-column."),
        (
            "a good film that I liked,1",
            "The first line looks like data: put a line with the names of the columns before it.",
        ),
    ],
)
def test_columns_that_are_called_otherwise_are_offered(quick_fit, files, trained, refused, header, advice):
    Path(files["synthetic"]).write_text(f"{header}\na film,fresh\n")
    columns = next(csv.reader([header]))
    assert refused(quick_fit()) == (
        f"{files['synthetic']} has no column 'text', and no pair 'text_a', 'text_b'; its columns are {columns}. "
        f"{advice}"
    )
    assert trained == []


def test_a_wrong_name_is_answered_with_the_option_and_the_nearest(quick_fit, files, rewrite, refused):
    rewrite(text="review", label="stars", real_text="review", real_label="stars")
    assert refused(quick_fit("--text-column", "reveiw")).endswith(
        "has no column 'reveiw'; its columns are ['review', 'stars']. Name the right ones with --text-column, perhaps "
        "--text-column review."
    )
    assert refused(quick_fit("--text-column", "review")).endswith(
        "has no column 'label'; its columns are ['review', 'stars']. Name the right ones with --label-column, perhaps "
        "--label-column stars."
    )


def test_the_real_file_has_names_of_its_own_and_the_test_file_those(quick_fit, files, rewrite, refused, capsys):
    rewrite(text="review", label="stars", real_text="sentence", real_label="class")
    write_csv(files["test"], ["sentence", "class"], [("a film", "fresh"), ("a cast", "rotten")])
    own = ["--text-column", "review", "--label-column", "stars", "--test", files["test"]]
    assert "Name the right ones with --real-text-column, perhaps --real-text-column sentence." in refused(
        quick_fit(*own)
    )
    own += ["--real-text-column", "sentence"]
    assert "Name the right ones with --real-label-column, perhaps --real-label-column class." in refused(
        quick_fit(*own)
    )
    assert quick_fit(*own, "--real-label-column", "class") == 0
    assert f"on the 2 rows of {files['test']}" in capsys.readouterr().out


@pytest.mark.parametrize("option", [["--text-column", "one,two"], ["--text-column", "one", "--text-column", "two"]])
def test_two_columns_are_named_with_a_comma_or_twice(text_model, tmp_path, predict, refused, option):
    source = write_csv(tmp_path / "in.csv", ["one", "two"], [("a film", "a cast")])
    assert "was fitted on single texts, but" in refused(predict(text_model, source, tmp_path / "out.csv", *option))


def test_a_name_with_a_comma_is_one_name_where_there_is_such_a_column(text_model, tmp_path, predict):
    source = write_csv(tmp_path / "in.csv", ["one,two"], [["a film"]])
    assert predict(text_model, source, tmp_path / "out.csv", "--text-column", "one,two") == 0


def test_predict_remembers_the_columns_that_fit_used(quick_fit, files, rewrite, tmp_path, predict, refused):
    rewrite(text="review", real_text="sentence")
    assert quick_fit("--text-column", "review", "--real-text-column", "sentence") == 0
    expected = CrossEntropyClassifier.from_pretrained(files["model"]).predict(["a good film"]).tolist()
    for column in ("review", "sentence", "text"):
        source = write_csv(tmp_path / "in.csv", ["id", column], [["1", "a good film"]])
        assert predict(files["model"], source, tmp_path / "out.csv", "--overwrite") == 0
        assert [row["label"] for row in read(tmp_path / "out.csv")] == expected
    source = write_csv(tmp_path / "in.csv", ["id", "content"], [["1", "a good film"]])
    message = refused(predict(files["model"], source, tmp_path / "out.csv", "--overwrite"))
    assert message.startswith(f"{source} has no column 'review'; its columns are ['id', 'content']. Name the right")


def test_a_model_that_was_fitted_on_a_frame_knows_its_column_too(tiny_encoder, toy, tmp_path, predict):
    clf = CrossEntropyClassifier(tiny_encoder, max_epochs=1, max_length=16)
    clf.fit(pd.DataFrame({"review": toy["X"]}), toy["y"]).save_pretrained(tmp_path / "model")
    source = write_csv(tmp_path / "in.csv", ["id", "review"], [["1", "a good film"]])
    assert predict(tmp_path / "model", source, tmp_path / "out.csv") == 0


# -- labels -----------------------------------------------------------------------------------------------------------


def test_integer_labels_in_one_file_and_names_in_the_other_can_be_mapped(quick_fit, files, rewrite, tmp_path, refused):
    rewrite(labels={"fresh": 1, "rotten": 0})
    message = refused(quick_fit())
    assert message.endswith("those are ['0', '1']. If they mean the same, say so: --label-map fresh=NAME.")
    pairs = ["--label-map", "0=rotten", "--label-map", "1=fresh"]
    assert quick_fit(*pairs) == 0
    (tmp_path / "map.json").write_text('{"0": "rotten", "1": "fresh"}')
    assert quick_fit("--label-map", tmp_path / "map.json", "--overwrite") == 0
    assert CrossEntropyClassifier.from_pretrained(files["model"]).classes_.tolist() == ["fresh", "rotten"]
    assert refused(quick_fit(*pairs, "--label-map", "2=green", "--overwrite")).startswith(
        "--label-map: no file has the label '2'"
    )
    for wrong in ("nothing", files["real"]):
        assert f"--label-map {wrong}: expected LABEL=NAME or a JSON file (" in refused(
            quick_fit("--label-map", wrong, "--overwrite")
        )


def test_a_file_with_one_class_is_named_with_the_classes_of_both(quick_fit, files, trained, refused):
    write_csv(files["synthetic"], ["text", "label"], [("a film", "fresh")] * 3)
    assert refused(quick_fit()) == (
        f"A classifier needs at least 2 classes. {files['synthetic']} has 'fresh' (3 rows); {files['real']} has "
        "'fresh' (3 rows), 'rotten' (3 rows). Put the synthetic rows of all classes into one file."
    )
    assert trained == []


def test_a_class_without_real_rows_is_refused_with_the_option_that_allows_it(fit, files, trained, capsys, refused):
    write_csv(files["real"], ["text", "label"], [("a film", "fresh"), ("good cast", "fresh"), ("a plot", "rotten")])
    rows = [(f"a film {i}", ("fresh", "rotten", "green")[i % 3]) for i in range(9)]
    write_csv(files["synthetic"], ["text", "label"], rows)
    message = refused(fit("--method", "imp-fast"))
    assert message.startswith(f"{files['real']} has no rows of 'green', so nothing is known about")
    assert message.endswith("Add real rows of every class, or go on without them: --missing-real warn.")
    assert trained == []
    assert fit("--method", "imp-fast", "--missing-real", "warn") == 0
    assert "warning: SKW021:" in capsys.readouterr().err


def test_files_of_equally_many_rows_are_nothing_to_warn_of(quick_fit, files, toy, capsys):
    write_csv(files["synthetic"], ["text", "label"], list(zip(toy["X"], toy["y"], strict=True))[:6])
    assert quick_fit("--lr", "1e-3") == 0
    assert "SKW032" not in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_missing_texts_are_refused_with_the_command_lines_own_way_out(
    quick_fit, files, text_model, tmp_path, predict, refused, toy, kind
):
    files["synthetic"] = write(tmp_path / f"s.{kind}", {"text": [*toy["X"], None], "label": [*toy["y"], "fresh"]})
    assert refused(quick_fit()).endswith("Fill them in, or leave such rows out with --drop-bad-rows.")
    assert quick_fit("--drop-bad-rows") == 0
    message = refused(predict(text_model, files["synthetic"], tmp_path / "out.csv"))
    assert message.endswith("at row 12. Fill it in, or take missing texts for empty ones with --fill-missing.")
    assert predict(text_model, files["synthetic"], tmp_path / "out.csv", "--fill-missing") == 0
    assert len(read(tmp_path / "out.csv")) == 13


def test_dropped_rows_are_not_ranked(quick_fit, fit, files, toy, capsys):
    rows = [*zip(toy["X"], toy["y"], strict=True), *[("", "fresh")] * 5]
    write_csv(files["synthetic"], ["text", "label"], rows)
    assert fit("--method", "imp-fast", "--drop-bad-rows") == 0
    lowest = capsys.readouterr().out.split("Lowest 5 weights\n")[1].splitlines()[:5]
    assert all(float(line.split()[0]) > 0 for line in lowest)


# -- what fit ends with -----------------------------------------------------------------------------------------------


def test_fit_ends_with_a_table_the_path_and_the_next_command(fit, files, capsys):
    assert fit("--test", files["test"]) == 0
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    start = next(i for i, line in enumerate(lines) if line.split() == ["accuracy", "macro-F1", "log-loss"])
    assert [line[:32].rstrip() for line in lines[start + 1 : start + 6]] == [
        "on the 6 real rows, cross-fitted",
        "  real rows alone",
        "  synthetic rows alone",
        "  both, joined",
        "  their pool",
    ]
    assert lines[start + 7].startswith("With the synthetic rows: ")
    assert lines[start + 8] == f"on the 2 rows of {files['test']}"
    assert [line[:32].rstrip() for line in lines[start + 9 : start + 11]] == ["  real rows alone", "  this classifier"]
    assert lines[-1] == f"Use it: python -m skweight predict {files['model']} TEXTS.csv --out LABELS.csv"
    assert lines[-2].startswith(f"The model is in {files['model']};")


def test_without_a_test_file_the_table_says_how_to_score_the_classifier(quick_fit, capsys):
    assert quick_fit() == 0
    shown = capsys.readouterr().out
    assert "on the 6 real rows, cross-fitted\n  real rows alone" in shown
    assert "Add --test FILE to score this classifier on real rows that it has not seen.\n" in shown
    assert "this classifier  " not in shown


def test_real_rows_that_are_better_alone_are_said_to_be(quick_fit, files, toy, minilm, capsys):
    """Synthetic labels are all wrong: whoever learns from them is worse than the real rows."""
    wrong = {"fresh": "rotten", "rotten": "fresh"}
    rows = [(text, wrong[label]) for text, label in zip(toy["X"], toy["y"], strict=True)]
    write_csv(files["synthetic"], ["text", "label"], rows)
    write_csv(files["test"], ["text", "label"], list(zip(toy["X"][:6], toy["y"][:6], strict=True)))
    assert quick_fit("--test", files["test"], "--encoder", minilm, "--epochs", "8", "--lr", "1e-3") == 0
    shown = capsys.readouterr()
    assert "warning: SKW053: the real rows alone are better than this classifier on --test: accuracy " in shown.err
    assert shown.err.rstrip().endswith("Synthetic rows may not help here.")


# -- for other commands -----------------------------------------------------------------------------------------------


def test_groups_of_synthetic_rows_are_read_beside_them(tmp_path):
    parser = argparse.ArgumentParser()
    add_labelled_tables(parser)
    add_group_column(parser)
    args = parser.parse_args(["--group-column", "generator", "--label-map", "0=rotten"])
    synthetic = write(tmp_path / "s.jsonl", {"text": ["a", "b"], "label": [0, 1], "generator": ["gpt", None]})
    table = read_labelled(args, Path(synthetic), real=False)
    assert (table.X, table.y, table.groups) == (["a", "b"], ["rotten", "1"], ["gpt", None])
    real = write(tmp_path / "r.csv", {"text": ["a"], "label": ["rotten"]})
    assert read_labelled(args, Path(real), real=True).groups is None
    args.group_column = "generatr"
    with pytest.raises(ValueError, match="Name the right ones with --group-column, perhaps --group-column generator"):
        read_labelled(args, Path(synthetic), real=False)
