"""Pictures mean what their format says: colour, transparent colours, wide grey, light damage.

Wanted values are computed here by the formulas of the specifications, or read by another library.
"""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, features
from raw_files import chromaticities, chunk, flat_png, gamma, key, png
from upscaling import open_picture, profile, saved

from anime_pipeline.core.errors import DataError
from anime_pipeline.images import loading
from anime_pipeline.images.codec import decode, to_rgba
from anime_pipeline.images.files import walk
from anime_pipeline.images.formats.png_colour import ColourSpace, rgb_to_srgb

P3 = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
SRGB = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
COLOURS = np.random.default_rng(7).integers(0, 256, (16, 16, 3), np.uint8)


def srgb(linear):
    """IEC 61966-2-1, 0..255."""
    linear = np.clip(linear, 0, 1)
    bright = 1.055 * np.power(linear, 1 / 2.4) - 0.055
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, bright)


def first_pixel(content):
    return decode(content)[0, 0].astype(float)


def cicp(*numbers):
    return chunk(b"cICP", bytes(numbers))


# --- colour of PNG


@pytest.mark.parametrize("exponent", [1.0, 1 / 1.8, 1 / 1.4, 0.3])
@pytest.mark.parametrize("depth", [8, 16])
def test_gamma_is_the_exponent_of_the_file(exponent, depth):
    most = 2**depth - 1
    for level in (0, most // 11, most // 3, most * 4 // 5, most):
        wanted = srgb((level / most) ** (1 / exponent))
        for samples in ((level,) * 3, (level,), (level, most), (level,) * 3 + (most,)):
            read = first_pixel(flat_png(*samples, depth=depth, before=[gamma(exponent)]))
            assert np.abs(read - wanted).max() <= 1, (level, samples)


def test_gamma_holds_for_palettes_and_few_bits():
    palette = chunk(b"PLTE", bytes((10, 100, 200)) * 2)
    wanted = srgb(np.array([10, 100, 200]) / 255)
    content = png(np.zeros((4, 4)), 8, [gamma(1), palette], colour_type=3)
    assert np.abs(first_pixel(content) - wanted).max() <= 1
    content = png(np.zeros((4, 4)), 8, [gamma(1), palette, chunk(b"tRNS", b"\0")], colour_type=3)
    assert (to_rgba(open_picture(content))[..., 3] == 0).all()
    assert abs(first_pixel(png(np.full((4, 4), 1), 2, [gamma(1)]))[0] - srgb(1 / 3)) <= 1
    assert abs(first_pixel(png(np.full((4, 4), 5), 4, [gamma(1)]))[0] - srgb(1 / 3)) <= 1


@pytest.mark.parametrize(
    "before",
    [
        [gamma(0.45455)],
        [gamma(0.45455), chromaticities(*SRGB)],
        [chunk(b"sRGB", b"\0"), gamma(1.0), chromaticities(*P3)],
        [cicp(1, 13, 0, 1), gamma(1.0)],
        [gamma(0)],
        [chromaticities(0, 0, 0, 0, 0, 0, 0, 0)],
        [chromaticities(0.3, 0, 0.3, 0, 0.3, 0, 0.3, 0)],
        [cicp(2, 2, 0, 1)],
        [cicp(9, 16, 9, 1)],  # YCbCr, which no PNG is
        [chunk(b"cICP", b"\1")],
        [chunk(b"gAMA", b"\1")],
    ],
    ids=range(11),
)
def test_srgb_by_any_name_is_left_alone_and_so_is_what_makes_no_sense(before):
    assert np.array_equal(decode(png(COLOURS, before=before)), COLOURS)


def p3_by_lcms(colours):
    """The same numbers as Display P3, read by LittleCMS: the colorants of Apple's profile."""
    content = bytearray(profile())
    tags = {bytes(content[i : i + 4]): i for i in range(132, 132 + 12 * content[131], 12)}
    for tag, xyz in (
        (b"rXYZ", (0.51512, 0.24120, -0.00105)),
        (b"gXYZ", (0.29198, 0.69225, 0.04189)),
        (b"bXYZ", (0.15710, 0.06657, 0.78407)),
    ):
        at = int.from_bytes(content[tags[tag] + 4 : tags[tag] + 8], "big")
        content[at + 8 : at + 20] = struct.pack(">3i", *(round(v * 65536) for v in xyz))
    source = ImageCms.ImageCmsProfile(io.BytesIO(bytes(content)))
    target = ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(Image.fromarray(colours), source, target))


@pytest.mark.parametrize(
    "before",
    [[cicp(12, 13, 0, 1)], [gamma(0.45455), chromaticities(*P3)], [chromaticities(*P3)]],
    ids=["cicp", "gamma", "chromaticities"],
)
def test_display_p3_is_what_littlecms_makes_of_it(before):
    wanted = p3_by_lcms(COLOURS).astype(int)
    assert np.abs(wanted - COLOURS).max() > 20
    assert np.abs(decode(png(COLOURS, before=before)) - wanted).max() <= 2
    wide = png(COLOURS.astype(np.uint16) * 257, 16, before)
    assert np.abs(decode(wide) - wanted).max() <= 2
    alpha = np.full((16, 16, 1), 77, np.uint8)
    rgba = to_rgba(open_picture(png(np.dstack([COLOURS, alpha]), before=before)))
    assert np.abs(rgba[..., :3] - wanted).max() <= 2 and (rgba[..., 3] == 77).all()


def test_another_white_stays_white():
    d50 = (0.3457, 0.3585, *SRGB[2:])
    assert first_pixel(flat_png(255, 255, 255, before=[chromaticities(*d50)])).tolist() == [255] * 3
    grey = first_pixel(flat_png(99, 99, 99, before=[chromaticities(*d50)]))
    assert np.abs(grey - 99).max() <= 1


@pytest.mark.parametrize(
    ("transfer", "value", "linear"),
    [  # from ITU-T H.273, table 3
        (1, 0.409, 0.18), (6, 1.0, 1.0), (14, 0.0405, 0.009), (15, 0.409, 0.18),
        (4, 0.5, 0.5**2.2), (5, 0.5, 0.5**2.8), (7, 0.0456, 0.0114), (8, 0.25, 0.25),
        (9, 0.5, 0.1), (10, 0.6, 0.1), (13, 0.5, 0.21404), (17, 0.9, 0.9**2.6 * 52.37 / 48),
        # ITU-R BT.2408, table 1: the signals of reference white, and of an 18% grey card.
        (16, 0.58, 1.0), (16, 0.38, 26 / 203), (18, 0.75, 1.0), (18, 0.38, 26 / 203),
    ],
)  # fmt: skip
@pytest.mark.parametrize("full", [True, False])
def test_transfers_of_cicp(transfer, value, linear, full):
    most = 65535 if full else 219 * 256
    level = round(value * most) + (0 if full else 16 * 256)
    for samples in ((level,) * 3, (level,)):
        content = flat_png(*samples, depth=16, before=[cicp(1, transfer, 0, full)])
        # Signals are given in two digits.
        assert np.abs(first_pixel(content) - srgb(linear)).max() <= 3, samples


def test_cicp_stands_above_a_profile_and_a_profile_above_gamma():
    swapped = chunk(b"iCCP", b"x\0\0" + zlib.compress(profile(swapped=True)))
    colour = (220, 30, 40)
    assert np.abs(first_pixel(flat_png(*colour, before=[swapped])) - (30, 220, 40)).max() <= 3
    read = first_pixel(flat_png(*colour, before=[swapped, gamma(1.0)]))
    assert np.abs(read - (30, 220, 40)).max() <= 3
    for before in ([cicp(1, 13, 0, 1), swapped], [cicp(1, 8, 0, 1), swapped]):
        linear = before[0] == cicp(1, 8, 0, 1)
        wanted = srgb(np.array(colour) / 255) if linear else colour
        assert np.abs(first_pixel(flat_png(*colour, before=before)) - wanted).max() <= 1


def test_colours_are_converted_in_little_memory():
    space = ColourSpace(lambda value: value, np.eye(3))
    picture = np.zeros((1500, 1500, 3), np.uint8)
    tracemalloc.start()
    rgb_to_srgb(picture, space)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < picture.nbytes + 30e6


# --- transparent colours


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_one_level_of_grey_is_transparent(depth):
    most = 2**depth - 1
    samples = np.arange(64).reshape(8, 8) * max(1, most // 63) % (most + 1)
    for hidden in {0, 1, most // 2, most}:
        # Bits beyond the depth are to be ignored.
        beyond = hidden | (0xFFFF & ~most)
        for number in (hidden, beyond):
            rgba = to_rgba(open_picture(png(samples, depth, [key(number)])))
            assert np.array_equal(rgba[..., 3] == 0, samples == hidden), hidden
            assert np.abs(rgba[..., 0] - samples * 255 / most).max() <= 0.51


@pytest.mark.parametrize("depth", [8, 16])
def test_one_colour_is_transparent(depth):
    # Neighbours that differ in the last bit are seen.
    hidden = np.array((10, 20, 30)) * (257 if depth == 16 else 1) + (depth == 16)
    samples = np.tile(hidden, (4, 4, 1))
    samples[0] += (0, 0, 1)
    samples[1] += (1, 0, 0)
    for before in ([key(*hidden)], [gamma(1.0), key(*hidden)]):
        rgba = to_rgba(open_picture(png(samples, depth, before)))
        assert (rgba[:2, :, 3] == 255).all() and (rgba[2:, :, 3] == 0).all()
    plain = to_rgba(open_picture(png(samples, depth, [key(*hidden)])))
    assert np.abs(plain[0, 0, :3].astype(int) - (10, 20, 30)).max() <= 1


def test_16_bits_are_rounded_not_cut():
    samples = np.random.default_rng(0).integers(0, 65536, (9, 9, 3))
    read = decode(png(samples, 16, [key(1, 2, 3)]))
    assert np.array_equal(read, np.rint(samples / 257).astype(np.uint8))


# --- wide grey


def tiff(samples, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, samples, **options)
    return file.getvalue()


WIDE = np.random.default_rng(1).integers(0, 65536, (21, 13), np.uint16)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("white", ["miniswhite", "minisblack"])
@pytest.mark.parametrize("bits", [8, 16, 32])
def test_grey_tiff_of_any_width(bits, white, compression, order):
    samples = {8: WIDE >> 8, 16: WIDE, 32: WIDE.astype(np.uint32) * 65_537}[bits]
    samples = samples.astype(f"u{bits // 8}")
    content = tiff(samples, photometric=white, byteorder=order, compression=compression)
    wanted = samples / (2.0**bits - 1) * 255
    wanted = 255 - wanted if white == "miniswhite" else wanted
    picture = open_picture(content)
    assert picture.mode == "L"
    assert np.abs(np.asarray(picture) - wanted).max() <= 0.51


def test_12_bits_reach_to_white():
    content = bytearray(tiff(np.full((1, 4), 0, np.uint16), photometric="minisblack"))
    at = content.index(struct.pack("<HHI", 258, 3, 1)) + 8
    content[at] = 12
    packed = bytes((0xFF, 0x0F, 0x80, 0x00, 0x0F, 0xFF))  # 12 bits each: 4095, 3968, 0, 4095
    content[-8:] = packed.ljust(8, b"\0")
    levels = np.asarray(Image.open(io.BytesIO(bytes(content))))
    assert levels.max() <= 4095
    assert np.array_equal(decode(bytes(content))[0, :, 0], np.rint(levels[0] / 4095 * 255))


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32])
def test_numbers_without_a_black_and_a_white_are_refused_in_words(dtype):
    content = tiff(np.full((4, 4), 1000, dtype), photometric="minisblack")
    with pytest.raises(DataError, match=r"^scan\.tif: .*save it as .*16-bit"):
        decode(content, "scan.tif")
    with pytest.raises(DataError, match="16-bit"):
        to_rgba(Image.fromarray(np.full((4, 4), 1000, np.int32)), "array")


def test_a_kind_of_tiff_that_nobody_reads_is_named():
    content = tiff(np.zeros((4, 4), np.complex64), photometric="minisblack")
    with pytest.raises(DataError, match=r"^five\.tif: .*TIFF.*save it anew"):
        decode(content, "five.tif")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("layout", [{"rowsperstrip": 4}, {"tile": (16, 16)}, {}])
def test_planes_of_16_bits(channels, compression, order, layout):
    samples = np.random.default_rng(2).integers(0, 65536, (37, 29, channels), np.uint16)
    extra = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
    options = {"photometric": "rgb", "byteorder": order, "compression": compression} | extra
    planes = tiff(np.moveaxis(samples, 2, 0).copy(), planarconfig="separate", **options, **layout)
    mixed = tiff(samples, planarconfig="contig", **options, **layout)
    for content in (planes, mixed):
        read = to_rgba(open_picture(content))[..., :channels]
        assert np.abs(read - samples / 257).max() <= 1


def grey_profile():
    """Linear grey, as ICC.1:2022 has it: a curve without entries is the identity."""
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 2) + b"g\0" + bytes(79),
        b"wtpt": b"XYZ " + bytes(4) + struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D),
        b"kTRC": b"curv" + bytes(8),
    }
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(content))
        body += content.ljust(len(content) + -len(content) % 4, b"\0")
    head = struct.pack(">I4sI4s4s4s", 132 + 12 * len(tags) + len(body), b"", 0x02400000, b"mntr",
                       b"GRAY", b"XYZ ")  # fmt: skip
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)
    return head.ljust(128, b"\0") + table + body


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_profile_of_16_bit_grey(kind):
    picture = Image.fromarray(WIDE)
    content = saved(picture, kind, icc_profile=grey_profile())
    wanted = srgb(WIDE / 65535)
    assert np.abs(decode(content)[..., 0] - wanted).max() <= 1.5
    eight = saved(Image.fromarray((WIDE >> 8).astype(np.uint8)), kind, icc_profile=grey_profile())
    assert np.abs(decode(eight)[..., 0] - srgb((WIDE >> 8) / 255)).max() <= 1
    if kind == "PNG":
        hidden = int(WIDE[3, 4])
        content = saved(picture, kind, icc_profile=grey_profile(), transparency=hidden)
        rgba = to_rgba(open_picture(content))
        assert np.array_equal(rgba[..., 3] == 0, WIDE == hidden)
    # One for colours says nothing of grey.
    content = saved(picture, kind, icc_profile=profile(swapped=True))
    assert np.abs(decode(content)[..., 0] - WIDE / 257).max() <= 0.51


# --- light damage


SMOOTH = Image.fromarray(
    np.stack(np.broadcast_arrays(*np.ogrid[10:202:4, 0:128:2], 80), -1).astype(np.uint8)
)
JPEGS = {
    "baseline": {},
    "halved": {"subsampling": 2},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 3},
    "fine": {"quality": 98},
}


@pytest.mark.parametrize("kind", JPEGS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_jpeg_cut_anywhere_is_whole_or_refused(kind, mode):
    content = saved(SMOOTH.convert(mode), "JPEG", **JPEGS[kind])
    whole = decode(content)
    for length in (*range(2, len(content), 29), *range(len(content) - 40, len(content))):
        cut = content[:length]
        try:
            read = decode(cut)
        except DataError:
            assert length < len(content) - 2, "only the end is missing"
        else:
            assert np.array_equal(read, whole), length


def test_a_jpeg_that_lacks_whole_scans_is_refused():
    """Nothing is cut off in it, and what was there decodes: but not to what the picture is."""
    content = saved(SMOOTH, "JPEG", progressive=True)
    scans = [place for place in range(len(content)) if content[place : place + 2] == b"\xff\xda"]
    tables = [content.rindex(b"\xff\xc4", 0, place) for place in scans[1:]]
    assert len(tables) > 5
    for place in {*tables, *scans[1:]}:
        with pytest.raises(DataError, match="^cut: damaged"):
            decode(content[:place], "cut")


def test_a_jpeg_without_end_may_be_followed_by_anything():
    content = saved(SMOOTH, "JPEG")
    assert np.array_equal(decode(content[:-2] + bytes(300)), decode(content))
    assert np.array_equal(decode(content + b"more"), decode(content))


SIDE = [b"tEXt", b"tIME", b"pHYs", b"eXIf", b"gAMA", b"iCCP", b"zTXt", b"bKGD", b"abCd"]


@pytest.mark.parametrize("kind", SIDE)
def test_a_damaged_side_chunk_is_left_out(kind):
    damaged = chunk(kind, b"\0\0\0\1", damaged=True)
    for content in (png(COLOURS, before=[damaged]), png(COLOURS, after=[damaged, damaged])):
        assert np.array_equal(decode(content), COLOURS)


@pytest.mark.parametrize("kind", [b"IHDR", b"PLTE"])
def test_a_damaged_chunk_that_pixels_need_is_not(kind):
    palette = chunk(b"PLTE", bytes(768))
    content = png(COLOURS[..., 0], before=[palette], colour_type=3)
    at = content.index(kind)
    end = at + 4 + int.from_bytes(content[at - 4 : at], "big")
    broken = content[:end] + bytes([content[end] ^ 1]) + content[end + 1 :]
    with pytest.raises(DataError, match=r"^a\.png: damaged"):
        decode(broken, "a.png")


def test_every_ending_of_a_picture_is_found_in_folders(tmp_path):
    names = ["a.apng", "b.avif", "c.jfif", "d.jpe", "e.JFIF", "f.png"]
    for name in [*names, "g.exe"]:
        (tmp_path / name).write_bytes(b"x")
    skipped = []
    assert [path.name for path in walk(tmp_path, skipped)] == names
    assert [item.reason for item in skipped] == ["not a picture file"]


@pytest.mark.skipif(not features.check("avif"), reason="Pillow was built without AVIF")
def test_avif_is_read():
    assert np.abs(decode(saved(SMOOTH, "AVIF", quality=100)) - np.asarray(SMOOTH, int)).max() <= 6
    assert (
        decode(saved(SMOOTH, "AVIF", icc_profile=profile(swapped=True)))[0, 0].tolist() != [0] * 3
    )
    with pytest.raises(DataError, match=r"^cut\.avif: "):
        decode(saved(SMOOTH, "AVIF")[:200], "cut.avif")


def test_avif_that_cannot_be_read_is_refused_in_words(monkeypatch):
    monkeypatch.setattr(loading.features, "check", lambda name: name != "avif")
    content = struct.pack(">I", 32) + b"ftypavif" + bytes(40)
    with pytest.raises(DataError, match=r"^new\.avif: AVIF.*install Pillow.*save it as PNG"):
        decode(content, "new.avif")
