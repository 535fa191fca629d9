"""Exceptions of architectures that take images or video and no text. Data only, each with its reason."""

from __future__ import annotations

from typing import Any

import torch

from hwbench_pipeline.catalog.exceptions.declaring import Exceptional, Inputs, MakeInputs

_NO_TIMM = "the default backbone is one of timm, which is not installed; ResNet-50 of transformers stands for it"


def _resnet(*stages: int) -> dict[str, Any]:
    """A ResNet-50 of transformers that hands over the features of these stages."""
    return {"model_type": "resnet", "out_features": [f"stage{stage}" for stage in stages]}


def _images_of(height: int, width: int, n_channels: int = 3) -> MakeInputs:
    """Images of one size that no configuration states."""

    def made(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
        return {"pixel_values": torch.randn(batch, n_channels, height, width, generator=generator)}

    return made


def _pairs_of(height: int, width: int) -> MakeInputs:
    """Two images per item, in which the same points are looked for."""

    def made(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
        return {"pixel_values": torch.rand(batch, 2, 3, height, width, generator=generator)}

    return made


def _whole_scene(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    """Images of which the smallest scale is one patch."""
    side = round(config.patch_size / config.scaled_images_ratios[0])
    return {"pixel_values": torch.randn(batch, 3, side, side, generator=generator)}


def _image_and_example(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    """An image, another one as example and the example's mask: the model stacks an example over its image."""
    height, width = config.image_size
    shape = (batch, 3, height // 2, width)
    names = ("pixel_values", "prompt_pixel_values", "prompt_masks")
    return {name: torch.randn(shape, generator=generator) for name in names}


def _image_and_task(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    """An image and the tokens that name a task, which go into a perceptron as numbers."""
    tokens = torch.randint(config.text_encoder_vocab_size, (batch, config.task_seq_len), generator=generator)
    return {"pixel_values": inputs["pixel_values"], "task_inputs": tokens.float()}


def _image_and_noise(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    """An image and the number of each patch by which it is hidden or kept."""
    n_patches = (config.image_size // config.patch_size) ** 2
    return {"pixel_values": inputs["pixel_values"], "noise": torch.rand(batch, n_patches, generator=generator)}


def _image_task_and_classes(config: Any, batch: int, length: int, generator: torch.Generator, inputs: Inputs) -> Inputs:
    """An image, a task in words, and three classes in words to look for."""
    n_classes = 3
    vocabulary = config.text_config.vocab_size
    size = config.image_size
    made: Inputs = {"pixel_values": torch.randn(batch, 3, size, size, generator=generator)}
    for name, rows in (("classes", n_classes * batch), ("tasks", batch)):
        tokens = torch.randint(4, vocabulary, (rows, 8), generator=generator)
        tokens[:, -1] = vocabulary - 1  # the text tower reads its summary at the highest id
        made |= {f"{name}_input_ids": tokens, f"{name}_attention_mask": torch.ones_like(tokens)}
    made["classes_structure"] = torch.full((batch,), n_classes)
    return made


_SAM_WIDTHS = frozenset(
    {
        "hidden_size",
        "mlp_dim",
        "num_attention_heads",
        "iou_head_hidden_dim",
        "vit_dim",
        "mask_input_channels",
    }
)
_SAM_TINY = {"vision_config": {"image_size": 256}, "prompt_encoder_config": {"image_size": 256}}
_SAM2_FEATURES = [[64, 64], [32, 32], [16, 16]]
_SAM2_VISION = {"backbone_config": {"image_size": [256, 256]}, "backbone_feature_sizes": _SAM2_FEATURES}
_SAM2_TINY = {"vision_config": _SAM2_VISION, "prompt_encoder_config": {"image_size": 256}}
_SAM3_VISION = {"backbone_config": {"image_size": 336}, "backbone_feature_sizes": [[96, 96], [48, 48], [24, 24]]}
_SAM3_TINY = {"vision_config": _SAM3_VISION, "prompt_encoder_config": {"image_size": 336}}
_LARGE_IMAGE = "a forward pass of an image of 1024 pixels takes seconds on a core, so the tiny model takes smaller ones"

_INTRACLASS = {
    "reduce_channel": [1, 1, 0],
    "return_channel": [1, 1, 0],
    "vertical_long_to_small_conv_longratio": [[7, 1], [1, 1], [3, 0]],
    "vertical_long_to_small_conv_midratio": [[5, 1], [1, 1], [2, 0]],
    "vertical_long_to_small_conv_shortratio": [[3, 1], [1, 1], [1, 0]],
    "horizontal_small_to_long_conv_longratio": [[1, 7], [1, 1], [0, 3]],
    "horizontal_small_to_long_conv_midratio": [[1, 5], [1, 1], [0, 2]],
    "horizontal_small_to_long_conv_shortratio": [[1, 3], [1, 1], [0, 1]],
    "symmetric_conv_long_longratio": [[7, 7], [1, 1], [3, 3]],
    "symmetric_conv_long_midratio": [[5, 5], [1, 1], [2, 2]],
    "symmetric_conv_long_shortratio": [[3, 3], [1, 1], [1, 1]],
}
_TEXT_FINDER = {
    "intraclass_block_config": _INTRACLASS,
    "scale_factor_list": [1, 2, 4, 8],
    "kernel_list": [3, 2, 2],
}
_DEPTH_TOWERS = ("image_model_config", "patch_model_config", "fov_model_config")
_TEXT_FINDER_WHY = "the class leaves open its convolutions, whose kernels (7, 5, 3) the names of its layers tell"
_TEXT_LINE = "the image of a line of text is 48 × 320, which only an image processor of torchvision says"
_LAYOUT_CLASSES = 25


def _lcnet_of_pages() -> dict[str, Any]:
    """The default PP-LCNetV4 with both sides halved before every stage but the first, as text on a page needs."""
    widths = ((96, 96), (96, 96), (96, 192), (192, 384))
    squeezed = ((True,), (False, False), (False, True, False, True, False, True, False), (False, True, False))
    blocks = [
        [[3, out if i else width, out, 2 if stage and not i else 1, squeeze] for i, squeeze in enumerate(squeezes)]
        for stage, ((width, out), squeezes) in enumerate(zip(widths, squeezed, strict=True))
    ]
    return {"model_type": "pp_lcnet_v4", "block_configs": blocks, "out_indices": [1, 2, 3, 4]}


def _lcnet_of_lines() -> dict[str, Any]:
    """PP-LCNetV3 with PaddleOCR's strides for lines of text, which keep more of the width than of the height."""
    return {
        "model_type": "pp_lcnet_v3",
        "scale": 0.75,
        "divisor": 16,
        "out_indices": [2, 3, 4, 5],
        "block_configs": [
            [[3, 16, 32, 1, False]],
            [[3, 32, 64, 1, False], [3, 64, 64, 1, False]],
            [[3, 64, 128, [2, 1], False], [3, 128, 128, 1, False]],
            [[3, 128, 256, [1, 2], False], *[[5, 256, 256, 1, False]] * 4],
            [
                [5, 256, 512, [2, 1], True],
                [5, 512, 512, 1, True],
                [5, 512, 512, [2, 1], False],
                [5, 512, 512, 1, False],
            ],
        ],
    }


EXCEPTIONS: dict[str, Exceptional] = {
    "beit": Exceptional(
        "segmentation needs the features of four layers; the class names none, its error proposes these",
        reference={"out_indices": [3, 5, 7, 11]},
    ),
    "conditional_detr": Exceptional(_NO_TIMM, reference={"backbone_config": _resnet(1, 2, 3, 4)}),
    "dab-detr": Exceptional(_NO_TIMM, reference={"backbone_config": _resnet(1, 2, 3, 4)}),
    "deformable_detr": Exceptional(_NO_TIMM, reference={"backbone_config": _resnet(2, 3, 4)}),
    "detr": Exceptional(_NO_TIMM, reference={"backbone_config": _resnet(1, 2, 3, 4)}),
    "table-transformer": Exceptional(_NO_TIMM, reference={"backbone_config": _resnet(1, 2, 3, 4)}),
    "omdet-turbo": Exceptional(
        "the default backbone is the Swin of timm, which is not installed; that of transformers stands for it and "
        "normalises its features itself; 900 queries on images of 640 take seconds, so the tiny model has fewer, and half the "
        "channels in its backbone",
        reference={
            "apply_layernorm_after_vision_backbone": False,
            "backbone_config": {"model_type": "swin", "image_size": 640, "out_indices": [2, 3, 4]},
        },
        tiny={
            "image_size": 320,
            "backbone_config": {"image_size": 320, "embed_dim": 48},
            "encoder_in_channels": (96, 192, 384),
            "num_queries": 100,
        },
        inputs=_image_task_and_classes,
    ),
    "depth_pro": Exceptional(
        "patches of 384 pixels need images of 1536, which take seconds, so the tiny model's are of 128; "
        "apple/DepthPro-hf has towers of patch size 16 where the default of 14 does not divide their images",
        reference={name: {"image_size": 384, "patch_size": 16} for name in _DEPTH_TOWERS},
        tiny={
            "patch_size": 128,
            "merge_padding_value": 1,
            "intermediate_hook_ids": [1, 0],
            "fusion_hidden_size": 32,
            "intermediate_feature_dims": [32, 32],
            "scaled_images_feature_dims": [64, 64, 32],
            **{name: {"image_size": 128} for name in _DEPTH_TOWERS},
        },
        inputs=_whole_scene,
    ),
    "efficientnet": Exceptional(
        "the default is the largest model, B7, whose 55 blocks on images of 600 pixels take a minute; the tiny one is "
        "google/efficientnet-b0's size, with weights through which a signal comes",
        tiny={
            "width_coefficient": 1.0,
            "depth_coefficient": 1.0,
            "image_size": 224,
            "hidden_dim": 1280,
            "initializer_range": 0.5,
        },
    ),
    "efficientloftr": Exceptional(
        "images come in pairs, of 480 × 640 in the processor; about a quarter of that, in windows of 32 pixels, keeps "
        "a forward pass short; points of random weights match by less than the threshold, under which scores are zero",
        tiny={"stage_num_blocks": [1, 2, 2, 2], "coarse_matching_threshold": 0.0},
        kept=frozenset({"num_attention_layers"}),  # as many as there are stages, whose lists would be shortened with it
        inputs=_pairs_of(128, 160),
    ),
    "lightglue": Exceptional(
        "images come in pairs, of 480 × 640 in the processor; a quarter of that and 128 points keep a pass short",
        tiny={"keypoint_detector_config": {"max_keypoints": 128}},
        inputs=_pairs_of(120, 160),
    ),
    "superglue": Exceptional(
        "images come in pairs, of 480 × 640 in the processor; a quarter of that and 128 points keep a pass short",
        tiny={"keypoint_detector_config": {"max_keypoints": 128}},
        inputs=_pairs_of(120, 160),
    ),
    "superpoint": Exceptional(
        "images are of 480 × 640 in the processor; half of that keeps a forward pass under a second",
        inputs=_images_of(240, 320),
    ),
    "lw_detr": Exceptional(
        "the class leaves open the scale of its features, which is 1 for features of one level; " + _LARGE_IMAGE,
        reference={"projector_scale_factors": [1.0]},
        tiny={"backbone_config": {"image_size": 512}},
    ),
    "rf_detr": Exceptional(
        "the default image of 518 pixels cannot be cut into its 4 windows of patches; Roboflow/rf-detr-base takes 560",
        reference={
            "backbone_config": {
                "model_type": "rf_detr_dinov2",
                "num_attention_heads": 6,
                "out_features": ["stage2", "stage5", "stage8", "stage11"],
                "hidden_size": 384,
                "num_register_tokens": 0,
                "image_size": 560,
            }
        },
    ),
    "mobilevitv2": Exceptional(
        "scales of its norms are drawn with the deviation of all weights, 0.02, through which no signal comes",
        tiny={"initializer_range": 0.2},
    ),
    "oneformer": Exceptional(
        "a task in words comes with every image; the width of its masks is that of its decoder under another name",
        tiny={"conv_dim": 128},
        inputs=_image_and_task,
    ),
    "pp_doclayout_v2": Exceptional(
        "the class leaves open thresholds and reading order of its classes; 25 is the number of PP-DocLayoutV2's",
        reference={
            "num_labels": _LAYOUT_CLASSES,
            "class_thresholds": [0.5] * _LAYOUT_CLASSES,
            "class_order": list(range(_LAYOUT_CLASSES)),
        },
    ),
    "pp_ocrv5_server_det": Exceptional(_TEXT_FINDER_WHY, reference=_TEXT_FINDER),
    "pp_ocrv6_medium_det": Exceptional(
        _TEXT_FINDER_WHY + "; its default backbone halves only the height of features, as for lines of text",
        reference={**_TEXT_FINDER, "backbone_config": _lcnet_of_pages()},
    ),
    "pp_ocrv6_small_det": Exceptional(
        "the default backbone halves only heights, as for lines of text, and its widths are not those listed",
        reference={"backbone_config": _lcnet_of_pages(), "layer_list_out_channels": [96, 96, 192, 384]},
    ),
    "pp_ocrv5_mobile_rec": Exceptional(
        _TEXT_LINE + "; the default backbone halves its height too often, PaddleOCR's lines of text have these strides",
        reference={"backbone_config": _lcnet_of_lines()},
        inputs=_images_of(48, 320),
    ),
    "pp_ocrv5_server_rec": Exceptional(_TEXT_LINE, inputs=_images_of(48, 320)),
    "pp_ocrv6_small_rec": Exceptional(_TEXT_LINE, inputs=_images_of(48, 320)),
    "pp_ocrv6_tiny_rec": Exceptional(_TEXT_LINE, inputs=_images_of(48, 320)),
    "sam": Exceptional(
        "widths of the towers agree through sums and products that no rule sees; " + _LARGE_IMAGE,
        tiny=_SAM_TINY,
        kept=_SAM_WIDTHS,
    ),
    "sam_hq": Exceptional(
        "widths of the towers agree through sums and products that no rule sees; " + _LARGE_IMAGE,
        tiny=_SAM_TINY,
        kept=_SAM_WIDTHS,
    ),
    "sam2": Exceptional(_LARGE_IMAGE, tiny=_SAM2_TINY),
    "sam2_video": Exceptional(_LARGE_IMAGE, tiny=_SAM2_TINY),
    "edgetam_video": Exceptional(_LARGE_IMAGE, tiny=_SAM2_TINY),
    "sam2_vision_model": Exceptional(_LARGE_IMAGE, tiny=_SAM2_VISION),
    "sam2_hiera_det_model": Exceptional(_LARGE_IMAGE, tiny={"image_size": [256, 256]}),
    "sam3_video": Exceptional(
        _LARGE_IMAGE,
        tiny={"detector_config": {"vision_config": _SAM3_VISION}, "tracker_config": {"image_size": 336}},
    ),
    "sam3_tracker": Exceptional(_LARGE_IMAGE, tiny=_SAM3_TINY),
    "sam3_tracker_video": Exceptional(
        "the mapped class takes a stateful session of a video instead of tensors; its image model has the same weights "
        "as the library's mapping of sam2_video and sam3_video says of theirs; " + _LARGE_IMAGE,
        model_class="Sam3TrackerModel",
        tiny={"image_size": 336},
    ),
    "sapiens2": Exceptional(
        "the class has no segmentation head by default; four steps undo the patches of 16 pixels",
        reference={
            "head_config": {"upsample_out_channels": [512, 256, 128, 64], "conv_out_channels": [64, 64]},
        },
    ),
    "seggpt": Exceptional(
        "an example and its mask come with every image; image and example must be merged before the first features are "
        "taken; tiny images have half the sides, since a forward pass of 896 × 448 takes seconds",
        tiny={"merge_index": 0, "image_size": [448, 224]},
        inputs=_image_and_example,
    ),
    "textnet": Exceptional(
        "an image of 640 pixels takes seconds through its convolutions, so the tiny model takes one of half the sides",
        tiny={"image_size": [320, 320]},
    ),
    "tvp": Exceptional(
        "48 frames of 448 pixels through a ResNet-50 take a minute, so the tiny model takes 4 of 224 through fewer "
        "channels; transformers' own code lays its column positions out for a batch of one only",
        tiny={"num_frames": 4, "max_img_size": 224, "backbone_config": {"hidden_sizes": [64, 128, 256, 512]}},
    ),
    "dpt": Exceptional(
        "its head of 256 channels at half the image's sides takes seconds on one core",
        tiny={"fusion_hidden_size": 64},
    ),
    "tipsv2_dpt": Exceptional(
        "its head of 256 channels at half the image's sides takes seconds on one core",
        tiny={"fusion_hidden_size": 64},
    ),
    "videomae": Exceptional(
        "the positions of 16 frames are computed number by number, which takes more than a second to build",
        tiny={"num_frames": 4},
    ),
    "zoedepth": Exceptional(
        "the width of its bottleneck is that of its head under a name of its own",
        tiny={"bottleneck_features": 64, "fusion_hidden_size": 64},
    ),
    "uvdoc": Exceptional(
        "the default backbone hands over one of its six stages, of which the head takes all",
        reference={
            "backbone_config": {"model_type": "uvdoc_backbone", "out_features": [f"stage{i}" for i in range(1, 7)]},
        },
    ),
    "instructblipvideo": Exceptional(
        "the class names no placeholder of a video; this one lies behind the words of its default language model",
        reference={"video_token_index": 50265},
    ),
    "upernet": Exceptional(
        "a head of 512 channels after every stage has 40 million parameters",
        tiny={"hidden_size": 64, "auxiliary_channels": 64},
    ),
    "vjepa2": Exceptional(
        "64 frames are 8192 patches that all attend to each other, which takes half a minute; the tiny model takes 16",
        tiny={"frames_per_clip": 16},
    ),
    "vit_mae": Exceptional("draws at random which patches it hides, unless it is told", inputs=_image_and_noise),
    "vitmatte": Exceptional(
        "the class adds lists to widths whose defaults are tuples; backbone of hustvl/vitmatte-small-composition-1k",
        reference={
            "backbone_config": {
                "model_type": "vitdet",
                "hidden_size": 384,
                "num_attention_heads": 6,
                "image_size": 512,
                "window_size": 14,
                "window_block_indices": [0, 1, 3, 4, 6, 7, 9, 10],
                "residual_block_indices": [2, 5, 8, 11],
                "use_relative_position_embeddings": True,
                "out_features": ["stage12"],
                "num_channels": 4,
            },
            "convstream_hidden_sizes": [48, 96, 192],
            "fusion_hidden_sizes": [256, 128, 64, 32],
        },
        tiny={"backbone_config": {"image_size": 224}},
    ),
}
