"""
Tracking with MLflow
====================

Log parameters, scores of every expert, the training's history and the saved folder. Needs
``pip install mlflow-skinny``.
"""

# %%
# Everything that a run should record is an attribute of the fitted classifier. The store is a folder here, which MLflow
# only accepts with a setting; with a server, point ``set_tracking_uri`` at it and leave the setting out.

import os
import tempfile
from pathlib import Path

import mlflow

from skweight import OpinionPoolClassifier, effective_sample_size
from skweight.datasets import fetch_film_sentences, load_film_reviews, minilm_folder

folder = tempfile.TemporaryDirectory()
synthetic = load_film_reviews()
synth_X, synth_y = synthetic.X[::4], synthetic.y[::4]
real = fetch_film_sentences(n_real=100, n_test=200)

# %%
# The run:

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
mlflow.set_tracking_uri(Path(folder.name, "runs").as_uri())
mlflow.set_experiment("film reviews")
with mlflow.start_run() as run:
    clf = OpinionPoolClassifier(minilm_folder(), max_epochs=2, lr=2e-4, random_state=0)
    clf.fit(synth_X, synth_y, real_X=real.real_X, real_y=real.real_y)
    mlflow.log_params({name: value for name, value in clf.get_params(deep=False).items() if name != "encoder"})
    for epoch in clf.history_:
        mlflow.log_metric("train_loss", epoch["train_loss"], step=epoch["epoch"])
    for expert, score in clf.scores_.items():
        mlflow.log_metrics({f"{expert}_{name}": value for name, value in score.items()})
    mlflow.log_metric("effective_sample_size", effective_sample_size(clf.sample_weight_))
    mlflow.log_metric("test_accuracy", clf.score(real.test_X, real.test_y))
    clf.save_pretrained(f"{folder.name}/model")
    mlflow.log_artifacts(f"{folder.name}/model", "model")

# %%
# Found again, by another process:

logged = mlflow.get_run(run.info.run_id).data
print(f"{len(logged.params)} parameters; test accuracy {logged.metrics['test_accuracy']:.3f}")
print(f"pool {logged.metrics['pool_accuracy']:.3f}, real rows alone {logged.metrics['real_accuracy']:.3f}")
again = OpinionPoolClassifier.from_pretrained(
    mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="model")
)
assert (again.predict(real.test_X) == clf.predict(real.test_X)).all()
folder.cleanup()
