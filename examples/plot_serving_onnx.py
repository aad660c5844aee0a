"""
Serving: ONNX
=============

Export a saved classifier to ONNX, and check that it gives the same probabilities. Needs
``pip install onnx onnxruntime onnxscript``.
"""

# %%
# A small classifier to export. A quarter of the rows keeps this example quick.

import tempfile

import numpy as np
import onnxruntime
import onnxscript  # noqa: F401  (torch's exporter needs it)
import torch
import transformers

from skweight import OpinionPoolClassifier
from skweight.datasets import fetch_film_sentences, load_film_reviews, minilm_folder

folder = tempfile.TemporaryDirectory()
synthetic = load_film_reviews()
synth_X, synth_y = synthetic.X[::4], synthetic.y[::4]
real = fetch_film_sentences(n_real=100, n_test=200)
clf = OpinionPoolClassifier(minilm_folder(), max_epochs=1, lr=2e-4, random_state=0)
clf.fit(synth_X, synth_y, real_X=real.real_X, real_y=real.real_y)
clf.save_pretrained(f"{folder.name}/model")

# %%
# The export
# ----------
# From the saved folder, with transformers alone. Both the number of texts and their length vary.

model = transformers.AutoModelForSequenceClassification.from_pretrained(f"{folder.name}/model").eval()
tokenizer = transformers.AutoTokenizer.from_pretrained(f"{folder.name}/model")


class Logits(torch.nn.Module):
    """The network as a function of two arrays."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        """Return the logits."""
        return self.model(input_ids=input_ids, attention_mask=attention_mask).logits


example = tokenizer(real.test_X[:3], padding=True, return_tensors="pt")
texts, tokens = torch.export.Dim("texts"), torch.export.Dim("tokens")
shape = {0: texts, 1: tokens}
path = f"{folder.name}/model.onnx"
torch.onnx.export(
    Logits(model).eval(),
    (example["input_ids"], example["attention_mask"]),
    path,
    input_names=["input_ids", "attention_mask"],
    output_names=["logits"],
    dynamic_shapes=(shape, shape),
    dynamo=True,
    verbose=False,
)

# %%
# The check
# ---------
# Softmax over the logits, in batches of another size than that of the example.

session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def predict_proba(texts):
    """Class probabilities by ONNX Runtime."""
    tokens = tokenizer(texts, padding=True, truncation=True, return_tensors="np")
    (logits,) = session.run(None, {name: tokens[name] for name in ("input_ids", "attention_mask")})
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


largest = max(
    np.abs(predict_proba(real.test_X[i : i + 20]) - clf.predict_proba(real.test_X[i : i + 20])).max()
    for i in range(0, 200, 20)
)
print(f"largest difference to predict_proba: {largest:.1e}")
assert largest < 1e-4
folder.cleanup()
