"""Small SVG plots: lines over a logarithmic x, and bars in groups. Readable on light and dark pages."""

import html
import math

COLOURS = ['#2563a8', '#c2571a', '#3c8d5a', '#8a4fa3', '#7a7a7a']
WIDTH, HEIGHT = 720, 340
LEFT, RIGHT, TOP, BOTTOM = 78, 16, 56, 58
STYLE = ('<style>text{font:12px sans-serif;fill:#333}.t{font-size:15px;font-weight:600}.g{stroke:#ddd}'
         '.a{stroke:#888}.b{fill:#fff}@media(prefers-color-scheme:dark){text{fill:#ddd}.g{stroke:#333}.b{fill:#161616}}</style>')


def nice_ticks(top):
    if top <= 0:
        return [0, 1]
    step = 10 ** math.floor(math.log10(top))
    for part in (0.2, 0.25, 0.5, 1, 2):
        if top / (step * part) <= 6:
            step *= part
            break
    count = math.ceil(top / step)
    return [step * i for i in range(count + 1)]


def label(value):
    if value >= 1_000_000:
        return f'{value / 1_000_000:.4g} M'
    if value >= 10_000:
        return f'{value / 1000:.3g} k'
    return f'{value:g}' if value >= 10 or value == int(value) else f'{value:.2g}'


def text(x, y, words, anchor='middle', css='', turn=None):
    extra = f' class="{css}"' if css else ''
    extra += f' transform="rotate({turn} {x:.1f} {y:.1f})"' if turn is not None else ''
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{html.escape(words)}</text>'


def frame(title, unit, ticks):
    top = ticks[-1]
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" '
             f'aria-label="{html.escape(title)}">', STYLE, f'<rect class="b" width="{WIDTH}" height="{HEIGHT}"/>',
             text(LEFT, 22, title, 'start', 't')]
    for tick in ticks:
        y = y_of(tick, top)
        parts.append(f'<line class="g" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(text(LEFT - 8, y + 4, label(tick), 'end'))
    parts.append(text(18, (TOP + HEIGHT - BOTTOM) / 2, unit, turn=-90))
    return parts


def y_of(value, top):
    return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)


def legend(names):
    parts, x = [], LEFT
    for name, colour in zip(names, COLOURS):
        parts.append(f'<rect x="{x}" y="34" width="11" height="11" fill="{colour}"/>')
        parts.append(text(x + 16, 44, name, 'start'))
        x += 30 + 7 * len(name)
    return parts


def line_plot(path, title, axis, unit, series):
    """series: name -> [(x, median, least, most)]."""
    series = {name: points for name, points in series.items() if points}
    if not series:
        return
    xs = sorted({p[0] for points in series.values() for p in points})
    ticks = nice_ticks(max(p[3] for points in series.values() for p in points) * 1.05)
    low, high = math.log(max(xs[0], 1)), math.log(max(xs[-1], 2))

    def x_of(x):
        share = (math.log(max(x, 1)) - low) / (high - low) if high > low else 0.5
        return LEFT + 30 + share * (WIDTH - LEFT - RIGHT - 60)
    parts = frame(title, unit, ticks) + legend(series)
    for x in xs:
        parts.append(text(x_of(x), HEIGHT - BOTTOM + 18, label(x)))
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, axis))
    for points, colour in zip(series.values(), COLOURS):
        way = ' '.join(f'{x_of(x):.1f},{y_of(v, ticks[-1]):.1f}' for x, v, _, _ in points)
        parts.append(f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, value, least, most in points:
            parts.append(f'<line stroke="{colour}" x1="{x_of(x):.1f}" x2="{x_of(x):.1f}" y1="{y_of(least, ticks[-1]):.1f}" '
                         f'y2="{y_of(most, ticks[-1]):.1f}"/>')
            parts.append(f'<circle cx="{x_of(x):.1f}" cy="{y_of(value, ticks[-1]):.1f}" r="3.5" fill="{colour}"/>')
    path.write_text('\n'.join(parts + ['</svg>']) + '\n')


def bar_plot(path, title, unit, groups, series, stacked=False):
    """series: name -> one value for each group."""
    if not groups or not series:
        return
    columns = list(zip(*series.values()))
    ticks = nice_ticks(max(sum(c) if stacked else max(c) for c in columns) * 1.05)
    parts = frame(title, unit, ticks) + legend(series)
    wide = (WIDTH - LEFT - RIGHT) / len(groups)
    for i, (group, column) in enumerate(zip(groups, columns)):
        left, base = LEFT + i * wide + wide * 0.12, 0
        bar = wide * 0.76 / (1 if stacked else len(column))
        for k, value in enumerate(column):
            x = left if stacked else left + k * bar
            top, bottom = y_of(base + value, ticks[-1]), y_of(base, ticks[-1])
            parts.append(f'<rect x="{x:.1f}" y="{top:.1f}" width="{bar * 0.94:.1f}" height="{bottom - top:.1f}" '
                         f'fill="{COLOURS[k]}"/>')
            if not stacked:
                parts.append(text(x + bar / 2, top - 4, label(round(value))))
            base += value if stacked else 0
        if stacked:
            parts.append(text(left + bar / 2, y_of(base, ticks[-1]) - 4, label(round(base, 1))))
        for row, words in enumerate(group.split(', ')):
            parts.append(text(left + wide * 0.38, HEIGHT - BOTTOM + 18 + 15 * row, words))
    path.write_text('\n'.join(parts + ['</svg>']) + '\n')
