"""torchvision's Mask R-CNN on a ResNet with a feature pyramid and group normalisation."""

from functools import partial

from torch import nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

from training.settings import SegmenterSettings

_ANCHORS_AT_800 = (32, 64, 128, 256, 512)


def make_segmenter(settings: SegmenterSettings, *, classes: int) -> nn.Module:
    """A Mask R-CNN that tells that many classes apart. Anchors are as large on a picture as torchvision's on 800 px."""
    backbone = resnet_fpn_backbone(
        backbone_name=settings.backbone, weights=None, norm_layer=partial(nn.GroupNorm, 32), trainable_layers=5
    )
    sizes = tuple((max(4, round(side * settings.image_size / 800)),) for side in _ANCHORS_AT_800)
    model: nn.Module = MaskRCNN(
        backbone,
        num_classes=classes + 1,
        min_size=settings.image_size,
        max_size=settings.image_size,
        rpn_anchor_generator=AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes)),
        rpn_pre_nms_top_n_train=2 * settings.proposals,
        rpn_pre_nms_top_n_test=settings.proposals,
        rpn_post_nms_top_n_train=settings.proposals,
        rpn_post_nms_top_n_test=settings.proposals,
        box_batch_size_per_image=min(512, settings.proposals),
    )
    return model
