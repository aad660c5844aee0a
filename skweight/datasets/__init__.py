"""Data: CSV files, folders of them, noise to inject, and the demo's film reviews."""

from skweight.datasets._films import fetch_film_sentences, load_film_reviews
from skweight.datasets._minilm import minilm_folder
from skweight.datasets._noise import inject_noise
from skweight.datasets._tables import load_csv, load_task

__all__ = ["fetch_film_sentences", "inject_noise", "load_csv", "load_film_reviews", "load_task", "minilm_folder"]
