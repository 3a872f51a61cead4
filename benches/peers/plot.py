"""Draws the table of `udp` or `half` as SVG: CPU time per query, in user space and in the kernel.

    plot.py ROWS.json PLOT.svg      of the last run in a file that `run.py --json` wrote
"""
import html
import json
import sys

ROW_HEIGHT, LEFT, WIDTH, RIGHT, TOP = 30, 150, 520, 230, 86
CLIPPED_AT = 4.0  # times the echo; longer bars are cut, and say so
COLOURS = {"user": "#b8442c", "kernel": "#c9ced6", "own": "#1f6f54", "text": "#20242a", "grid": "#e3e6ea"}


def write(path, rows):
    echo = next((row for row in rows if row["server"] == "echo"), rows[0])
    limit_us = echo["cpu_us"] * min(CLIPPED_AT, max(row["ratio"][1] for row in rows) * 1.05)
    rows = sorted(rows, key=lambda row: row["ratio"][1])
    height = TOP + ROW_HEIGHT * len(rows) + 46
    body = [text(LEFT, 28, "CPU time per UDP query, server saturated on one processor", size=17, weight=600),
            *legend(), *grid(limit_us, height)]
    for index, row in enumerate(rows):
        body += bar(row, TOP + index * ROW_HEIGHT, limit_us, echo["cpu_us"])
    with open(path, "w") as f:
        f.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" height="{height}" '
                f'viewBox="0 0 {LEFT + WIDTH + RIGHT} {height}" font-family="sans-serif">\n'
                f'{rectangle(0, 0, LEFT + WIDTH + RIGHT, height, "#ffffff")}\n' + "\n".join(body) + "\n</svg>\n")


def bar(row, y, limit_us, echo_us):
    """The bar's whole length is the ratio to the echo, so that the drift of the machine is out of
    it; the part in user space is its share of that."""
    ratio_low, ratio, ratio_high = row["ratio"]
    scale = WIDTH / limit_us * echo_us
    length = min(ratio * scale, WIDTH)
    user = length * row["user_us"] / row["cpu_us"]
    own = row["server"] == "cutover"
    yield text(LEFT - 10, y + 19, row["server"], anchor="end", weight=700 if own else 400)
    yield rectangle(LEFT, y + 5, user, 18, COLOURS["own" if own else "user"])
    yield rectangle(LEFT + user, y + 5, length - user, 18, COLOURS["kernel"])
    if ratio * scale > WIDTH:
        yield text(LEFT + WIDTH - 8, y + 19, "»", anchor="end", weight=700)
    elif row["server"] != "echo":
        low, high = LEFT + ratio_low * scale, LEFT + min(ratio_high * scale, WIDTH)
        yield f'<path d="M{low:.1f} {y + 14}H{high:.1f}M{low:.1f} {y + 10}v8M{high:.1f} {y + 10}v8" stroke="{COLOURS["text"]}"/>'
    yield text(LEFT + WIDTH + 12, y + 19, f'{ratio:.2f} × · {row["cpu_us"]:.2f} µs, user {row["user_us"]:.2f}',
               weight=700 if own else 400)


def legend():
    yield rectangle(LEFT, 42, 12, 12, COLOURS["user"])
    yield rectangle(LEFT + 15, 42, 12, 12, COLOURS["own"])
    yield text(LEFT + 33, 53, "in user space")
    yield rectangle(LEFT + 135, 42, 12, 12, COLOURS["kernel"])
    yield text(LEFT + 153, 53, "in the kernel")
    yield text(LEFT + 260, 53, "├┤ quartiles of the ratio to the echo")


def grid(limit_us, height):
    step = next(step for step in (0.5, 1, 2, 5, 10, 20, 50, 100, 1e9) if limit_us / step <= 9)
    for index in range(int(limit_us / step) + 1):
        x = LEFT + index * step * WIDTH / limit_us
        yield f'<path d="M{x:.1f} {TOP - 6}V{height - 38}" stroke="{COLOURS["grid"]}"/>'
        yield text(x, height - 20, f"{index * step:g}", anchor="middle", size=12)
    yield text(LEFT + WIDTH + 12, height - 20, "µs per query", size=12)


def text(x, y, content, anchor="start", size=13, weight=400):
    return (f'<text x="{x:.1f}" y="{y}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" '
            f'fill="{COLOURS["text"]}">{html.escape(content)}</text>')


def rectangle(x, y, width, height, colour):
    return f'<rect x="{x:.1f}" y="{y}" width="{max(width, 0):.1f}" height="{height}" fill="{colour}"/>'


def last_run(path):
    """The last rows of a server each, of `udp` or `half`."""
    with open(path) as f:
        rows = [row for row in map(json.loads, f) if row["mode"] in ("udp", "half")]
    return list({row["server"]: row for row in rows}.values())


if __name__ == "__main__":
    write(sys.argv[2], last_run(sys.argv[1]))
