"""How many architectures each way was verified for: counted, never claimed."""

from __future__ import annotations

from hwbench_pipeline.analysis.breadth import Count, Way, by_category, causes, count, entries, ways
from hwbench_pipeline.catalog.names import CatalogModel
from hwbench_pipeline_tests import rows

CPU = Way("inference", "cpu", None)
ONNX = Way("inference", "cpu", "onnxruntime")
TEXT = CatalogModel("bert", "", "", "", "text_encoder", ("text",))
BOTH = CatalogModel("clip", "", "", "", "vision_text", ("text", "image"))
FILM = CatalogModel("film", "", "", "", "video", ("text", "video"))
PART = CatalogModel("tower", "", "", "", "vision", ("image",))


def found(*made, models=(TEXT, BOTH, FILM, PART), size=None):
    made = [row | {"model_size": size or "tiny"} for row in made]
    return entries(made, models, ["tower"])


def test_a_failure_and_a_missing_row_are_not_verified():
    of = found(rows.measured(model="bert"), rows.without_number(model="clip"))
    assert count(of, CPU) == Count(total=4, tried=2, verified=1, whole=1)
    assert count(of, CPU).percent == 25
    assert count(of, ONNX) == Count(4, 0, 0, 0)
    assert count([], CPU).percent is None
    assert causes(of, CPU) == {"never_tried": 2, "config": 1}


def test_what_was_not_compared_and_what_is_no_stand_in_is_not_verified():
    (unchecked, *_) = found(rows.measured(model="bert", output_max_rel_error=None))
    assert not unchecked.is_verified(CPU)
    (large, *_) = found(rows.measured(model="bert"), size="reference")
    assert CPU not in large.rows


def test_every_way_is_counted_apart():
    of = found(rows.measured(model="bert"), rows.measured(model="bert", variant="onnxruntime"))
    assert ways(of) == [CPU, ONNX]
    assert [way.title for way in ways(of)] == ["cpu forward", "cpu onnxruntime forward"]


def test_the_newest_row_of_a_point_decides_and_one_verified_point_is_enough():
    good = rows.measured(model="bert", started_at=rows.later(0))
    point = {name: good[name] for name in ("model_size", "scenario", "precision", "batch_size", "sequence_length")}
    broken = rows.without_number(model="bert", started_at=rows.later(5), error_message="broken") | point
    (entry, *_) = found(broken, good)
    assert not entry.is_verified(CPU)
    assert entry.rows[CPU]["error_message"] == "broken"
    (entry, *_) = found(good, broken | {"precision": "bf16"})
    assert entry.is_verified(CPU)
    (entry, *_) = found(broken | {"started_at": rows.later(9), "precision": "bf16", "error_message": "last"}, broken)
    assert entry.rows[CPU]["error_message"] == "last"


def test_what_an_older_configuration_showed_is_no_evidence_of_the_newer_one():
    older = rows.measured(model="bert", batch_size=2, config_sha256="a" * 64, started_at=rows.STARTED)
    newer = rows.without_number(model="bert", batch_size=1, config_sha256="b" * 64, started_at=rows.later(60))
    (bert, *_) = found(older, newer)
    assert not bert.is_verified(CPU)
    (bert, *_) = found(older | {"config_sha256": "b" * 64}, newer)
    assert bert.is_verified(CPU)


def test_a_model_run_on_some_of_its_modalities_only_says_which_are_missing():
    def shaped(model, shape):
        return rows.measured(model=model, input_shape=shape)

    of = found(shaped("clip", "input_ids=1x8"), shaped("film", "decoder_input_ids=1x8;pixel_values=1x4x3x8x8"))
    assert of[1].missing_modalities(CPU) == ("image",)
    assert of[2].missing_modalities(CPU) == ()
    assert count(of, CPU) == Count(4, 2, 2, 1)


def test_parts_are_told_and_categories_sorted_by_size():
    of = found(models=(TEXT, PART, CatalogModel("vit", "", "", "", "vision", ("image",))))
    assert [entry.is_part for entry in of] == [False, True, False]
    assert {name: len(group) for name, group in by_category(of).items()} == {"vision": 2, "text_encoder": 1}
