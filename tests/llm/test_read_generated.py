import pandas as pd
import pytest

from skweight.llm import plan, read_generated

DISTILABEL = [
    {
        "task": "Classify the review.",
        "input_text": f"text {i}",
        "label": "good",
        "misleading_label": "bad",
        "model_name": "some-model",
        "distilabel_metadata": {
            "raw_output_generate_text_classification_data_0": "{...}",
            "statistics_generate_text_classification_data_0": {"input_tokens": 100, "output_tokens": 20 + i},
        },
    }
    for i in range(3)
]


def test_distilabel_is_read_with_its_tokens():
    frame = read_generated(DISTILABEL)
    assert list(frame) == ["text", "label", "model", "task", "prompt_tokens", "completion_tokens"]
    assert frame["completion_tokens"].tolist() == [20, 21, 22]
    assert plan([1, 1, 1], frame, by=["model"]).lines[0]["tokens"] == 363


def test_distilabels_failed_rows_are_left_out():
    frame = read_generated([*DISTILABEL, {**DISTILABEL[0], "input_text": None, "distilabel_metadata": None}])
    assert frame["text"].tolist() == ["text 0", "text 1", "text 2"]


def test_data_designers_sampler_columns_become_attributes():
    rows = {
        "product": ["lamp", "chair"],
        "review": ["bright", "soft"],
        "review__trace": [[], []],
        "review__reasoning_content": ["hm", "hm"],
        "stars": [5, 4],
    }
    frame = read_generated(pd.DataFrame(rows), text="review", label="stars")
    assert frame.to_dict("list") == {"text": ["bright", "soft"], "label": [5, 4], "product": ["lamp", "chair"]}


def test_what_curator_returns_by_default_is_read():
    class Response:
        def to_pandas(self):
            return pd.DataFrame({"label": ["good"], "response": ["a text"]})

    assert read_generated(Response()).to_dict("records") == [{"text": "a text", "label": "good"}]


def test_pairs_keep_their_columns():
    frame = read_generated([{"text_a": "one", "text_b": "two", "label": "same"}])
    assert list(frame) == ["text_a", "text_b", "label"]
    frame = read_generated([{"question": "one", "answer": "two", "label": "same"}], text=["question", "answer"])
    assert list(frame) == ["text_a", "text_b", "label"]


@pytest.mark.parametrize(
    "name", ["rows.csv", "rows.csv.gz", "rows.jsonl", "rows.jsonl.gz", "rows.json", "rows.parquet"]
)
def test_files_are_read(tmp_path, name):
    frame, path = pd.DataFrame({"text": ["a", "b"], "label": ["x", "y"], "tone": ["warm", "cold"]}), tmp_path / name
    if ".csv" in name:
        frame.to_csv(path, index=False)
    elif ".parquet" in name:
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=".jsonl" in name)
    assert read_generated(path).to_dict("list") == frame.to_dict("list")


def test_what_cannot_be_found_is_named(tmp_path):
    with pytest.raises(ValueError, match="no column of texts that is known; there are a, label: pass text="):
        read_generated([{"a": "x", "label": "y"}])
    with pytest.raises(ValueError, match="no column 'b'; there are a, label"):
        read_generated([{"a": "x", "label": "y"}], text="b")
    with pytest.raises(ValueError, match="no column 'label'; there are text: pass label="):
        read_generated([{"text": "x"}])
    with pytest.raises(ValueError, match=r"rows\.xml is no \.csv"):
        read_generated(tmp_path / "rows.xml")
