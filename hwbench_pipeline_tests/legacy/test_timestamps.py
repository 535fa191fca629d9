from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwbench_pipeline.legacy.timestamps import derive_zone, parse_time_stamp

MOMENTS = st.datetimes(datetime(2001, 1, 1), datetime(2099, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize(
    "written", ["20250302_202226", "20250302T202226", "2025-03-02T20:22:26.740755", "2025-03-02 20:22:26"]
)
def test_local_time_without_a_zone_has_no_instant(written):
    stamp = parse_time_stamp(written)
    assert (stamp.written, stamp.instant) == (written, None)


@given(MOMENTS)
def test_stated_zone_converts_every_form(moment):
    zone = timezone(timedelta(hours=-8))
    seconds = moment.replace(microsecond=0)
    expected = moment.replace(tzinfo=zone).astimezone(UTC)
    assert parse_time_stamp(moment.isoformat(), zone).instant == expected
    assert parse_time_stamp(moment.isoformat(" "), zone).instant == expected
    assert parse_time_stamp(moment.strftime("%Y%m%d_%H%M%S"), zone).instant == seconds.replace(tzinfo=zone)
    assert parse_time_stamp(moment.isoformat() + "Z", zone).instant == moment.replace(tzinfo=UTC)
    assert parse_time_stamp(moment.isoformat() + "+05:30").instant == moment.replace(
        tzinfo=timezone(timedelta(hours=5, minutes=30))
    )


@given(MOMENTS)
def test_epoch_in_seconds_milliseconds_and_text(moment):
    instant = moment.replace(tzinfo=UTC, microsecond=0)
    epoch = int(instant.timestamp())
    assert parse_time_stamp(epoch).instant == instant
    assert parse_time_stamp(epoch * 1000).instant == instant
    if len(str(epoch)) == 10:
        assert parse_time_stamp(str(epoch)).instant == instant


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans(), st.lists(st.integers())))
def test_nothing_makes_it_fail(value):
    stamp = parse_time_stamp(value, UTC)
    assert stamp is None or stamp.instant is None or stamp.instant.tzinfo is not None


@pytest.mark.parametrize(
    "written", ["2025-13-45T99:99:99", "20259999_999999", "2025-03-02", "0001-01-01T00:00:00+14:00"]
)
def test_what_is_no_instant_stays_text(written):
    assert parse_time_stamp(written, UTC).instant is None
    assert parse_time_stamp(written, UTC).written == written


@pytest.mark.parametrize("written", ["2025-03-09T02:30:00", "2025-11-02T01:30:00"])
def test_clock_times_that_never_were_or_were_twice_have_no_instant(written):
    assert parse_time_stamp(written, ZoneInfo("America/Los_Angeles")).instant is None


@given(MOMENTS, st.integers(-48, 56))
def test_zone_is_derived_from_an_epoch_beside_the_local_time(moment, quarters):
    zone = timezone(timedelta(minutes=15 * quarters))
    epoch = moment.replace(tzinfo=zone).timestamp()
    assert derive_zone({"a": {"timestamp": moment.isoformat(), "end_time": epoch + 3}}) == zone
    assert derive_zone({"timestamp": moment.isoformat(), "b": [{"time": epoch}]}) == zone


def test_zone_is_not_derived_without_agreement():
    local = {"timestamp": "2025-03-02T20:00:00"}
    assert derive_zone(local) is None
    assert derive_zone({**local, "start_time": 1740974400.0 + 7 * 60}) is None
    assert derive_zone([{**local, "start_time": 1740974400}, {**local, "start_time": 1740978000}]) is None
    assert derive_zone({**local, "memory_bytes": 1740974400}) is None
