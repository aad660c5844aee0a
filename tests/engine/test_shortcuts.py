import copy
import gc
import weakref
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from helpers import QUICK, Record, parameters
from sklearn.base import clone
from skorch.callbacks import Callback
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

import skweight._engine.training
from skweight import _engine
from skweight._engine.loading import load_module, load_tokenizer
from skweight._engine.shortcuts import _attend, _dropout, first_token, narrow_stream, quick_dropout, used_vocabulary
from skweight.baselines import CrossEntropyClassifier, HuClassifier

SIZES = {"vocab_size": 50, "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64, "pad_token_id": 1}
DISTILBERT = {"vocab_size": 50, "dim": 32, "n_heads": 4, "hidden_dim": 64, "n_layers": 2, "pad_token_id": 1}
FIRST_TOKEN_READERS = ["bert", "camembert", "distilbert", "electra", "mpnet", "roberta", "xlm-roberta"]
OTHERS = ["albert", "gpt2", "llama", "modernbert"]


class Spy(Callback):
    """Keeps the gradients of every step."""

    def __init__(self, steps):
        self.steps = steps

    def on_grad_computed(self, net, named_parameters, batch=None, **kwargs):
        gradients = {name: p.grad.clone() for name, p in named_parameters if p.grad is not None}
        self.steps.append(gradients)


def random_model(model_type, **kwargs):
    sizes = DISTILBERT if model_type == "distilbert" else {**SIZES, "num_hidden_layers": 2}
    if model_type == "albert":
        sizes = {**sizes, "embedding_size": 16}
    if model_type == "modernbert":
        sizes = {**sizes, "classifier_pooling": "mean", "sep_token_id": 2, "eos_token_id": 2, "bos_token_id": 3}
        sizes |= {"cls_token_id": 3}
    config = AutoConfig.for_model(model_type, **sizes, num_labels=3, **kwargs)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoModelForSequenceClassification.from_config(config).eval()


def padded_batch():
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(4, 50, (5, 12), generator=generator)
    lengths = torch.tensor([12, 9, 5, 3, 1])
    mask = torch.arange(12) < lengths[:, None]
    return {"input_ids": ids.where(mask, 1), "attention_mask": mask.long()}


def logits_and_gradients(model, batch):
    model.zero_grad()
    logits = model(**batch).logits
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 0, 1])).backward()
    return logits.detach(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


# -- last layer -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("model_type", FIRST_TOKEN_READERS)
def test_first_token_of_the_last_layer_is_all_the_head_reads(model_type, attention):
    kwargs = {} if model_type == "mpnet" else {"attn_implementation": attention}
    model, batch = random_model(model_type, **kwargs), padded_batch()
    with FlopCounterMode(display=False) as plain_flops:
        logits, gradients = logits_and_gradients(model, batch)
    with FlopCounterMode(display=False) as flops:
        quick_logits, quick_gradients = logits_and_gradients(first_token(model), batch)
    torch.testing.assert_close(quick_logits, logits, rtol=0, atol=1e-6)
    assert quick_gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(quick_gradients[name], gradient, rtol=0, atol=1e-6, msg=name)
    # Two layers; of the last one two of twelve matrices' worth, keys and values, are left.
    assert flops.get_total_flops() < 0.75 * plain_flops.get_total_flops()


@pytest.mark.parametrize("model_type", OTHERS)
def test_models_with_another_head_are_left_alone(model_type):
    model, batch = random_model(model_type), padded_batch()
    logits = model(**batch).logits
    assert first_token(model) is model
    with quick_dropout(model, 0):
        assert torch.equal(model(**batch).logits, logits)


def test_layer_that_is_built_in_another_way_is_left_alone():
    model = random_model("bert")
    del model.bert.encoder.layer[-1].attention.self.query
    assert first_token(model) is model


def test_decoder_of_a_known_kind_is_left_alone():
    model = random_model("bert", is_decoder=True)
    assert first_token(model) is model


def test_prediction_and_training_take_the_shortcut(tiny_encoder, toy):
    clf = CrossEntropyClassifier(tiny_encoder, **QUICK).fit(toy["X"], toy["y"])
    with FlopCounterMode(display=False) as predicting:
        proba = clf.predict_proba(toy["X"])
    tokens = clf.tokenizer_(toy["X"], padding=True, return_tensors="pt")
    with FlopCounterMode(display=False) as plain, torch.inference_mode():
        expected = clf.module_(**tokens).logits.softmax(1).numpy()
    np.testing.assert_allclose(proba, expected, atol=1e-6)
    assert predicting.get_total_flops() < 0.75 * plain.get_total_flops()
    with FlopCounterMode(display=False) as training:
        CrossEntropyClassifier(tiny_encoder, **QUICK).fit(toy["X"], toy["y"])
    # Two epochs, where a backward pass is twice a forward pass, and two looks at the trained model's answers.
    assert training.get_total_flops() < 0.75 * (2 * 3 + 2) * plain.get_total_flops()


# -- between the layers -----------------------------------------------------------------------------------------------


class Products(TorchDispatchMode):
    """Counts the casts of tensors with one entry per token, and keeps the types of what is normalised."""

    def __init__(self):
        super().__init__()
        self.n_casts, self.normalised = 0, []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten._to_copy.default and args[0].ndim == 3:
            self.n_casts += 1
        if func is torch.ops.aten.native_layer_norm.default:
            self.normalised.append(args[0].dtype)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("model_type", FIRST_TOKEN_READERS)
def test_what_layers_hand_on_is_cast_once_in_bfloat16(model_type):
    model, batch = random_model(model_type).train(), padded_batch()
    plain, narrow = Products(), Products()
    with torch.autocast("cpu", torch.bfloat16):
        with plain:
            expected = model(**batch).logits
        with narrow:
            view = narrow_stream(model, torch.bfloat16)
            logits = view(**batch).logits
    # ELECTRA with small embeddings projects them first: a product, which is in bfloat16 already.
    assert (narrow.n_casts, plain.n_casts) == (1, 1 if model_type == "electra" else 8)
    assert set(narrow.normalised[1:]) == {torch.bfloat16}  # the first is that of the embeddings
    assert torch.allclose(logits.float(), expected.float(), atol=0.05)
    logits.float().sum().backward()
    assert {p.grad.dtype for p in model.parameters() if p.grad is not None} == {torch.float32}
    assert not any("forward" in vars(part) for part in model.modules())


@pytest.mark.parametrize("model_type", OTHERS)
def test_what_layers_of_other_models_hand_on_is_left_alone(model_type):
    model = random_model(model_type)
    assert narrow_stream(model, torch.bfloat16) is model


def test_without_autocast_what_is_narrow_computes_in_float32():
    """Rows for early stopping, and the weights of Hu et al., are computed so; a user's callback may, too."""
    model, batch = random_model("bert"), padded_batch()
    with torch.inference_mode():
        assert torch.equal(narrow_stream(model, torch.bfloat16)(**batch).logits, model(**batch).logits)


def test_early_stopping_and_weights_within_a_step_work_in_bfloat16(tiny_encoder, toy):
    real = {"real_X": toy["real_X"], "real_y": toy["real_y"]}
    settings = {**QUICK, "precision": "bf16"}
    assert len(
        CrossEntropyClassifier(tiny_encoder, early_stopping=True, **settings).fit(toy["X"], toy["y"], **real).history_
    )
    assert HuClassifier(tiny_encoder, **settings).fit(toy["X"], toy["y"], **real).sample_weight_.std() > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_other_types_than_bfloat16_are_left_alone(dtype):
    model = random_model("bert")
    assert narrow_stream(model, dtype) is model


@pytest.mark.parametrize(
    ("precision", "expected"), [("bf16", {torch.float32, torch.bfloat16}), ("fp32", {torch.float32})]
)
def test_training_and_the_passes_of_checkers_hand_on_bfloat16(precision, expected, tiny_encoder, toy, monkeypatch):
    seen = set()
    layer_norm = torch.nn.functional.layer_norm

    def spy(x, *args, **kwargs):
        seen.add(x.dtype)
        return layer_norm(x, *args, **kwargs)

    clf = CrossEntropyClassifier(tiny_encoder, **{**QUICK, "precision": precision})
    monkeypatch.setattr(torch.nn.functional, "layer_norm", spy)
    clf.fit(toy["X"], toy["y"])
    assert seen == expected
    seen.clear()
    tokens = clf._encode_rows(toy["X"])
    _engine.predict_logits(clf.module_, tokens, precision)
    assert seen == expected
    seen.clear()
    _engine.embed(clf.module_.base_model, tokens, precision)
    assert seen == expected
    seen.clear()
    clf.predict(toy["X"])
    assert seen == {torch.float32}


@pytest.mark.parametrize("shortcut", [first_token, lambda model: narrow_stream(model, torch.bfloat16)])
def test_a_view_is_gone_as_soon_as_nobody_uses_it(shortcut):
    """A circle of references would keep its parameters until the garbage collector comes by."""
    model = random_model("bert")
    gc.disable()
    try:
        gone = weakref.ref(shortcut(model))
        assert gone() is None
        module = copy.deepcopy(shortcut(model))
        gone = weakref.ref(next(module.parameters()))
        del module
        assert gone() is None
    finally:
        gc.enable()


# -- dropout ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_with_its_probability_and_keeps_the_mean(p):
    torch.manual_seed(0)
    x = torch.ones(1001, 1001)
    dropped = _dropout(x, p)
    share = (dropped == 0).double().mean().item()
    assert share == pytest.approx(p, abs=5 * (p * (1 - p) / x.numel()) ** 0.5 + 2**-17)
    assert dropped.unique().tolist() == [0, pytest.approx(1 / (1 - p), rel=1e-3)]
    assert dropped.double().mean().item() == pytest.approx(1, abs=5 * (p / (1 - p) / x.numel()) ** 0.5)
    neighbours = (dropped.ravel()[:-1] == 0) & (dropped.ravel()[1:] == 0)
    assert neighbours.double().mean().item() == pytest.approx(p**2, abs=0.003)


def test_dropout_passes_the_gradient_where_it_kept_the_value():
    torch.manual_seed(0)
    x = torch.randn(64, 3, requires_grad=True)
    dropped = _dropout(x, 0.5)
    dropped.sum().backward()
    torch.testing.assert_close(x.grad, (dropped != 0) * 2.0)


@pytest.mark.parametrize("p", [1e-9, 1.0])
def test_dropout_of_extreme_probabilities_is_left_to_torch(p):
    torch.manual_seed(0)
    assert torch.equal(_dropout(torch.ones(1000), p), torch.full((1000,), float(p < 0.5)))


def test_attention_drops_probabilities_after_the_softmax():
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 4, 6, 8)
    mask = torch.ones(2, 1, 6, 6, dtype=torch.bool)
    mask[1, :, :, 3:] = False
    bias = torch.zeros(2, 1, 6, 6).masked_fill(~mask, -torch.inf)
    plain = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    torch.testing.assert_close(_attend(query, key, value, mask, 0.0), plain)
    scores = (query @ key.transpose(-1, -2) / 8**0.5 + bias).softmax(-1)
    for given in (mask, bias):
        torch.manual_seed(1)
        attended = _attend(query, key, value, given, 0.3)
        torch.manual_seed(1)
        torch.testing.assert_close(attended, _dropout(scores, 0.3) @ value)
    mean = torch.stack([_attend(query, key, value, mask, 0.3) for _ in range(4000)]).mean(0)
    torch.testing.assert_close(mean, plain, rtol=0, atol=0.1)


class Operations(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.add(function.overloadpacket.__name__)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("model_type", FIRST_TOKEN_READERS)
def test_no_mask_is_drawn_number_by_number_on_a_cpu(model_type):
    model, batch = random_model(model_type).train(), padded_batch()
    with Operations() as plain:
        model(**batch)
    with Operations() as quick, quick_dropout(model, 0):
        first_token(model)(**batch)
    drawn = {"bernoulli_", "bernoulli", "native_dropout"}
    assert drawn & plain.names
    assert not drawn & quick.names
    assert "random_" in quick.names


def test_training_draws_masks_the_quick_way_and_puts_everything_back(tiny_encoder, toy):
    with Operations() as operations:
        clf = CrossEntropyClassifier(tiny_encoder, **QUICK).fit(toy["X"], toy["y"])
    assert "random_" in operations.names
    assert "bernoulli_" not in operations.names
    assert clf.module_.config._attn_implementation == "sdpa"
    assert not [child for child in clf.module_.modules() if "forward" in vars(child)]


def test_the_model_itself_is_left_as_it_is_and_a_copy_of_the_view_stands_alone():
    """Other threads may predict with it, copy it or save it meanwhile."""
    model, batch = random_model("bert"), padded_batch()
    logits = model(**batch).logits
    view = first_token(model)
    assert not [child for child in model.modules() if "forward" in vars(child)]
    assert [id(p) for p in view.parameters()] == [id(p) for p in model.parameters()]
    assert [name for name, _ in view.named_modules()] == [name for name, _ in model.named_modules()]
    lone = copy.deepcopy(view)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    torch.testing.assert_close(lone(**batch).logits, logits, rtol=0, atol=1e-6)


def test_a_shortcut_within_a_shortcut_leaves_the_outer_one_in_place():
    """As when a callback trains another classifier on the same model."""
    model = random_model("bert")
    with quick_dropout(model, 0):
        replaced = {child for child in model.modules() if "forward" in vars(child)}
        with quick_dropout(model, 0):
            pass
        assert {child for child in model.modules() if "forward" in vars(child)} == replaced
        assert model.config._attn_implementation == "skweight"
    assert not [child for child in model.modules() if "forward" in vars(child)]
    assert model.config._attn_implementation == "sdpa"


def test_an_interrupted_shortcut_is_undone():
    model = random_model("bert")

    def interrupted():
        with quick_dropout(model, 0):
            assert [child for child in model.modules() if "forward" in vars(child)]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not [child for child in model.modules() if "forward" in vars(child)]
    assert model.config._attn_implementation == "sdpa"


# -- all of them together ---------------------------------------------------------------------------------------------


def test_gradients_of_a_step_are_those_of_one_row_at_a_time(minilm, tmp_path, themes):
    """Batching, padding and shortcuts change nothing: every parameter's gradient, real text through a real encoder."""
    # One layer, no dropout.
    config = AutoConfig.from_pretrained(minilm)
    config.num_hidden_layers, config.hidden_dropout_prob, config.attention_probs_dropout_prob = 1, 0.0, 0.0
    model = AutoModelForSequenceClassification.from_pretrained(minilm, config=config)
    model.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(minilm).save_pretrained(tmp_path)
    X, y = themes["X"][:24], themes["y"][:24]
    weight = np.linspace(0.2, 3, 24)
    settings = {"max_epochs": 1, "batch_size": 24, "random_state": 0, "precision": "fp32", "max_grad_norm": None}
    steps = Record()
    CrossEntropyClassifier(tmp_path, **settings, callbacks=[Spy(steps)]).fit(X, y, sample_weight=weight)
    (gradients,) = steps

    names, target = np.unique(y, return_inverse=True)
    seed = int(np.random.RandomState(0).randint(np.iinfo(np.int32).max, size=3)[0])
    reference, tokenizer = load_module(tmp_path, names.tolist(), seed), load_tokenizer(tmp_path)
    for text, label, w in zip(X, torch.tensor(target)[:, None], weight / weight.mean(), strict=True):
        logits = reference(**tokenizer(text, return_tensors="pt")).logits
        (w / 24 * torch.nn.functional.cross_entropy(logits, label)).backward()
    expected = {name: p.grad for name, p in reference.named_parameters()}
    assert expected.keys() == gradients.keys()
    words = "bert.embeddings.word_embeddings.weight"
    used = np.unique(np.concatenate([[0], *(tokenizer(text)["input_ids"] for text in X)]))
    expected[words] = expected[words][used]
    largest = max(gradient.abs().max() for gradient in expected.values())
    for name, gradient in expected.items():
        assert (gradients[name] - gradient).abs().max() / largest < 1e-6, name


# -- vocabulary -------------------------------------------------------------------------------------------------------


@pytest.fixture
def whole_vocabulary(monkeypatch):
    """Let the whole embedding matrix be trained, by calling this."""
    return lambda: monkeypatch.setattr(skweight._engine.training, "used_vocabulary", lambda module, ids: nullcontext())


def embeddings(clf):
    return clf.module_.get_input_embeddings().weight.detach()


@pytest.mark.parametrize("params", [{}, {"early_stopping": True}, {"real_weight": 1.0}, {"precision": "bf16"}], ids=str)
def test_training_the_used_embeddings_alone_changes_nothing(params, tiny_encoder, toy, whole_vocabulary):
    clf = CrossEntropyClassifier(tiny_encoder, **{**QUICK, "lr": 1e-3, **params})
    used = clone(clf).fit(**toy)
    whole_vocabulary()
    whole = clone(clf).fit(**toy)
    torch.testing.assert_close(parameters(used), parameters(whole), rtol=0, atol=1e-6)
    assert [name for name, _ in used.module_.named_parameters()] == [n for n, _ in whole.module_.named_parameters()]
    assert type(used.module_.get_input_embeddings()) is torch.nn.Embedding


@pytest.mark.parametrize("model_type", FIRST_TOKEN_READERS + OTHERS)
def test_used_embeddings_get_the_gradients_of_the_whole_matrix(model_type):
    model, batch = random_model(model_type), padded_batch()
    logits, gradients = logits_and_gradients(model, batch)
    used = np.unique(np.concatenate([batch["input_ids"].numpy().ravel(), [model.config.pad_token_id]]))
    full = model.get_input_embeddings()
    (name,) = [name for name, p in model.named_parameters() if p is full.weight]
    with used_vocabulary(model, batch["input_ids"].numpy().ravel()):
        used_logits, used_gradients = logits_and_gradients(model, batch)
    assert used_gradients[name].shape[0] == len(used) < full.num_embeddings
    gradients[name] = gradients[name][used]
    torch.testing.assert_close(used_logits, logits, rtol=0, atol=1e-6)
    assert used_gradients.keys() == gradients.keys()
    for key, gradient in gradients.items():
        torch.testing.assert_close(used_gradients[key], gradient, rtol=0, atol=1e-6, msg=key)


def test_only_embeddings_of_tokens_that_occur_are_in_the_optimiser_and_move(tiny_encoder, toy):
    steps = Record()
    clf = CrossEntropyClassifier(tiny_encoder, **QUICK, callbacks=[Spy(steps)]).fit(toy["X"], toy["y"])
    tokenizer = load_tokenizer(tiny_encoder)
    used = {token for row in tokenizer(toy["X"])["input_ids"] for token in row} | {tokenizer.pad_token_id}
    assert (len(used), 32) in {tuple(gradient.shape) for gradient in steps[0].values()}
    before = load_module(tiny_encoder, ["fresh", "rotten"], 0).get_input_embeddings().weight
    moved = (embeddings(clf) != before).any(dim=1).nonzero()[:, 0].tolist()
    assert set(moved) == used - {tokenizer.pad_token_id}


@pytest.mark.parametrize("params", [{"weight_decay": 0.1}, {"net_params": {"optimizer__weight_decay": 0.1}}], ids=str)
def test_weight_decay_moves_all_embeddings(params, tiny_encoder, toy):
    before = load_module(tiny_encoder, ["fresh", "rotten"], 0).get_input_embeddings().weight
    clf = CrossEntropyClassifier(tiny_encoder, **{**QUICK, "lr": 0.1, **params}).fit(toy["X"], toy["y"])
    assert (embeddings(clf)[1:] != before[1:]).any(dim=1).all()


def test_padding_that_the_embedding_does_not_know_of_is_looked_up(tiny_encoder, toy, monkeypatch, whole_vocabulary):
    """As in decoders, whose padding token is one of the ordinary ones."""
    load = _engine.load_module

    def without_padding(*args):
        module = load(*args)
        module.get_input_embeddings().padding_idx = None
        return module

    monkeypatch.setattr(_engine, "load_module", without_padding)
    clf = CrossEntropyClassifier(tiny_encoder, **QUICK)
    toy["X"][0] += " with a long and tedious plot"  # so that batches hold padding
    used = clone(clf).fit(toy["X"], toy["y"])
    whole_vocabulary()
    whole = clone(clf).fit(toy["X"], toy["y"])
    torch.testing.assert_close(parameters(used), parameters(whole), rtol=0, atol=1e-6)


def test_a_callback_may_evaluate_texts_with_words_that_training_does_not_see(tiny_encoder, toy):
    """The whole matrix is asked for tokens that are not trained, the small one for those that are."""
    tokenizer, seen = load_tokenizer(tiny_encoder), {}
    batch = tokenizer(["superb and warm", "always tedious scene"], padding=True, return_tensors="pt")

    class Evaluate(Callback):
        def on_epoch_end(self, net, **kwargs):
            net.module_.eval()
            with torch.no_grad():
                seen[len(net.history)] = net.module_(**batch).logits

    clf = CrossEntropyClassifier(tiny_encoder, **{**QUICK, "max_epochs": 2, "lr": 1e-3}, callbacks=[Evaluate()])
    clf.fit(["a good film", "a bad film", "a warm cast"] * 2, ["fresh", "rotten", "fresh"] * 2)
    torch.testing.assert_close(seen[2], clf.module_(**batch).logits, rtol=0, atol=1e-6)


def test_an_interrupted_training_puts_the_embeddings_back(tiny_encoder):
    module = load_module(tiny_encoder, ["fresh", "rotten"], 0)
    full = module.get_input_embeddings()
    before = full.weight.detach().clone()

    def interrupted():
        with used_vocabulary(module, np.array([5, 7])):
            module.get_input_embeddings().weight.data += 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert module.get_input_embeddings() is full
    changed = (full.weight != before).any(dim=1).nonzero()[:, 0].tolist()
    assert changed == [0, 5, 7]  # 0 is the padding


def test_embeddings_that_another_layer_shares_are_left_whole(tiny_encoder):
    module = load_module(tiny_encoder, ["fresh", "rotten"], 0)
    full = module.get_input_embeddings()
    module.twin = torch.nn.Linear(*full.weight.shape[::-1], bias=False)
    module.twin.weight = full.weight
    with used_vocabulary(module, np.array([5, 7])):
        assert module.get_input_embeddings() is full
