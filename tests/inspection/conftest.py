import matplotlib
import pytest


@pytest.fixture(autouse=True)
def no_window():
    """Draw into memory, and leave no figure behind."""
    import matplotlib.pyplot as plt

    matplotlib.use("Agg")
    yield
    plt.close("all")


@pytest.fixture
def legend():
    """Return the texts of an Axes' legend."""
    return lambda ax: [text.get_text() for text in ax.get_legend().get_texts()]
