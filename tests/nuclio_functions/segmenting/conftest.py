"""Models of the SAM family as they are, but tiny and with random weights, saved as safetensors."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import Sam2Config, Sam2Model, SamConfig, SamModel
from transformers.utils.logging import disable_progress_bar

SIDE = 64


def make_sam() -> SamModel:
    vision = {
        "hidden_size": 16,
        "output_channels": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": SIDE,
        "patch_size": 8,
        "window_size": 4,
        "global_attn_indexes": [1],
        "num_pos_feats": 8,
        "mlp_dim": 32,
        "initializer_range": 0.5,
    }
    prompts = {"hidden_size": 16, "image_size": SIDE, "patch_size": 8, "mask_input_channels": 4}
    decoder = {"hidden_size": 16, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 16}
    return SamModel(
        SamConfig(
            vision_config=vision,
            prompt_encoder_config=prompts,
            mask_decoder_config=decoder,
            initializer_range=0.5,
        )
    )


def make_sam2() -> Sam2Model:
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "image_size": [SIDE, SIDE],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 1, 2, 2],
        "window_size_per_stage": [4, 4, 4, 2],
        "global_attention_blocks": [3],
        "window_positional_embedding_background_size": [4, 4],
    }
    vision = {
        "backbone_config": backbone,
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        "fpn_hidden_size": 32,
    }
    prompts = {"hidden_size": 32, "image_size": SIDE, "patch_size": 16, "mask_input_channels": 4}
    decoder = {"hidden_size": 32, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 16}
    return Sam2Model(Sam2Config(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder))


MAKERS: dict[str, Callable[[], SamModel | Sam2Model]] = {"sam": make_sam, "sam2": make_sam2}


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of weights by architecture."""
    torch.set_num_threads(1)  # of so small a model more are slower
    disable_progress_bar()
    folders = {}
    for name, make in MAKERS.items():
        torch.manual_seed(0)
        folders[name] = tmp_path_factory.mktemp(name)
        make().save_pretrained(folders[name])
    return folders


def encode_picture(width: int, height: int, *, orientation: int = 1, seed: int = 0) -> bytes:
    """A PNG of noise, which says that it has to be turned."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = BytesIO()
    Image.fromarray(pixels).save(content, "PNG", exif=exif)
    return content.getvalue()


@pytest.fixture(name="encode_picture", scope="session")
def _encode_picture() -> Callable[..., bytes]:
    return encode_picture
