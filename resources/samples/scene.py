"""The still life that Sordino's samples show, drawn by numpy in linear light.

A bit of all that denoising meets: smooth walls and sky, stars, twigs and staves of a pixel, wood,
linen, saturated colours, dark corners, and lights that clip.
"""

from __future__ import annotations

import numpy as np

from resources.samples.paint import Canvas, Floats, Rgb, Texture, mix, shade, stroke

FINE = 2  # samples per pixel and direction


def wall(canvas: Canvas, texture: Texture) -> None:
    """Plaster in the candle's pool of light, dark towards the corners."""
    rgb, x, y = canvas.cut(0, 0, 1.5, 1)
    pool = np.exp(-((x - 0.95) ** 2 / 0.22 + (y - 0.52) ** 2 / 0.16))
    edge = np.exp(-(((x - 0.72) / 0.78) ** 4) - ((y - 0.45) / 0.75) ** 4)
    tone = (1 + 0.05 * texture.cloud(x * 9, y * 9, 3)) * (0.13 + 0.87 * edge)
    for c, (base, warm) in enumerate(((0.050, 0.42), (0.072, 0.225), (0.088, 0.090))):
        rgb[..., c] = tone * (base + warm * pool)


def window(canvas: Canvas, texture: Texture, rng: np.random.Generator) -> None:
    """Dusk behind an arched window: gradient, hills, a moon, and stars of one pixel."""
    rgb, x, y = canvas.cut(0.07, 0.03, 0.61, 0.70)
    span = np.where(y < 0.28, np.hypot(x - 0.34, y - 0.28), abs(x - 0.34) + 0 * y)
    frame = np.maximum(span - 0.215, y - 0.63)
    mix(rgb, np.stack([0.55 - 0.45 * y, 0.50 - 0.45 * y, 0.42 - 0.42 * y], -1) + 0 * x[..., None],
        canvas.inside(frame))  # fmt: skip
    height = np.clip((y - 0.08) / 0.46, 0, 1) + 0 * x
    tones = (0.012, 0.05, 0.42, 0.95), (0.022, 0.075, 0.21, 0.52), (0.085, 0.18, 0.24, 0.22)
    sky = np.stack([np.interp(height, (0, 0.35, 0.7, 1), tone) for tone in tones], -1)
    for _ in range(70):
        sx, sy, power = rng.uniform(0.14, 0.54), rng.uniform(0.08, 0.36), rng.uniform(0.1, 1) ** 3
        sky += (power * np.exp(-((x - sx) ** 2 + (y - sy) ** 2) / (2 * 0.0009**2)))[..., None]
    moon = np.maximum(np.hypot(x - 0.235, y - 0.20) - 0.030, 0.028 - np.hypot(x - 0.223, y - 0.193))
    mix(sky, (1.5, 1.42, 1.2), canvas.inside(moon))
    sky += (0.05 * np.exp(-np.hypot(x - 0.235, y - 0.20) / 0.05))[..., None]
    for base, size, color in (
        (0.50, 0.045, (0.10, 0.085, 0.13)),
        (0.555, 0.05, (0.022, 0.026, 0.04)),
    ):
        ridge = base + size * texture.cloud(x * 7 + 40 * base, 0 * x + 9 * base, 5)
        mix(sky, color, canvas.inside((ridge - y) * 0.8))
    mix(rgb, sky, canvas.inside(np.maximum(span - 0.20, y - 0.615)))
    bars = np.minimum(
        abs(x - 0.34) - 0.005 + 0 * y, np.minimum(abs(y - 0.28), abs(y - 0.45)) - 0.004 + 0 * x
    )
    mix(
        rgb, (0.20, 0.17, 0.15), canvas.inside(np.maximum(bars, np.maximum(span - 0.205, y - 0.62)))
    )
    sill = np.maximum(abs(x - 0.34) - 0.245, abs(y - 0.642) - 0.014)
    mix(rgb, (0.44, 0.40, 0.34), canvas.inside(sill))
    under = np.exp(-np.clip(y - 0.656, 0, None) / 0.012) * (y > 0.656) * (abs(x - 0.34) < 0.245)
    rgb *= 1 - 0.5 * under[..., None]


def table(canvas: Canvas, texture: Texture) -> None:
    """Planks of wood in perspective, and a chequered linen cloth on them."""
    rgb, x, y = canvas.cut(0, 0.70, 1.5, 1)
    depth = 0.55 / (y - 0.70 + 0.28)  # far edge: large
    u, v = (x - 0.75) * depth, depth * 3.2
    warp = texture.at(u * 2.0, v * 4) * 0.5
    grain = 0.5 + 0.5 * np.sin((v * 9 + warp * 2.4) * 6.3)
    fibre = texture.cloud(u * 9, v * 120, 3)
    tone = 0.75 + 0.34 * grain + 0.20 * fibre
    gap = abs((v * 1.1) % 1 - 0.5)
    tone *= np.clip((0.5 - gap) / 0.025, 0.25, 1)
    glow = np.exp(-((x - 0.93) ** 2 / 0.10 + (y - 0.80) ** 2 / 0.03))
    cool = np.exp(-((x - 0.36) ** 2 / 0.09 + (y - 0.76) ** 2 / 0.02))
    fade = np.clip(1.25 - 0.9 * abs(x - 0.78) ** 1.5 - 1.2 * (y - 0.75), 0.15, None)
    for c, (wood, warm, dusk) in enumerate(
        ((0.115, 0.30, 0.10), (0.058, 0.13, 0.075), (0.028, 0.05, 0.06))
    ):
        rgb[..., c] = tone * (wood * fade + warm * glow + dusk * cool)
    cloth(canvas, texture)


def cloth(canvas: Canvas, texture: Texture) -> None:
    """Linen with threads of two or three pixels, lying at an angle."""
    rgb, x, y = canvas.cut(0, 0.75, 0.95, 1)
    depth = 0.55 / (y - 0.42)
    u, v = (x - 0.75) * depth, 0.95 * depth + 0 * x
    a, b = u * 0.98 - v * 0.18, u * 0.18 + v * 0.98
    fold = texture.cloud(a * 3 + 20, b * 3, 2)
    stripes = 0.5 * ((a * 9) % 1 < 0.5) + 0.5 * ((b * 9) % 1 < 0.5)
    weave = np.cos(a * 700) * np.cos(b * 350)
    fade = np.clip(1.15 - 0.9 * abs(x - 0.45) - 1.1 * (y - 0.80), 0.2, 1)
    light = (0.60 + 0.14 * fold + 0.08 * weave) * fade
    cream, blue = np.array((0.52, 0.49, 0.43)), np.array((0.030, 0.080, 0.155))
    edge = np.maximum(abs(u + 0.475) - 0.555, v - 1.46) + 0.006 * texture.at(a * 9, b * 9)
    stripes = np.where(abs(edge + 0.045) < 0.008, 1, np.where(edge > -0.03, 0, stripes))
    rgb *= 1 - 0.5 * np.clip(1 - np.maximum(edge, 0) / 0.045, 0, 1)[..., None]
    color = (cream + stripes[..., None] * (blue - cream)) * light[..., None]
    mix(rgb, color, canvas.inside(edge / 2))


def shadow(canvas: Canvas, x0: float, y0: float, rx: float, ry: float, power: float = 0.75) -> None:
    """A soft shadow lying on the table."""
    rgb, x, y = canvas.cut(x0 - 3 * rx, y0 - 3 * ry, x0 + 3 * rx, y0 + 3 * ry)
    rgb *= 1 - power * np.exp(-((((x - x0) / rx) ** 2 + ((y - y0) / ry) ** 2) ** 1.4))[..., None]


def fruit(
    canvas: Canvas, texture: Texture, x0: float, y0: float, r: float, color: Rgb, peel: float
) -> None:
    """A sphere whose peel has pores (`peel`) and patches."""
    shadow(canvas, x0 + 0.25 * r, y0 + 0.86 * r, 1.25 * r, 0.42 * r)
    rgb, x, y = canvas.cut(x0 - 1.1 * r, y0 - 1.1 * r, x0 + 1.1 * r, y0 + 1.1 * r)
    nx, ny = (x - x0) / r + 0 * y, (y - y0) / r + 0 * x
    nz = np.sqrt(np.clip(1 - nx**2 - ny**2, 0.01, 1))
    pores = texture.at(30 * nx / (0.5 + nz) + 50, 30 * ny / (0.5 + nz)) * peel
    patch = 1 + 0.22 * texture.cloud(nx * 1.6 + 9 * x0, ny * 1.6 + 3, 3)
    lit = shade((nx + pores, ny + pores, nz), color, 0.9, 60)
    bounce = np.clip(ny, 0, 1)[..., None] * 0.10 * np.asarray(color)
    mix(rgb, lit * patch[..., None] + bounce, canvas.inside(np.hypot(x - x0, y - y0) - r))


def leaf(canvas: Canvas, x0: float, y0: float, angle: float, size: float, color: Rgb) -> None:
    """A pointed leaf from (x0, y0), its halves lit differently, a fine midrib between."""
    rgb, x, y = canvas.cut(x0 - size, y0 - size, x0 + size, y0 + size)
    along = ((x - x0) * np.cos(angle) + (y - y0) * np.sin(angle)) / size
    across = (-(x - x0) * np.sin(angle) + (y - y0) * np.cos(angle)) / size
    edge = abs(across) - 0.75 * np.clip(along, 0, 1) ** 0.7 * np.clip(1 - along, 0, 1) * 0.8
    half = np.where(across * np.cos(angle) < 0, 1.25, 0.7) + 0.12 * np.sin(
        along * 50 + abs(across) * 60
    )
    half = half + 0.5 * np.clip(1 - abs(across) / 0.025, 0, 1)
    mix(rgb, np.asarray(color) * half[..., None], canvas.inside(edge * size))


def blossom(canvas: Canvas, x0: float, y0: float, size: float, turn: float) -> None:
    """Five petals, pale at the rim, and a few stamens."""
    rgb, x, y = canvas.cut(x0 - 1.2 * size, y0 - 1.2 * size, x0 + 1.2 * size, y0 + 1.2 * size)
    r, angle = np.hypot(x - x0, y - y0) / size, np.arctan2(y - y0, x - x0) + turn
    lobe = 0.60 + 0.40 * abs(np.cos(2.5 * angle)) ** 0.7
    light = (0.9 - 0.25 * np.sin(angle - turn) - 0.12 * abs(np.sin(2.5 * angle)) ** 6)[..., None]
    rim = np.clip(r, 0, 1)[..., None]
    color = np.array((0.62, 0.16, 0.24)) * (1 - rim) + np.array((0.86, 0.62, 0.64)) * rim
    mix(rgb, color * light, canvas.inside((r - lobe) * size))
    mix(
        rgb,
        (0.80, 0.55, 0.10),
        canvas.inside(abs(r - 0.24) * size - 0.035 * size * abs(np.sin(angle * 5))),
    )


def vase(canvas: Canvas, texture: Texture) -> None:
    """Glazed blue ceramic with a painted band."""
    shadow(canvas, 0.67, 0.835, 0.13, 0.028)
    rgb, x, y = canvas.cut(0.55, 0.54, 0.85, 0.86)
    knots = (0.545, 0.56, 0.60, 0.65, 0.70, 0.75, 0.80, 0.84)
    radius = np.interp(y, knots, (0.043, 0.040, 0.036, 0.062, 0.093, 0.098, 0.078, 0.052))
    soft = np.ones(max(int(0.03 / canvas.unit), 1))
    pad = len(soft) // 2, len(soft) - 1 - len(soft) // 2
    radius = np.convolve(np.pad(radius[:, 0], pad, mode="edge"), soft / soft.sum(), "valid")[
        :, None
    ]
    slope = np.gradient(radius[:, 0], canvas.unit)[:, None]
    nx = np.clip((x - 0.70) / radius, -0.995, 0.995)
    nz = np.sqrt(1 - nx**2)
    norm = np.sqrt(1 + slope**2)
    glaze = np.array((0.035, 0.13, 0.21)) * (1 + 0.25 * texture.cloud(x * 30, y * 22, 4))[..., None]
    turn = np.arcsin(nx) * 7
    band = np.clip(1.5 - abs(y - 0.715 - 0.012 * np.sin(turn * 2)) / 0.004, 0, 1)
    band = np.maximum(band, np.clip(1.5 - abs(abs(y - 0.715) - 0.032) / 0.002, 0, 1) + 0 * nx)
    glaze = glaze + band[..., None] * (np.array((0.50, 0.47, 0.38)) - glaze)
    lit = shade((nx / norm, -slope / norm + 0 * nx, nz / norm), glaze, 1.4, 90)
    body = np.maximum(abs(x - 0.70) - radius, abs(y - 0.695 + 0.004 * nz) - 0.149)
    mix(rgb, lit, canvas.inside(body))
    rgb, x, y = canvas.cut(0.64, 0.52, 0.76, 0.58)
    mouth = np.hypot(x - 0.70, (y - 0.548) / 0.2)
    mix(rgb, (0.10, 0.24, 0.33), canvas.inside(mouth - 0.044))
    mix(rgb, (0.008, 0.018, 0.028), canvas.inside(mouth - 0.038))


def branch(canvas: Canvas, rng: np.random.Generator) -> None:
    """A branch in bloom: twigs down to a pixel, leaves and blossoms."""
    stems = [
        [(0.70, 0.552), (0.665, 0.42), (0.60, 0.32), (0.52, 0.25), (0.44, 0.205), (0.375, 0.20)],
        [(0.70, 0.552), (0.71, 0.40), (0.74, 0.28), (0.80, 0.20), (0.87, 0.165)],
        [(0.605, 0.325), (0.565, 0.34), (0.515, 0.395), (0.475, 0.405)],
        [(0.715, 0.38), (0.675, 0.27), (0.675, 0.17), (0.655, 0.115)],
        [(0.75, 0.265), (0.81, 0.295), (0.865, 0.30)],
    ]
    for stem in stems:
        stroke(canvas, stem, 0.008 if len(stem) > 4 else 0.005, (0.075, 0.042, 0.028), 0.3)
    for stem in stems:
        line = np.asarray(stem)
        for t in np.linspace(1.0, len(line) - 1, 4 * len(line) - 5):
            px, py = (float(np.interp(t, range(len(line)), line[:, i])) for i in (0, 1))
            px, py = px + rng.normal(0, 0.008), py + rng.normal(0, 0.008)
            if rng.uniform() < 0.45:
                green = (0.07, 0.17, 0.035) if rng.uniform() < 0.6 else (0.13, 0.20, 0.05)
                leaf(canvas, px, py, rng.uniform(0, 6.28), rng.uniform(0.03, 0.055), green)
            else:
                blossom(canvas, px, py, rng.uniform(0.013, 0.026), rng.uniform(0, 6.28))


def score(canvas: Canvas, rng: np.random.Generator) -> None:
    """A sheet of music, con sordino: staves a third of a pixel to a pixel wide."""
    rgb, x, y = canvas.cut(1.0, 0.20, 1.48, 0.80)
    tilt = 0.07
    u = (x - 1.245) * np.cos(tilt) + (y - 0.52) * np.sin(tilt)
    v = -(x - 1.245) * np.sin(tilt) + (y - 0.52) * np.cos(tilt)
    page = np.maximum(abs(u) - 0.165, abs(v) - 0.23)
    rgb *= (
        1
        - 0.55
        * np.clip(
            1 - np.maximum(np.maximum(abs(u - 0.012) - 0.165, abs(v - 0.01) - 0.23), 0) / 0.03, 0, 1
        )[..., None]
    )
    glow = 0.26 + 0.52 * np.exp(-((x - 0.98) ** 2 + (y - 0.56) ** 2) / 0.09)
    mix(rgb, glow[..., None] * np.array((0.98, 0.84, 0.60)), canvas.inside(page))
    ink = np.zeros(u.shape, np.float32)
    for staff in np.arange(-0.155, 0.20, 0.062):
        wide = abs(u) - 0.142
        for line in range(5):
            ink = np.maximum(
                ink, 0.8 * canvas.inside(np.maximum(abs(v - staff - 0.0055 * line) - 0.0004, wide))
            )
        for bar in (-0.142, -0.048, 0.047, 0.142):
            ink = np.maximum(
                ink,
                canvas.inside(np.maximum(abs(u - bar) - 0.0006, abs(v - staff - 0.011) - 0.011)),
            )
        for n, at in enumerate(np.arange(-0.128, 0.135, 0.0158)):
            pitch = staff + 0.00275 * int(rng.integers(0, 9))
            head = np.hypot((u - at) * 0.72, v - pitch + 0.3 * (u - at)) - 0.0026
            up = 1.0 if pitch > staff + 0.011 else -1.0
            stem = np.maximum(
                abs(u - at - 0.0031 * up) - 0.0005, abs(v - pitch + 0.009 * up) - 0.009
            )
            ink = np.maximum(ink, np.maximum(canvas.inside(head), canvas.inside(stem)))
            if n % 3 == 0:
                beam = np.maximum(
                    abs(u - at - 0.009) - 0.0105, abs(v - pitch + 0.0175 * up) - 0.0014
                )
                ink = np.maximum(ink, canvas.inside(beam))
    title(canvas, ink, u, v)
    mix(rgb, (0.02, 0.017, 0.015), ink)


_LETTERS = {"C": "69889960", "O": "69999960", "N": "9DDBB990", "S": "78861E00", "R": "E99EA990",
            "D": "E99999E0", "I": "E44444E0"}  # fmt: skip


def title(canvas: Canvas, ink: Floats, u: Floats, v: Floats) -> None:
    """The words above the first staff, letters of four by seven dots."""
    for place, letter in enumerate("CON SORDINO"):
        for row, bits in enumerate(_LETTERS.get(letter, "")):
            for column in range(4):
                if int(bits, 16) >> (3 - column) & 1:
                    du = u + 0.075 - (place * 0.0138 + column * 0.0024)
                    dot = np.maximum(abs(du), abs(v + 0.202 - row * 0.0024)) - 0.0012
                    np.maximum(ink, canvas.inside(dot), out=ink)


_PATCHES = (  # sRGB, hexadecimal
    "735244 c29682 627a9d 576c43 8580b1 67bdaa d67e2c 505ba6 c15a63 5e3c6c 9dbc40 e0a32e"
    " 383d96 469449 af363c e7c71f bb5695 0885a1 f3f3f2 c8c8c8 a0a0a0 7a7a79 555555 343434"
)


def checker(canvas: Canvas) -> None:
    """A card of 24 colours standing on the table."""
    shadow(canvas, 1.22, 0.925, 0.20, 0.03, 0.8)
    rgb, x, y = canvas.cut(1.02, 0.70, 1.46, 0.97)
    u = (x - 1.225) - 0.06 * (y - 0.82)
    v = (y - 0.82) + 0.05 * (x - 1.225)
    mix(rgb, (0.012, 0.012, 0.013), canvas.inside(np.maximum(abs(u) - 0.155, abs(v) - 0.105)))
    light = np.clip(0.95 - 0.9 * (x - 1.05), 0.4, 1)[..., None] * np.array((1.0, 0.88, 0.70)) * 0.85
    for n, code in enumerate(_PATCHES.split()):
        encoded = np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)]) / 255
        color = np.where(encoded < 0.04, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
        du, dv = u + 0.125 - 0.05 * (n % 6), v + 0.075 - 0.05 * (n // 6)
        mix(rgb, color * light, canvas.inside(np.maximum(abs(du), abs(dv)) - 0.0215))


def candle(canvas: Canvas) -> None:
    """Wax that glows from within, and a flame that no sensor holds."""
    shadow(canvas, 0.93, 0.875, 0.085, 0.022, 0.7)
    rgb, x, y = canvas.cut(0.84, 0.60, 1.02, 0.92)
    dish = np.hypot((x - 0.93) / 3.4, y - 0.862) - 0.020
    nx = np.clip((x - 0.93) / 0.068, -0.99, 0.99) + 0 * y
    brass = shade((nx, 0 * nx - 0.3, np.sqrt(1 - nx**2)), (0.42, 0.25, 0.07), 0.8, 20)
    mix(rgb, brass, canvas.inside(dish))
    nx = np.clip((x - 0.93) / 0.028, -0.99, 0.99)
    wax = np.exp(-(y - 0.65) / 0.07) * (1 - 0.45 * nx**2)
    color = np.stack([0.30 + 0.75 * wax, 0.22 + 0.48 * wax, 0.13 + 0.22 * wax], -1)
    rim = 0.648 + 0.004 * nx**2
    round_off = 0.860 + 0.008 * np.sqrt(1 - nx**2)
    body = np.maximum(abs(x - 0.93) - 0.028, np.maximum(rim - y, y - round_off))
    mix(rgb, color * (0.72 + 0.28 * np.sqrt(1 - nx**2))[..., None], canvas.inside(body))
    stroke(canvas, [(0.93, 0.652), (0.931, 0.64), (0.929, 0.628)], 0.003, (0.02, 0.015, 0.012))
    rgb, x, y = canvas.cut(0.5, 0.15, 1.4, 1)
    far = np.hypot(x - 0.93, 0.8 * (y - 0.60))
    rgb += (0.16 * np.exp(-far / 0.06))[..., None] * np.array((1, 0.55, 0.18), np.float32)
    t = np.clip((0.642 - y) / 0.085, 0, 1)
    half = 0.0145 * (t + 0.02) ** 0.45 * (1 - t) ** 0.8 * 1.9
    flame = abs(x - 0.93 + 0.004 * np.sin(t * 4)) - half
    core = np.clip(-flame / 0.011, 0, 1)[..., None] ** 1.4
    color = np.array((1.5, 0.52, 0.06)) * (1 - core) + np.array((7.0, 5.4, 3.4)) * core
    mix(rgb, color, canvas.inside(np.where((y > 0.642) | (y < 0.557), 1, flame)))


def lights(canvas: Canvas) -> None:
    """A thin wire along the wall with small bulbs: points that clip."""
    x = np.linspace(0.60, 1.5, 40)
    y = 0.045 + 0.085 * (1 - ((x - 1.08) / 0.48) ** 2) + 0.006 * np.sin(x * 31)
    wire = np.stack([x, y], -1)
    stroke(canvas, wire, 0.0022, (0.012, 0.012, 0.012))
    for n in range(2, 40, 4):
        bx, by = wire[n] + (0, 0.012)
        rgb, gx, gy = canvas.cut(bx - 0.2, by - 0.2, bx + 0.2, by + 0.2)
        far = np.hypot(gx - bx, gy - by)
        halo = 0.14 * np.exp(-far / 0.028) * np.clip((0.2 - far) / 0.2, 0, 1)
        rgb += halo[..., None] * np.array((1, 0.62, 0.24), np.float32)
        bulb = np.hypot(gx - bx, 0.75 * (gy - by)) - 0.0052
        mix(rgb, (4.5, 3.2, 1.5), canvas.inside(bulb))


def render(height: int, width: int) -> Floats:
    """The scene in linear sRGB, 1 = white, shape (height, width, 3); brighter lights exceed 1."""
    rng = np.random.default_rng(2026)
    texture = Texture(rng)
    canvas = Canvas(height * FINE, width * FINE)
    wall(canvas, texture)
    window(canvas, texture, rng)
    lights(canvas)
    table(canvas, texture)
    score(canvas, rng)
    vase(canvas, texture)
    branch(canvas, rng)
    candle(canvas)
    checker(canvas)
    fruit(canvas, texture, 0.325, 0.815, 0.078, (0.86, 0.30, 0.025), 0.10)
    fruit(canvas, texture, 0.47, 0.845, 0.066, (0.50, 0.055, 0.035), 0.0)
    stroke(canvas, [(0.468, 0.786), (0.473, 0.765), (0.484, 0.747)], 0.005, (0.06, 0.035, 0.02))
    fruit(canvas, texture, 0.215, 0.885, 0.060, (0.78, 0.56, 0.05), 0.06)
    for x, y in ((0.585, 0.925), (0.622, 0.912), (0.606, 0.945), (0.745, 0.935)):
        fruit(canvas, texture, x, y, 0.019, (0.055, 0.06, 0.16), 0.0)
    lens = np.array((0.25, 0.5, 0.25), np.float32)  # no optics is sharper than its pixels
    for axis in (0, 1):
        near = np.pad(canvas.rgb, [(1, 1) if a == axis else (0, 0) for a in range(3)], mode="edge")
        parts = [np.take(near, np.arange(canvas.rgb.shape[axis]) + n, axis) for n in range(3)]
        canvas.rgb = lens[0] * parts[0] + lens[1] * parts[1] + lens[2] * parts[2]
    return canvas.rgb.reshape(height, FINE, width, FINE, 3).mean((1, 3))
