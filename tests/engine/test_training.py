"""The optimiser, its schedule, interruptions, precision and device."""

import numpy as np
import pytest
import torch
from helpers import QUICK, Record, parameters
from sklearn.linear_model import LogisticRegression
from skorch.callbacks import Callback

from skweight import DIMPClassifier
from skweight._engine.loading import load_module, load_tokenizer, resolve_device, resolve_precision
from skweight.baselines import CrossEntropyClassifier, HuClassifier, SunGenClassifier


class Spy(Callback):
    """Reads the optimiser while it works."""

    def __init__(self, steps):
        self.steps = steps

    def on_grad_computed(self, net, named_parameters, **kwargs):
        gradients = [p.grad for _, p in named_parameters if p.grad is not None]
        norm = torch.linalg.vector_norm(torch.stack([g.norm() for g in gradients])).item()
        groups = [(g["lr"], g["weight_decay"], g["params"]) for g in net.optimizer_.param_groups]
        self.steps.append((norm, groups, net.module_.training))


def spied(tiny_encoder, toy, **params):
    steps = Record()
    clf = CrossEntropyClassifier(tiny_encoder, **{**QUICK, **params}, callbacks=[Spy(steps)])
    return clf.fit(toy["X"], toy["y"]), steps


# -- optimiser and schedule -------------------------------------------------------------------------------------------


def test_learning_rate_falls_linearly_over_the_true_number_of_steps(tiny_encoder, toy):
    _, steps = spied(tiny_encoder, toy, lr=0.06, batch_size=5, max_epochs=2)  # 12 rows: 3 steps an epoch
    assert [groups[0][0] for _, groups, _ in steps] == pytest.approx([0.06, 0.05, 0.04, 0.03, 0.02, 0.01])


def test_learning_rate_warms_up_over_the_first_share_of_the_steps(tiny_encoder, toy):
    _, steps = spied(tiny_encoder, toy, lr=0.06, batch_size=5, max_epochs=2, warmup_ratio=1 / 3)
    assert [groups[0][0] for _, groups, _ in steps] == pytest.approx([0, 0.03, 0.06, 0.045, 0.03, 0.015])


def test_biases_and_layer_norms_are_left_out_of_weight_decay(tiny_encoder, toy):
    clf, steps = spied(tiny_encoder, toy, weight_decay=0.1)
    decayed, plain = steps[0][1]
    assert (decayed[1], plain[1]) == (0.1, 0.0)
    free = {name for name, p in clf.module_.named_parameters() if any(p is q for q in plain[2])}
    assert free == {name for name, _ in clf.module_.named_parameters() if "LayerNorm" in name or name.endswith("bias")}
    assert len(decayed[2]) + len(plain[2]) == len(list(clf.module_.parameters()))


def test_gradients_are_scaled_down_to_max_grad_norm(tiny_encoder, toy):
    _, free = spied(tiny_encoder, toy, max_grad_norm=None, lr=1e-9)
    _, clipped = spied(tiny_encoder, toy, max_grad_norm=0.01, lr=1e-9)
    assert all(norm > 0.02 for norm, _, _ in free)
    assert [norm for norm, _, _ in clipped] == pytest.approx([0.01] * len(clipped), rel=1e-3)


def test_model_trains_with_dropout_and_predicts_without(tiny_encoder, toy):
    clf, steps = spied(tiny_encoder, toy)
    assert all(training for _, _, training in steps)
    assert not clf.module_.training
    np.testing.assert_array_equal(clf.predict_proba(toy["X"]), clf.predict_proba(toy["X"]))


def test_net_params_reach_the_optimiser(tiny_encoder, toy):
    plain, _ = spied(tiny_encoder, toy)
    other, _ = spied(tiny_encoder, toy, net_params={"optimizer__betas": (0.5, 0.5)})
    assert not torch.equal(parameters(plain), parameters(other))


@pytest.mark.parametrize("name", ["SGD", "RMSprop", "NAdam", "RAdam", "Adagrad", "Adafactor", "Rprop"])
def test_any_optimiser_of_torch_trains(name, tiny_encoder, toy):
    optimizer = getattr(torch.optim, name)

    def train(**net_params):
        return CrossEntropyClassifier(tiny_encoder, **QUICK, net_params=net_params, lr=1e-3).fit(toy["X"], toy["y"])

    clf = train(optimizer=optimizer)
    assert parameters(clf).isfinite().all()
    assert not torch.equal(parameters(clf), parameters(train()))
    wrapped = train(optimizer=lambda *args, **kwargs: optimizer(*args, **kwargs))
    torch.testing.assert_close(parameters(wrapped), parameters(clf), atol=1e-5, rtol=0)


def test_another_implementation_of_the_optimiser_can_be_chosen(tiny_encoder, toy):
    plain, _ = spied(tiny_encoder, toy)
    foreach, _ = spied(tiny_encoder, toy, net_params={"optimizer__foreach": True})
    torch.testing.assert_close(parameters(foreach), parameters(plain), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("net_params", "message"),
    [
        ({"optimzer": torch.optim.SGD}, "'optimzer', which the training does not know. Did you mean 'optimizer'"),
        (
            {"optimizer__beta": 0},
            "'optimizer__beta', which the training does not know. Did you mean 'optimizer__betas'",
        ),
        ({"optimizer": torch.optim.SGD, "optimizer__betas": (0, 0)}, "'optimizer__betas', which the training does not"),
        (
            {"iterator_train__num_workers": 2},
            "'iterator_train__num_workers', which the training does not know. There are",
        ),
        ({"max_epochs": 3}, "'max_epochs', which is a parameter of the classifier itself"),
    ],
    ids=str,
)
def test_a_net_param_that_nothing_would_read_is_refused_with_the_nearest_names(net_params, message, tiny_encoder, toy):
    with pytest.raises(ValueError, match=f"^net_params holds {message}"):
        spied(tiny_encoder, toy, net_params=net_params)


def test_weight_decay_that_an_optimiser_does_not_take_is_its_own_error(tiny_encoder, toy):
    with pytest.raises(TypeError, match="weight_decay"):
        spied(tiny_encoder, toy, weight_decay=0.1, net_params={"optimizer": torch.optim.Rprop})


def test_ten_steps_equal_a_plain_torch_loop(tiny_encoder, toy, tmp_path):
    """The engine adds nothing to AdamW on the mean cross-entropy: a loop written out reaches the same parameters."""
    order = []

    class Order(Callback):
        def on_batch_begin(self, net, batch=None, training=False, **kwargs):
            order.append(batch.rows.clone())

    # Without dropout the two runs have no randomness but the order of the rows, which is read off.
    module = load_module(tiny_encoder, ["fresh", "rotten"], seed=0)
    module.config.hidden_dropout_prob = module.config.attention_probs_dropout_prob = 0.0
    module.save_pretrained(tmp_path)
    load_tokenizer(tiny_encoder).save_pretrained(tmp_path)

    clf = CrossEntropyClassifier(tmp_path, **{**QUICK, "max_epochs": 5, "batch_size": 6}, callbacks=[Order()], lr=1e-3)
    clf.fit(toy["X"], toy["y"])
    rng = np.random.RandomState(0)
    seed = int(rng.randint(np.iinfo(np.int32).max, size=3)[0])
    reference = load_module(tmp_path, ["fresh", "rotten"], seed=seed).train()
    tokenizer = load_tokenizer(tmp_path)
    optimiser = torch.optim.AdamW(reference.parameters(), lr=1e-3, weight_decay=0.0)
    target = torch.tensor([["fresh", "rotten"].index(label) for label in toy["y"]])
    for step, rows in enumerate(order):
        optimiser.param_groups[0]["lr"] = 1e-3 * (1 - step / 10)
        inputs = tokenizer([toy["X"][i] for i in rows], padding=True, return_tensors="pt")
        loss = torch.nn.functional.cross_entropy(reference(**inputs).logits, target[rows])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(reference.parameters(), 1.0)
        optimiser.step()
    assert len(order) == 10
    torch.testing.assert_close(parameters(clf), parameters(reference), atol=1e-5, rtol=0)


# -- interruptions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_interruption_propagates_and_leaves_an_unfitted_classifier(error, tiny_encoder, toy):
    class Interrupt(Callback):
        def on_batch_end(self, net, **kwargs):
            if len(net.history) == 2:
                raise error

    clf = CrossEntropyClassifier(tiny_encoder, **QUICK).fit(toy["X"], toy["y"])
    clf.set_params(callbacks=[Interrupt()])
    with pytest.raises(error):
        clf.fit(toy["X"], toy["y"])
    assert not [name for name in vars(clf) if name.endswith("_")]


def test_loss_that_is_not_finite_stops_with_step_and_rows(tiny_encoder, toy):
    clf = CrossEntropyClassifier(tiny_encoder, **QUICK, lr=1e30, max_grad_norm=None)
    with pytest.raises(FloatingPointError, match=r"The loss is nan in epoch 1, step \d+ \(rows \[\d+, .*clip=10"):
        clf.fit(toy["X"], toy["y"])


@pytest.mark.parametrize("ruin", [{"lr": 1e38}, {"lr": 1e20}, {"weight_decay": 1e30}], ids=str)
@pytest.mark.parametrize("cls", [CrossEntropyClassifier, DIMPClassifier, HuClassifier, SunGenClassifier])
def test_parameters_that_the_last_step_has_ruined_are_refused(cls, ruin):
    """No loss is taken after it: the model would be returned and predict NaN."""
    X = np.random.RandomState(0).randn(16, 2)
    own = {DIMPClassifier: {"quality_checker": LogisticRegression()}, HuClassifier: {"pretrain_epochs": 0}}
    clf = cls("passthrough", **{**QUICK, "max_epochs": 1, "batch_size": 16, **own.get(cls, {}), **ruin})
    message = r"The parameters became infinite or NaN in epoch 1, step 1, the last one\. Try a smaller lr or weight_"
    with pytest.raises(FloatingPointError, match=message):
        clf.fit(X, X[:, 0] > 0, real_X=X[:8] + 1, real_y=X[:8, 0] > 0)
    assert not hasattr(clf, "module_")


def test_a_checker_that_its_last_step_has_ruined_is_refused():
    X = np.random.RandomState(0).randn(16, 2)
    clf = DIMPClassifier("passthrough", **QUICK).set_params(
        quality_checker__max_epochs=1, quality_checker__batch_size=16, quality_checker__lr=1e38
    )
    with pytest.raises(FloatingPointError, match="The parameters became infinite or NaN"):
        clf.fit(X, X[:, 0] > 0, real_X=X[:8] + 1, real_y=X[:8, 0] > 0)


def without_memory(*args):
    raise torch.OutOfMemoryError("CUDA out of memory.")


class WithoutMemory(Callback):
    def on_train_begin(self, net, **kwargs):
        net.module_.register_forward_pre_hook(without_memory)


def test_a_device_without_memory_is_an_error_that_says_what_to_set(tiny_encoder, toy):
    clf = CrossEntropyClassifier(tiny_encoder, **QUICK, callbacks=[WithoutMemory()])
    with pytest.raises(torch.OutOfMemoryError) as caught:
        clf.fit(toy["X"], toy["y"])
    assert str(caught.value) == "CUDA out of memory."
    assert caught.value.__notes__ == [
        "Training with batch_size=4, max_length=16, precision='fp32' needs more memory than the device has. Set a "
        "smaller batch_size, for texts a smaller max_length, or precision='bf16'."
    ]
    assert not [name for name in vars(clf) if name.endswith("_")]


def test_so_is_one_without_memory_to_predict_with(tiny_encoder, toy):
    clf = CrossEntropyClassifier(tiny_encoder, **QUICK).fit(toy["X"], toy["y"])
    hook = clf.module_.register_forward_pre_hook(without_memory)
    with pytest.raises(torch.OutOfMemoryError) as caught:
        clf.predict(toy["X"])
    (advice,) = caught.value.__notes__
    assert "whatever batch_size is. Set a smaller max_length" in advice
    hook.remove()
    assert clf.predict(toy["X"]).shape == (12,)


# -- precision and device ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_trains_nearly_the_same_model(precision, tiny_encoder, toy):
    full = CrossEntropyClassifier(tiny_encoder, **QUICK).fit(toy["X"], toy["y"])
    half = CrossEntropyClassifier(tiny_encoder, **{**QUICK, "precision": precision}).fit(toy["X"], toy["y"])
    assert {p.dtype for p in half.module_.parameters()} == {torch.float32}
    assert not torch.equal(parameters(half), parameters(full))
    np.testing.assert_allclose(half.predict_proba(toy["X"]), full.predict_proba(toy["X"]), atol=0.02)


def test_weights_are_computed_in_float32_under_half_precision(tiny_encoder, toy):
    clf = DIMPClassifier(tiny_encoder, **{**QUICK, "precision": "bf16"}).set_params(quality_checker__max_epochs=1)
    clf.fit(toy["X"], toy["y"], real_X=toy["real_X"], real_y=toy["real_y"])
    rounded = torch.tensor(clf.sample_weight_).bfloat16().double().numpy()
    assert (rounded != clf.sample_weight_).any()


def test_auto_precision_takes_bfloat16_on_a_cpu_only_where_it_is_faster(monkeypatch):
    cpu = torch.device("cpu")
    for capabilities, dtype in [
        ({"amx_bf16": True, "avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": False, "avx512_bf16": True, "cpu_name": "AMD EPYC"}, torch.bfloat16),
        ({"amx_bf16": False, "avx512_bf16": True, "cpu_name": "Intel(R) Xeon(R)"}, torch.float32),
        ({"amx_bf16": False, "avx512_bf16": False, "cpu_name": "AMD EPYC"}, torch.float32),
        ({}, torch.float32),
    ]:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=capabilities: found, raising=False)
        assert resolve_precision("auto", cpu) == dtype
    assert resolve_precision("fp16", cpu) == torch.float16


def test_device_that_is_not_there_is_refused_with_those_that_are(tiny_encoder, toy):
    assert resolve_device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match=r"device='cuda:77' is not present; present here: .*cpu"):
        CrossEntropyClassifier(tiny_encoder, device="cuda:77").fit(toy["X"], toy["y"])
    with pytest.raises(ValueError, match="device='gpu' is not a torch device"):
        resolve_device("gpu")


def test_device_may_be_none_or_the_number_of_a_cuda_device():
    assert resolve_device(None) == resolve_device("auto")
    if torch.cuda.is_available():
        assert resolve_device(0) == torch.device("cuda:0")
    for absent in (77, np.int64(77)):
        with pytest.raises(ValueError, match=r"device=.*77.* is not present; present here: .*cpu"):
            resolve_device(absent)
    with pytest.raises(ValueError, match=r"device=1\.5 is not a torch device"):
        resolve_device(1.5)


def test_device_none_is_fitted_and_saved(tiny_encoder, toy, tmp_path):
    clf = CrossEntropyClassifier(tiny_encoder, **QUICK, device=None).fit(toy["X"], toy["y"])
    clf.save_pretrained(tmp_path)
    assert CrossEntropyClassifier.from_pretrained(tmp_path).device is None


@pytest.mark.slow
def test_compiled_training_reaches_the_same_model(tiny_encoder, toy):
    plain = CrossEntropyClassifier(tiny_encoder, **QUICK).fit(toy["X"], toy["y"])
    compiled = CrossEntropyClassifier(tiny_encoder, **QUICK, compile=True).fit(toy["X"], toy["y"])
    np.testing.assert_allclose(compiled.predict_proba(toy["X"]), plain.predict_proba(toy["X"]), atol=1e-2)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["auto", "fp32", "bf16", "fp16"])
def test_gpu_trains_and_its_pickle_opens_on_the_cpu(precision, tiny_encoder, toy):
    import pickle

    clf = DIMPClassifier(tiny_encoder, **{**QUICK, "precision": precision}, device="cuda")
    clf.fit(toy["X"], toy["y"], real_X=toy["real_X"], real_y=toy["real_y"])
    assert next(clf.module_.parameters()).device.type == "cuda"
    copied = pickle.loads(pickle.dumps(clf))
    assert next(copied.module_.parameters()).device.type == "cpu"
    np.testing.assert_allclose(copied.predict_proba(toy["X"]), clf.predict_proba(toy["X"]), atol=1e-4)
