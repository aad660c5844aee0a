"""Parameters from a file: ``--config fit.toml``."""

import pytest

from skweight.__main__ import main
from skweight._cli import _parse
from skweight.baselines import CrossEntropyClassifier

FILES = ["synthetic.csv", "--real", "real.csv", "--save", "model"]


@pytest.fixture
def config(tmp_path):
    def write(content):
        path = tmp_path / "fit.toml"
        path.write_text(content, encoding="utf-8")
        return str(path)

    return write


def test_a_fit_takes_its_parameters_from_a_file(files, config, tiny_encoder):
    path = config(
        f"""
        real = "{files["real"]}"
        save = "{files["model"]}"
        encoder = "{tiny_encoder}"
        method = "cross-entropy"
        epochs = 1
        max-length = 16
        real-weight = 0.5
        """
    )
    assert main(["fit", files["synthetic"], "--config", path]) == 0
    saved = CrossEntropyClassifier.from_pretrained(files["model"]).get_params()
    assert (saved["max_length"], saved["real_weight"]) == (16, 0.5)


def test_the_command_line_wins_over_the_file_before_and_after_it(config):
    path = config('epochs = 9\nbatch-size = 7\nlr = 1\nseed = 3\ntext-column = ["a", "b"]\noverwrite = true\n')
    args = _parse(["fit", *FILES, "--epochs", "5", "--text-column", "c", "--config", path, "--batch-size", "32"])
    assert (args.epochs, args.batch_size, args.lr, args.seed) == (5, 32, 1.0, 3)
    assert args.overwrite
    assert args.text_column == ["c"]
    assert _parse(["fit", *FILES, "--config", path]).text_column == ["a", "b"]


def test_labels_are_mapped_in_a_table_of_the_file(config):
    args = _parse(["fit", *FILES, "--config", config('label-map = {0 = "negative", 1 = "positive"}')])
    assert args.label_map == ["0=negative", "1=positive"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("batchsize = 3", "{path} has the key 'batchsize', which is no option. Did you mean 'batch-size'?"),
        ("text_column = 'a'", "{path} has the key 'text_column', which is no option. Did you mean 'text-column'?"),
        ("epochs = 'many'", "{path}: epochs = 'many': invalid literal for int()"),
        ("epochs = 1.5", "{path}: epochs = 1.5: invalid literal for int()"),
        ("epochs = true", "{path}: epochs takes a number or a text, got True."),
        ("epochs = [1]", "{path}: epochs takes one value, got a list."),
        ("method = 'dim'", "{path}: method = 'dim' is none of opinion-pool, dimp, imp,"),
        ("overwrite = 'yes'", "{path}: overwrite is a switch, expected true or false, got 'yes'."),
        ("epochs = ", "{path} is not TOML: Invalid value"),
    ],
)
def test_what_the_file_must_not_say_is_refused(config, refused, content, message):
    path = config(content)
    assert refused(main(["fit", *FILES, "--config", path])).startswith(message.format(path=path))


def test_a_file_that_is_not_there_is_named(refused):
    assert refused(main(["fit", *FILES, "--config", "absent.toml"])) == "--config absent.toml does not exist."
