"""Which precision a machine chooses."""

from __future__ import annotations

import pytest

from condensery.training import precision
from condensery.training.precision import suited_precision


def test_auto_is_bf16_where_the_processor_multiplies_it(monkeypatch: pytest.MonkeyPatch):
    for native, chosen in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(precision, "native_bf16", lambda device, native=native: native)
        assert suited_precision("auto", "cpu") == chosen


def test_auto_is_fp32_on_an_accelerator_and_other_words_stay(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(precision, "native_bf16", lambda device: True)
    assert suited_precision("auto", "cuda") == "fp32"
    assert suited_precision("fp32", "cpu") == "fp32"
    assert suited_precision("bf17", "cpu") == "bf17"  # is refused by what uses it
