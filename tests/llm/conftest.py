import pytest
from llm_servers import local_model


@pytest.fixture(scope="session")
def model_server(tmp_path_factory):
    """A tiny language model behind a real server; ``url`` says where."""
    with local_model(tmp_path_factory.mktemp("model")) as server:
        yield server
