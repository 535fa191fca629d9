import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwbench_pipeline.legacy.configuration import Configuration, parse_configuration


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("batch_4_seq_128", Configuration(4, 128)),
        ("batch_1_img_224x224", Configuration(1, None, "image=224x224")),
        ("batch_2_audio_5s", Configuration(2, None, "audio=5s")),
        ("batch_8", Configuration(8)),
        ("batch=2_seq=16", Configuration(2, 16)),
        ("batch_0_seq_32", Configuration(None, 32)),
        ("default", Configuration()),
        ("", Configuration()),
    ],
)
def test_known_keys(key, expected):
    assert parse_configuration(key) == expected


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_every_batch_and_sequence(batch, sequence):
    assert parse_configuration(f"batch_{batch}_seq_{sequence}") == Configuration(batch, sequence)


@given(st.text())
def test_any_text_is_taken(key):
    found = parse_configuration(key)
    assert found.batch_size is None or found.batch_size > 0
    assert found.sequence_length is None or found.sequence_length > 0
