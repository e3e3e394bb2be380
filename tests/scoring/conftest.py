"""What the tests of scoring share."""

import pytest

from modeling_empathic.scoring import loading
from tests.support.scoring_fakes import fake_loader


@pytest.fixture
def faked(monkeypatch):
    """The command scores with a model that takes no time."""
    monkeypatch.setattr(loading, "load_model", fake_loader())
