"""Zones as text that gives the same zone back."""

from datetime import UTC, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwbench_pipeline.legacy.zones import zone_named, zone_text


@given(st.integers(-1439, 1439))
def test_offsets_come_back(minutes):
    zone = timezone(timedelta(minutes=minutes))
    assert zone_named(zone_text(zone)).utcoffset(None) == zone.utcoffset(None)


@pytest.mark.parametrize("text", ["UTC", "-08:00", "+05:30", "Europe/Berlin"])
def test_texts_come_back(text):
    assert zone_text(zone_named(text)) == text


def test_spellings():
    assert zone_named("z") is UTC
    assert zone_text(zone_named("-0800")) == "-08:00"
    assert zone_text(None) is None


@pytest.mark.parametrize("text", ["Mars/Olympus", "+25:00", "../../etc/passwd", "", "+08"])
def test_no_zone(text):
    with pytest.raises(ValueError, match="is no zone"):
        zone_named(text)
