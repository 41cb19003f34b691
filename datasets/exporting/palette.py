"""Pascal VOC's colours, which mask PNGs carry as a palette."""


def colour(index: int) -> tuple[int, int, int]:
    """Red, green, blue of an index in [0, 255]: its bits, spread over the channels' highest bits.

    Source: `VOClabelcolormap` in the VOC devkit.
    """
    channels = [0, 0, 0]
    for place in range(8):
        for channel in range(3):
            channels[channel] |= (index >> (3 * place + channel) & 1) << (7 - place)
    red, green, blue = channels
    return red, green, blue
