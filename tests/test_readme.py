import re

import numpy as np
import pytest
from helpers import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_first_example_is_a_script_too():
    (example, _) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert (ROOT / "examples" / "film_reviews.py").read_text(encoding="utf-8").endswith(f'"""\n\n{example}')


@pytest.mark.slow
def test_the_code_in_the_readme_runs(capsys):
    """Downloads the real film sentences on first use, and trains for about two minutes."""
    example, search = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    namespace = {}
    exec(compile(example, "README.md", "exec"), namespace)
    accuracy = float(capsys.readouterr().out.splitlines()[0])
    assert accuracy > 0.65
    # The search takes seven fits: of fewer rows.
    for data, names, n in ((namespace["synthetic"], "Xy", 100), (namespace["real"], ("real_X", "real_y"), 60)):
        data.update({name: data[name][:n] for name in names})
    namespace["clf"].set_params(max_epochs=1)
    exec(compile(search, "README.md", "exec"), namespace)
    search = namespace["search"]
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.real_weight == search.best_params_["real_weight"]
    assert len(search.best_estimator_.sample_weight_) == 160
