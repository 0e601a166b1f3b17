import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads on busy cores wait for each other: the tests take four times as long

import pytest  # noqa: E402

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory):
    """(recipe, places, bundle folder): every step of the package, once for all tests."""
    from toy import train_everything
    return train_everything(tmp_path_factory.mktemp("training"))
